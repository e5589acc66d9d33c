import assert from "node:assert/strict";
import { lookAtVm } from "../../lib/drivers/qemu/look.ts";
import { plugDisk, unplugDisk } from "../../lib/drivers/qemu/plug.ts";
import { connectQmp } from "../../lib/drivers/qemu/qmp.ts";
import { resizeLive } from "../../lib/drivers/qemu/resize.ts";
import { rootPortArguments } from "../../lib/drivers/qemu/root_ports.ts";
import { UserError } from "../../lib/host/errors.ts";
import type { MachineFolder } from "../../lib/host/paths.ts";
import { GREETING, withMonitor, withRealQemu } from "./drivers_monitor_fixture.ts";

const DISK = { id: "disk-scratch", file: "/disks/a, b.raw", format: "raw" } as const;
const NODES = ["disk-scratch", "disk-scratch.file"];

/** What a pretended QEMU has: it keeps the rules that QEMU 7.2 was seen to keep. */
interface Qemu {
  /** Ports in the order in which QEMU lists them, each with the device behind it. */
  readonly ports: Map<string, string | undefined>;
  readonly nodes: Set<string>;
  /** Devices that the guest was asked to release before. */
  readonly asked: Set<string>;
  /** The commands that change something, in order, each with what it names. */
  readonly changes: string[];
  /** Commands that are refused, and by which words. */
  readonly refusals: ReadonlyMap<string, string>;
  /** When the guest releases a device: with the request, before QEMU has answered it, or never. */
  readonly guest: "releases" | "releases first" | "hangs" | "released";
}

function qemuWith(parts: Partial<Qemu> = {}): Qemu {
  return {
    ports: new Map([["rp10", undefined], ["rp1", undefined], ["rp0", "disk-other"]]),
    nodes: new Set(["system", "system.file"]),
    asked: new Set(),
    changes: [],
    refusals: new Map(),
    guest: "releases",
    ...parts,
  };
}

/** One with the disk plugged. */
function pluggedQemu(parts: Partial<Qemu> = {}): Qemu {
  return qemuWith({ ports: new Map([["rp0", "disk-scratch"]]), nodes: new Set(NODES), ...parts });
}

function answer(qemu: Qemu, command: string, args: Readonly<Record<string, unknown>>): string {
  const returning = (value: unknown) => `${JSON.stringify({ return: value })}\r\n`;
  const refusing = (desc: string, className = "GenericError") =>
    `${JSON.stringify({ error: { class: className, desc } })}\r\n`;
  const text = (key: string) => String(args[key]);
  const names = (list: Iterable<string>) => returning([...list].map((name) => ({ name })));
  const portOf = (id: string) => [...qemu.ports.keys()].find((port) => qemu.ports.get(port) === id);

  if (command === "qom-list") {
    const devices = [...qemu.ports.values()].filter((id) => id !== undefined);
    if (args["path"] === "/machine/peripheral") return names(["type", ...qemu.ports.keys(), ...devices]);
    const port = text("path").split("/").at(-1)!;
    return names(["type", "hotplug-handler", ...(qemu.ports.get(port) ? ["child[0]"] : [])]);
  }
  if (command === "query-named-block-nodes") {
    return returning([...qemu.nodes].map((name) => ({ "node-name": name })));
  }
  qemu.changes.push(`${command} ${args["node-name"] ?? args["id"]}`);
  const refusal = qemu.refusals.get(qemu.changes.at(-1)!);
  if (refusal !== undefined) return refusing(refusal);
  if (command === "blockdev-add") {
    if (qemu.nodes.has(text("node-name"))) {
      return refusing(`Duplicate nodes with node-name='${text("node-name")}'`);
    }
    qemu.nodes.add(text("node-name"));
    return returning({});
  }
  if (command === "blockdev-del") {
    const node = text("node-name");
    if (portOf(node) || qemu.nodes.has(node.replace(/\.file$/, "")) && node.endsWith(".file")) {
      return refusing(`Node ${node} is in use`);
    }
    return qemu.nodes.delete(node) ? returning({}) : refusing(`Failed to find node with node-name='${node}'`);
  }
  if (command === "device_add") {
    if (qemu.ports.get(text("bus")) !== undefined) return refusing("PCI: slot 0 function 0 not available");
    qemu.ports.set(text("bus"), text("id"));
    return returning({});
  }
  assert.equal(command, "device_del");
  return answerDeviceDel(qemu, text("id"), { returning, refusing });
}

