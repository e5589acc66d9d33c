import assert from "node:assert/strict";
import { addForward, removeForward } from "../../lib/drivers/qemu/forward.ts";
import { findQemu, lookAtVm } from "../../lib/drivers/qemu/look.ts";
import { connectQmp, QmpError } from "../../lib/drivers/qemu/qmp.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import { findProgram, isRunning, spawnDetached } from "../../lib/host/process.ts";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

/** A monitor that answers each command by the given lines; silent without a greeting. */
async function withMonitor(
  greeting: string | undefined,
  reply: (command: string) => string,
  work: (folder: MachineFolder) => Promise<void>,
): Promise<void> {
  await inMachineFolder(async (folder) => {
    const listener = Deno.listen({ transport: "unix", path: folder.qmpCommand });
    const served: Promise<void>[] = [];
    const accepting = (async () => {
      for await (const connection of listener) served.push(serve(connection, greeting, reply));
    })();
    try {
      await work(folder);
    } finally {
      listener.close();
      await accepting;
      await Promise.all(served);
    }
  });
}

async function serve(
  connection: Deno.Conn,
  greeting: string | undefined,
  reply: (command: string) => string,
): Promise<void> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  using open = connection;
  if (greeting !== undefined) await open.write(encoder.encode(greeting));
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let n = await open.read(buffer); n !== null; n = await open.read(buffer)) {
    text += decoder.decode(buffer.subarray(0, n));
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const { execute } = JSON.parse(line) as { execute: string };
      await open.write(
        encoder.encode(execute === "qmp_capabilities" ? '{"return": {}}\r\n' : reply(execute)),
      );
    }
  }
}

