import assert from "node:assert/strict";
import type { RunningVm } from "../../lib/drivers/types.ts";
import { dataDiskKind } from "../../lib/resources/data_disk.ts";
import { systemDiskKind } from "../../lib/resources/system_disk.ts";
import { sshForward, vmKind } from "../../lib/resources/vm.ts";
import { shareOf } from "../../lib/resources/mount_share.ts";
import type { Look, World } from "../../lib/resources/contract.ts";
import { makeDataDisk } from "../../lib/drivers/qemu/disks.ts";
import type { Machine } from "../../lib/config/types.ts";
import {
  compareOne,
  factsOf,
  lookOf,
  MACHINE,
  observeOne,
  RECORD,
  RUNNING,
  STOPPED,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const running = (parts: Partial<RunningVm> = {}): Look =>
  lookOf(factsOf({}), { vm: { ...RUNNING, ...parts } });

function wanting(vm: Partial<Machine["vm"]>, parts: Partial<Machine> = {}): World {
  return worldOf({ machine: { ...MACHINE, vm: { ...MACHINE.vm, ...vm }, ...parts } });
}

const MOUNT = {
  source: "/",
  target: "/host",
  type: "9p",
  writable: false,
  optional: false,
  options: {},
} as const;

const VM_ROWS: readonly (readonly [string, () => World, Look, readonly string[]])[] = [
  ["equal", () => worldOf(), running(), []],
  ["vm.cpus", () => wanting({ cpus: 4 }), running(), ["vm.cpus restart"]],
  ["vm.memory", () => wanting({ memoryMiB: 2048 }), running(), ["vm.memory restart"]],
  ["vm.cpu", () => wanting({ cpu: "qemu64" }), running(), ["vm.cpu restart"]],
  ["vm.accel", () => wanting({ accel: "kvm" }), running(), ["vm.accel restart", "vm.cpu restart"]],
  ["a newer QEMU has another default CPU", () => worldOf(), running({ qemuVersion: "10.0.2" }), [
    "vm.cpu restart",
  ]],
  ["a guest that panicked", () => worldOf(), running({ status: "guest-panicked" }), ["vm.running restart"]],
  ["a data disk that is not attached", () => worldOf(), running({ disks: [] }), ["vm.dataDisk restart"]],
  ["no data disk wanted", () => wanting({ dataDiskMiB: undefined }), running({ disks: [] }), []],
  ["a new 9p source", () => wanting({}, { mounts: [MOUNT] }), running(), ["mounts restart"]],
  [
    "a share that is there",
    () => wanting({}, { mounts: [MOUNT] }),
    running({ shares: [shareOf(MOUNT).tag] }),
    [],
  ],
  [
    "a source that is missing asks for no restart",
    () => wanting({}, { mounts: [{ ...MOUNT, source: "/no/such" }] }),
    running(),
    [],
  ],
  ["a share that nobody wants stays", () => worldOf(), running({ shares: ["old"] }), []],
  ["ssh.port", () => wanting({}, { ssh: { ...MACHINE.ssh, port: 2222 } }), running(), ["ssh.port live"]],
  ["no forward to ssh", () => worldOf(), running({ forwards: [] }), ["ssh.port live"]],
];

for (const [name, world, look, wanted] of VM_ROWS) {
  Deno.test(`vm: ${name}`, () =>
    withHome(async () => {
      assert.deepEqual(await compareOne(vmKind, "vm", { world: world(), look }), wanted);
    }));
}

Deno.test("vm: absent without a system disk, down with one, and it says why", () =>
  withHome(async () => {
    const note = async (world: World, look: Look) => {
      const observed = await observeOne(vmKind, "vm", { world, look });
      const desired = (await vmKind.desired(world)).get("vm");
      return observed?.state === "present"
        ? vmKind.compare(desired!, observed.value)[0]?.note
        : observed?.state;
    };
    assert.equal(await note(worldOf(), STOPPED), "absent");
    await Deno.mkdir(worldOf().folder.root, { recursive: true });
    await Deno.writeTextFile(worldOf().folder.disk, "");
    assert.equal(await note(worldOf(), STOPPED), "not running");
    assert.equal(
      await note(worldOf({ record: { ...RECORD, stopped: true } }), STOPPED),
      "stopped; apply starts it",
    );
    const crashed: Look = {
      ...STOPPED,
      vm: { state: "stopped", crashed: true, reason: "process 7 is gone" },
    };
    assert.match(await note(worldOf(), crashed) ?? "", /process 7 is gone, and nobody stopped it/);
    const unknown: Look = { ...STOPPED, vm: { state: "unknown", reason: "busy" } };
    assert.equal(await note(worldOf(), unknown), "unknown");
  }));

Deno.test("sshForward() is the one to the guest's port 22", () => {
  const other = { protocol: "tcp", host: "127.0.0.1", hostPort: 8080, guestPort: 80 } as const;
  const udp = { protocol: "udp", host: "127.0.0.1", hostPort: 2, guestPort: 22 } as const;
  assert.equal(sshForward({ ...RUNNING, forwards: [other, udp] }), undefined);
  assert.equal(sshForward({ ...RUNNING, forwards: [udp, ...RUNNING.forwards] })?.hostPort, 40022);
});

const DATA_ROWS: readonly (readonly [number, number, string])[] = [
  [61440, 61440, ""],
  [61440, 71680, "vm.dataDisk live"],
  [61440, 40960, "vm.dataDisk data-loss"],
];
for (const [before, after, wanted] of DATA_ROWS) {
  Deno.test(`disk:data: from ${before} to ${after} MiB`, () => {
    const changes = dataDiskKind.compare({ sizeMiB: after }, { sizeMiB: before });
    assert.equal(changes.map(({ path, effect }) => `${path} ${effect}`).join(), wanted);
  });
}

Deno.test("disk:data: a growth that was cut short is a difference once the VM is down", () =>
  withHome(async () => {
    const { folder } = worldOf();
    const world = wanting({ dataDiskMiB: 1024 });
    await Deno.mkdir(folder.root, { recursive: true });
    assert.deepEqual(await compareOne(dataDiskKind, "disk:data", { world, look: STOPPED }), ["absent"]);
    await makeDataDisk(folder.dataDisk, 256, RECORD.dataDiskUuid!);
    await Deno.truncate(folder.dataDisk, 1024 * 2 ** 20);
    assert.deepEqual(await compareOne(dataDiskKind, "disk:data", { world, look: STOPPED }), [
      "vm.dataDisk live",
    ]);
    // While it is mounted, the superblock in the file may be older than the truth.
    assert.deepEqual(await compareOne(dataDiskKind, "disk:data", { world, look: running() }), []);
  }));

Deno.test("disk:data: a size that leaves no room for a last block group is no difference", () =>
  withHome(async () => {
    const { folder } = worldOf();
    await Deno.mkdir(folder.root, { recursive: true });
    await makeDataDisk(folder.dataDisk, 257, RECORD.dataDiskUuid!);
    const world = wanting({ dataDiskMiB: 257 });
    assert.deepEqual(await compareOne(dataDiskKind, "disk:data", { world, look: STOPPED }), []);
  }));

const WANTED = { sizeMiB: 20480, image: "debian-13", arch: "x86_64" };
const SYSTEM_ROWS: readonly (readonly [string, object, string])[] = [
  ["equal", {}, ""],
  ["vm.disk grows", { sizeMiB: 10240 }, "vm.disk live"],
  ["vm.disk shrinks", { sizeMiB: 40960 }, "vm.disk recreate"],
  ["vm.image", { image: "debian-12" }, "vm.image recreate"],
  ["vm.arch", { arch: "aarch64" }, "vm.arch recreate"],
  ["a base that is gone", { broken: "the base image that it stands on is gone" }, "vm.image recreate"],
];
for (const [name, found, wanted] of SYSTEM_ROWS) {
  Deno.test(`disk:system: ${name}`, () => {
    const changes = systemDiskKind.compare(WANTED, { ...WANTED, ...found });
    assert.equal(changes.map(({ path, effect }) => `${path} ${effect}`).join(), wanted);
  });
}