function answerDeviceDel(
  qemu: Qemu,
  id: string,
  { returning, refusing }: {
    returning(value: unknown): string;
    refusing(desc: string, className?: string): string;
  },
): string {
  const port = [...qemu.ports.keys()].find((it) => qemu.ports.get(it) === id);
  const event = (data: unknown) => `${JSON.stringify({ event: "DEVICE_DELETED", data })}\r\n`;
  // QEMU tells of the inner device first, which has no id.
  const deleted = event({ path: `/machine/peripheral/${id}/virtio-backend` }) +
    event({ device: id, path: `/machine/peripheral/${id}` });
  if (qemu.guest === "hangs") {
    if (qemu.asked.has(id)) return refusing(`Device ${id} is already in the process of unplug`);
    qemu.asked.add(id);
    return returning({}) + event({ device: "disk-other" });
  }
  qemu.ports.set(port!, undefined);
  if (qemu.guest === "released") return refusing(`Device '${id}' not found`, "DeviceNotFound");
  if (qemu.asked.has(id)) return refusing(`Device ${id} is already in the process of unplug`) + deleted;
  return qemu.guest === "releases first" ? deleted + returning({}) : returning({}) + deleted;
}

async function withQemu(qemu: Qemu, work: (folder: MachineFolder) => Promise<void>): Promise<void> {
  await withMonitor(GREETING, (command, args) => answer(qemu, command, args), work);
}

const PLUGGING = ["blockdev-add disk-scratch.file", "blockdev-add disk-scratch", "device_add disk-scratch"];
const UNPLUGGING = ["device_del disk-scratch", "blockdev-del disk-scratch", "blockdev-del disk-scratch.file"];

Deno.test("plugDisk() adds the file, the disk and the device, on the first free port, and only once", async () => {
  const qemu = qemuWith();
  await withQemu(qemu, async (folder) => {
    await plugDisk(folder, DISK);
    assert.deepEqual(qemu.changes, PLUGGING);
    assert.equal(qemu.ports.get("rp1"), "disk-scratch", "rp0 is taken, rp10 comes after rp1");
    await plugDisk(folder, DISK);
    assert.equal(qemu.changes.length, PLUGGING.length);
  });
});

Deno.test("plugDisk() gives QEMU the file as it is named, with discard, and the device its disk", async () => {
  const seen: Record<string, unknown>[] = [];
  const qemu = qemuWith();
  const reply = (command: string, args: Readonly<Record<string, unknown>>) => {
    if (/_add|-add/.test(command)) seen.push(args);
    return answer(qemu, command, args);
  };
  await withMonitor(GREETING, reply, (folder) => plugDisk(folder, DISK));
  assert.deepEqual(seen, [
    { driver: "file", "node-name": "disk-scratch.file", filename: "/disks/a, b.raw", discard: "unmap" },
    { driver: "raw", "node-name": "disk-scratch", file: "disk-scratch.file", discard: "unmap" },
    {
      driver: "virtio-blk-pci",
      id: "disk-scratch",
      bus: "rp1",
      drive: "disk-scratch",
      serial: "disk-scratch",
    },
  ]);
});

for (const left of [["disk-scratch.file"], NODES]) {
  Deno.test(`plugDisk() finishes a plug that was cut short after ${left.length} nodes`, async () => {
    const qemu = qemuWith({ nodes: new Set(left) });
    await withQemu(qemu, async (folder) => {
      await plugDisk(folder, DISK);
      assert.deepEqual(qemu.changes.slice(-3), PLUGGING);
      assert.deepEqual([...qemu.nodes].sort(), NODES);
      assert.equal(qemu.ports.get("rp1"), "disk-scratch");
    });
  });
}

for (const refused of PLUGGING) {
  Deno.test(`plugDisk() leaves nothing behind when QEMU refuses ${refused}`, async () => {
    const qemu = qemuWith({ refusals: new Map([[refused, 'Failed to get "write" lock']]) });
    await withQemu(qemu, async (folder) => {
      await assert.rejects(plugDisk(folder, DISK), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(
          error.message,
          /^Cannot plug the disk "\/disks\/a, b\.raw" .*Failed to get "write" lock$/,
        );
        return true;
      });
      assert.deepEqual([...qemu.nodes], ["system", "system.file"]);
      assert.deepEqual([...qemu.ports.values()], [undefined, undefined, "disk-other"]);
    });
  });
}

Deno.test("plugDisk() says that all ports are taken, and leaves nothing behind", async () => {
  const qemu = qemuWith({ ports: new Map([["rp0", "share-a"], ["rp1", "disk-other"]]) });
  await withQemu(qemu, async (folder) => {
    await assert.rejects(plugDisk(folder, DISK), /All 2 ports .* are taken/);
    assert.deepEqual([...qemu.nodes], ["system", "system.file"]);
  });
});

for (const guest of ["releases", "releases first", "released"] as const) {
  Deno.test(`unplugDisk() removes device, disk and file when the guest ${guest}, and only once`, async () => {
    const qemu = pluggedQemu({ guest });
    await withQemu(qemu, async (folder) => {
      await unplugDisk(folder, DISK.id);
      assert.deepEqual(qemu.changes, UNPLUGGING);
      assert.deepEqual([[...qemu.nodes], qemu.ports.get("rp0")], [[], undefined]);
      await unplugDisk(folder, DISK.id);
      assert.equal(qemu.changes.length, UNPLUGGING.length);
    });
  });
}