async function inMachineFolder(work: (folder: MachineFolder) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir({ prefix: "qmp-" });
  const folder = machineFolder("dev", home);
  await Deno.mkdir(folder.root);
  try {
    await work(folder);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("connectQmp() passes over events that come between command and answer", async () => {
  const event = '{"event": "RESUME", "timestamp": {}}\r\n';
  await withMonitor(
    event + GREETING,
    () => `${event}{"return": {"status": "running"}}\r\n${event}`,
    async (folder) => {
      using qmp = await connectQmp(folder.qmpCommand);
      for (let i = 0; i < 3; i++) assert.deepEqual(await qmp.execute("query-status"), { status: "running" });
    },
  );
});

Deno.test("connectQmp() puts an answer together that comes in pieces", async () => {
  const long = "x".repeat(200_000);
  await withMonitor(GREETING, () => `{"return": "${long}"}\r\n`, async (folder) => {
    using qmp = await connectQmp(folder.qmpCommand);
    assert.equal((await qmp.human("info")).length, long.length);
  });
});

Deno.test("connectQmp() gives QEMU's own words when it refuses", async () => {
  const refusal = '{"error": {"class": "GenericError", "desc": "Block node is read-only"}}\r\n';
  await withMonitor(GREETING, () => refusal, async (folder) => {
    using qmp = await connectQmp(folder.qmpCommand);
    await assert.rejects(qmp.execute("block_resize"), (error) => {
      assert.ok(error instanceof QmpError);
      assert.equal(error.className, "GenericError");
      assert.match(error.message, /block_resize: Block node is read-only/);
      return true;
    });
  });
});

Deno.test("connectQmp() without a greeting is a time-out, never 'not there'", async () => {
  await withMonitor(undefined, () => "", async (folder) => {
    await assert.rejects(connectQmp(folder.qmpCommand), { name: "TimeoutError" });
  });
});

Deno.test("connectQmp() tells that nothing listens", async () => {
  await inMachineFolder(async (folder) => {
    await assert.rejects(connectQmp(folder.qmpCommand), Deno.errors.NotFound);
  });
});

Deno.test("addForward() takes the monitor's text for the error that it is", async () => {
  const reply = () => '{"return": "Could not set up host forwarding rule\\r\\n"}\r\n';
  const forward = { protocol: "tcp", host: "127.0.0.1", hostPort: 8080, guestPort: 80 } as const;
  await withMonitor(GREETING, reply, async (folder) => {
    await assert.rejects(addForward(folder, forward), /Cannot listen on 127\.0\.0\.1:8080: Could not set up/);
    await removeForward(folder, forward); // says so too, when there is none
  });
});

Deno.test("lookAtVm() without socket and process finds a stopped VM", async () => {
  await inMachineFolder(async (folder) => {
    assert.deepEqual(await lookAtVm(folder), { state: "stopped", crashed: false });
  });
});

Deno.test("lookAtVm() with a dead socket and a pid file that nobody removed finds a crash", async () => {
  await inMachineFolder(async (folder) => {
    const listener = Deno.listen({ transport: "unix", path: `${folder.qmpCommand}.x` });
    await Deno.rename(`${folder.qmpCommand}.x`, folder.qmpCommand); // or the listener would take it along
    listener.close();
    assert.ok((await Deno.lstat(folder.qmpCommand)).isSocket);
    await Deno.writeTextFile(folder.qemuPid, "4194300\n");
    const look = await lookAtVm(folder);
    assert.deepEqual(look, { state: "stopped", crashed: true, reason: "the QEMU process 4194300 is gone" });
  });
});

Deno.test("lookAtVm() takes another process of the recorded number for no VM", async () => {
  await inMachineFolder(async (folder) => {
    await Deno.writeTextFile(folder.qemuPid, `${Deno.pid}\n`);
    assert.equal(await findQemu(folder), undefined);
    assert.equal((await lookAtVm(folder)).state, "stopped");
  });
});

Deno.test({
  name: "findQemu() takes a kernel thread of the recorded number for no VM",
  ignore: kernelThread() === undefined,
  async fn() {
    await inMachineFolder(async (folder) => {
      await Deno.writeTextFile(folder.qemuPid, `${kernelThread()}\n`);
      assert.equal(await findQemu(folder), undefined);
    });
  },
});

/** A real QEMU without a guest: it stops before the first instruction. */
async function withQemu(work: (folder: MachineFolder, pid: number) => Promise<void>): Promise<void> {
  await inMachineFolder(async (folder) => {
    const qemu = await findProgram("qemu-system-x86_64");
    assert.ok(qemu, "qemu-system-x86_64 is not installed");
    const child = spawnDetached([
      ...[qemu, "-S", "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-m", "64M"],
      ...[
        "-cpu",
        "max,-cx16",
        "-netdev",
        "user,id=n0,ipv6=off",
        "-device",
        "virtio-net-pci,netdev=n0,romfile=",
      ],
      ...["-qmp", `unix:${folder.qmpCommand},server=on,wait=off`, "-pidfile", folder.qemuPid],
    ], { log: folder.qemuLog, cwd: folder.root });
    try {
      const up = await waitFor(async () => (await lookAtVm(folder)).state === "running" || undefined, {
        timeoutMs: 20_000,
      });
      assert.ok(up, await Deno.readTextFile(folder.qemuLog));
      await work(folder, child.pid);
    } finally {
      if (isRunning(child.pid)) Deno.kill(child.pid, "SIGKILL");
      child.ref(); // nothing else may be left to wait for
      await child.status;
    }
  });
}

Deno.test("lookAtVm() lets a real QEMU describe itself, and finds it when it hangs and when it was killed", async () => {
  await withQemu(async (folder, pid) => {
    const forward = { protocol: "tcp", host: "127.0.0.1", hostPort: freeTcpPort(), guestPort: 22 } as const;
    await addForward(folder, forward);
    const look = await lookAtVm(folder);
    assert.ok(look.state === "running", JSON.stringify(look));
    const { status, cpus, memoryMiB, accel, cpu, forwards } = look;
    assert.deepEqual({ pid: look.pid, status, cpus, memoryMiB, accel, cpu, forwards }, {
      pid,
      status: "prelaunch",
      cpus: 1,
      memoryMiB: 64,
      accel: "tcg",
      cpu: "max,-cx16",
      forwards: [forward],
    });
    await assert.rejects(addForward(folder, forward), /Cannot listen on/);
    await removeForward(folder, forward);

    using _busy = await connectQmp(folder.qmpCommand);
    const busy = await lookAtVm(folder);
    assert.ok(
      busy.state === "unknown" && /another command is asking it/.test(busy.reason),
      JSON.stringify(busy),
    );

    await Deno.remove(folder.qemuPid);
    assert.equal(await findQemu(folder), pid, "found without its pid file");

    Deno.kill(pid, "SIGKILL");
    const gone = await waitFor(async () => (await lookAtVm(folder)).state === "stopped" || undefined, {
      timeoutMs: 5000,
    });
    assert.ok(gone);
  });
});

function freeTcpPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** A process of the kernel's own, which has no arguments; containers show none. */
function kernelThread(): number | undefined {
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${entry.name}/stat`);
      if (Deno.readTextFileSync(`/proc/${entry.name}/cmdline`) === "" && !/\) Z/.test(stat)) {
        return Number(entry.name);
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error; // gone between two looks
    }
  }
  return undefined;
}