Deno.test("unplugDisk() does not take the nodes from a guest that does not release the disk, and goes on later", async () => {
  const qemu = pluggedQemu({ guest: "hangs" });
  await withQemu(qemu, async (folder) => {
    for (let round = 0; round < 2; round++) { // the second time the request is under way already
      await assert.rejects(unplugDisk(folder, DISK.id, 50), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^The guest did not release the disk "disk-scratch" in 0\.05 s$/);
        assert.ok(error.hint);
        return true;
      });
    }
    assert.deepEqual([...qemu.nodes], NODES);
  });
  const later = pluggedQemu({ asked: qemu.asked });
  await withQemu(later, async (folder) => {
    await unplugDisk(folder, DISK.id);
    assert.deepEqual([[...later.nodes], later.ports.get("rp0")], [[], undefined]);
  });
});

for (const left of [["disk-scratch.file"], NODES]) {
  Deno.test(`unplugDisk() finishes an unplug that was cut short before ${left.length} nodes`, async () => {
    const qemu = qemuWith({ nodes: new Set(left) });
    await withQemu(qemu, async (folder) => {
      await unplugDisk(folder, DISK.id);
      assert.deepEqual([...qemu.nodes], []);
      assert.deepEqual(qemu.changes, UNPLUGGING.slice(-left.length));
    });
  });
}

Deno.test("unplugDisk() says why QEMU refuses, and keeps the nodes", async () => {
  const refusals = new Map([["device_del disk-scratch", "Bus 'pcie.0' does not support hotplugging"]]);
  const qemu = pluggedQemu({ refusals });
  await withQemu(qemu, async (folder) => {
    await assert.rejects(unplugDisk(folder, DISK.id), /^UserError: Cannot unplug the disk .*hotplugging$/);
    assert.deepEqual([...qemu.nodes], NODES);
  });
});

Deno.test("resizeLive() names the node of a disk whose id is too long for one", async () => {
  const nodes: unknown[] = [];
  const reply = (_: string, args: Readonly<Record<string, unknown>>) => {
    nodes.push(args["node-name"]);
    return '{"return": {}}\r\n';
  };
  await withMonitor(GREETING, reply, async (folder) => {
    for (const id of ["data", "disk-scratch", `disk-${"x".repeat(40)}`]) await resizeLive(folder, id, 1024);
  });
  assert.deepEqual(nodes.slice(0, 2), ["data", "disk-scratch"]);
  assert.match(String(nodes[2]), /^disk\.[0-9a-f]{15}$/);
});

/** The ports of a VM that starts without further disks. */
const PORTS = rootPortArguments(0);
/** A disk without an id, as the system's is. */
const SYSTEM = [
  ...["-blockdev", `driver=null-co,node-name=system,size=${32 * 2 ** 20}`],
  ...["-device", "virtio-blk-pci,drive=system"],
];

Deno.test("plugDisk() plugs into a real QEMU, whose look tells disks from mere nodes and has their sizes", async () => {
  await withRealQemu(async (folder) => {
    const plugged = async () => {
      const look = await lookAtVm(folder);
      assert.ok(look.state === "running", JSON.stringify(look));
      return look.disks;
    };
    const diskOf = async (id: string) => {
      const file = `${folder.root}/${id},x.raw`;
      using handle = await Deno.open(file, { create: true, write: true });
      await handle.truncate(8 * 2 ** 20);
      return { id, file, format: "raw" as const };
    };
    const long = await diskOf(`disk-${"x".repeat(40)}`);
    const similar = await diskOf("disk-a-file");
    const short = await diskOf("disk-a");
    {
      using qmp = await connectQmp(folder.qmpCommand);
      const left = { driver: "file", "node-name": "disk-a.file", filename: short.file, discard: "unmap" };
      await qmp.execute("blockdev-add", left);
    }
    const system = { id: "system", sizeMiB: 32 };
    assert.deepEqual(await plugged(), [system]);
    for (const disk of [long, similar, short, short]) await plugDisk(folder, disk);
    await resizeLive(folder, long.id, 16);
    assert.deepEqual([...await plugged()].sort((a, b) => a.id < b.id ? -1 : 1), [
      { id: "disk-a", sizeMiB: 8 },
      { id: "disk-a-file", sizeMiB: 8 },
      { id: long.id, sizeMiB: 16 },
      system,
    ]);
    await assert.rejects(plugDisk(folder, { ...short, id: "disk-again" }), /Failed to get "write" lock/);
    await assert.rejects(plugDisk(folder, { ...short, id: "disk-b", file: "/no/where" }), /No such file/);
    assert.equal((await plugged()).length, 4);
    // Nothing runs in this VM, so nobody releases a disk.
    for (let round = 0; round < 2; round++) {
      await assert.rejects(unplugDisk(folder, short.id, 50), /did not release the disk "disk-a"/);
    }
    for (let free = PORTS.length / 2 - 3; free > 0; free--) {
      await plugDisk(folder, await diskOf(`disk-n${free}`));
    }
    await assert.rejects(plugDisk(folder, await diskOf("disk-more")), /All 12 ports .* are taken/);
  }, [...PORTS, ...SYSTEM]);
});
