import assert from "node:assert/strict";
import { qemuArguments } from "../../lib/drivers/qemu/argv.ts";
import { parseForwards } from "../../lib/drivers/qemu/look.ts";
import type { VmSpec } from "../../lib/drivers/types.ts";
import { machineFolder } from "../../lib/host/paths.ts";

const FOLDER = machineFolder("dev", "/home/ada/a, b");
const SPEC: VmSpec = {
  name: "dev",
  arch: "x86_64",
  accel: "tcg",
  cpu: "max,-cx16",
  cpus: 2,
  memoryMiB: 1024,
  mac: "52:54:00:01:02:03",
  disks: [
    { id: "system", file: FOLDER.disk, format: "qcow2" },
    { id: "data", file: FOLDER.dataDisk, format: "raw" },
  ],
  shares: [
    { tag: "m1", source: "/home/ada/x,y", writable: false },
    { tag: "m2", source: "/src", writable: true },
  ],
  kernel: "/cache/a,b/kernel",
  initrd: "/cache/a,b/initrd",
  commandLine: "root=/dev/vda rw",
};

function withFurtherDisks(count: number): VmSpec {
  const further = Array.from(
    { length: count },
    (_, i) => ({ id: `disk-n${i}`, file: `/n${i}.raw`, format: "raw" as const }),
  );
  return { ...SPEC, disks: [...SPEC.disks, ...further] };
}

function valuesOf(option: string, spec = SPEC): string[] {
  const argv = qemuArguments(spec, FOLDER);
  return argv.flatMap((word, index) => word === option ? [argv[index + 1] ?? ""] : []);
}

Deno.test("qemuArguments() doubles the commas of paths inside of option lists, and only there", () => {
  const doubled = "/home/ada/a,, b/dev";
  assert.ok(valuesOf("-blockdev")[0]?.includes(`filename=${doubled}/disk.qcow2,`));
  assert.ok(valuesOf("-blockdev")[2]?.includes(`filename=${doubled}/data.raw,`));
  assert.ok(valuesOf("-fsdev")[0]?.includes("path=/home/ada/x,,y,"));
  assert.ok(valuesOf("-fw_cfg")[0]?.endsWith(`file=${doubled}/tmpfiles.extra`));
  assert.deepEqual(valuesOf("-chardev").map((value) => /path=(.*\.(?:log|sock))/.exec(value)?.[1]), [
    `${doubled}/serial.log`,
    `${doubled}/qmp.sock`,
    `${doubled}/qmp-cli.sock`,
  ]);
  assert.deepEqual(valuesOf("-pidfile"), ["/home/ada/a, b/dev/qemu.pid"]);
  assert.deepEqual(valuesOf("-kernel"), ["/cache/a,b/kernel"]);
  assert.deepEqual(valuesOf("-initrd"), ["/cache/a,b/initrd"]);
});

Deno.test("qemuArguments() denies all four in the sandbox", () => {
  assert.deepEqual(valuesOf("-sandbox"), [
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  ]);
});

Deno.test("qemuArguments() puts no forward on the command line: a taken port would stop QEMU", () => {
  const argv = qemuArguments(SPEC, FOLDER).join(" ");
  assert.ok(!argv.includes("hostfwd"));
  assert.ok(argv.includes("ipv6=off"));
  assert.ok(!argv.includes("-daemonize"));
});

Deno.test("qemuArguments() shares the memory, so that virtiofs can be plugged", () => {
  assert.deepEqual(valuesOf("-object"), ["memory-backend-memfd,id=ram,size=1024M,share=on"]);
  assert.match(valuesOf("-machine")[0] ?? "", /memory-backend=ram/);
});

Deno.test("qemuArguments() keeps spare ports with numbers and addresses of their own, beside those in use", () => {
  for (const disks of [0, 8]) {
    const ports = valuesOf("-device", withFurtherDisks(disks)).filter((it) =>
      it.startsWith("pcie-root-port")
    );
    assert.equal(ports.length, disks + 12, "8 for disks, the rest for shares");
    for (const key of ["id", "chassis", "slot", "addr"]) {
      const values = ports.map((port) => new RegExp(`,${key}=([^,]+)`).exec(port)?.[1]);
      assert.equal(new Set(values).size, ports.length, `${key}: ${values}`);
    }
    assert.ok(ports[0]?.includes("addr=0x1e.0"), "a slot needs its function 0");
  }
});

Deno.test("qemuArguments() puts further disks behind ports that are there before them, with ids to unplug them by", () => {
  const devices = valuesOf("-device", withFurtherDisks(2));
  const plugged = devices.filter((device) => device.includes("id=disk-"));
  assert.deepEqual(plugged, [
    "driver=virtio-blk-pci,id=disk-n0,bus=rp0,drive=disk-n0,serial=disk-n0",
    "driver=virtio-blk-pci,id=disk-n1,bus=rp1,drive=disk-n1,serial=disk-n1",
  ]);
  assert.ok(devices.findIndex((it) => it.includes("id=rp1")) < devices.indexOf(plugged[0]!));
  assert.ok(devices.findIndex((it) => it.includes("drive=data")) < devices.indexOf(plugged[0]!));
});

Deno.test("qemuArguments() gives disks of long or similar names nodes and serial numbers that QEMU takes", () => {
  const name = "abcdefghijklmnopqrstuvwxyz0123456789-ab";
  const ids = [`disk-${name}c`, `disk-${name}d`, "disk-a", "disk-a-file"];
  const disks = ids.map((id) => ({ id, file: "/x", format: "raw" as const }));
  const nodes = valuesOf("-blockdev", { ...SPEC, disks }).map((it) =>
    /node-name=([^,]+)/.exec(it)?.[1] ?? ""
  );
  assert.equal(new Set(nodes).size, 2 * ids.length, String(nodes));
  assert.ok(nodes.every((node) => node.length < 32), String(nodes));
  const devices = valuesOf("-device", { ...SPEC, disks }).filter((it) => it.includes("virtio-blk-pci"));
  const serials = devices.map((it) => /serial=([^,]+)/.exec(it)?.[1] ?? "");
  assert.equal(new Set(serials).size, ids.length, String(serials));
  assert.ok(serials.every((serial) => serial.length <= 20), String(serials));
  assert.deepEqual(devices.map((it) => /id=([^,]+)/.exec(it)?.[1]), ids);
});

Deno.test("qemuArguments() makes a share read-only unless it is writable", () => {
  assert.deepEqual(valuesOf("-fsdev").map((value) => value.endsWith(",readonly=on")), [true, false]);
  assert.ok(valuesOf("-fsdev").every((value) => value.includes("multidevs=remap")));
});

Deno.test("qemuArguments() gives a disk its id as node name and as serial number", () => {
  const devices = valuesOf("-device").filter((value) => value.startsWith("virtio-blk-pci"));
  assert.deepEqual(devices, [
    "virtio-blk-pci,drive=system,serial=system",
    "virtio-blk-pci,drive=data,serial=data",
  ]);
});

Deno.test("qemuArguments() opens two monitors that wait for nobody", () => {
  const sockets = valuesOf("-chardev").filter((value) => value.startsWith("socket"));
  assert.equal(sockets.length, 2);
  assert.ok(sockets.every((value) => value.endsWith("server=on,wait=off")));
});

Deno.test("qemuArguments() names the console and the machine of each architecture", () => {
  const arm: VmSpec = { ...SPEC, arch: "aarch64", accel: "kvm" };
  assert.match(valuesOf("-append")[0] ?? "", /^root=\/dev\/vda rw .*console=ttyS0$/);
  assert.match(valuesOf("-append", arm)[0] ?? "", /console=ttyAMA0$/);
  assert.match(valuesOf("-machine", arm)[0] ?? "", /^virt,/);
  assert.deepEqual(valuesOf("-accel", arm), ["kvm"]);
  assert.deepEqual(valuesOf("-cpu"), ["max,-cx16"]);
});

const USERNET = `Hub -1 (n0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   30       127.0.0.1 40022    192.168.5.15    22     0     0
  TCP[HOST_FORWARD]  14       127.0.0.1 40022    192.168.5.15    22     0     0\r
  TCP[HOST_FORWARD]  16               * 8080    192.168.5.15    80     0     0
  UDP[HOST_FORWARD]  15       127.0.0.1  5353    192.168.5.15  5353     0     0
  UDP[236 sec]       17    192.168.5.15   123         0.0.0.0   123     0     0
`;

Deno.test("parseForwards() reads what listens on the host, and no connection", () => {
  assert.deepEqual(parseForwards(USERNET), [
    { protocol: "tcp", host: "127.0.0.1", hostPort: 40022, guestPort: 22 },
    { protocol: "tcp", host: "*", hostPort: 8080, guestPort: 80 },
    { protocol: "udp", host: "127.0.0.1", hostPort: 5353, guestPort: 5353 },
  ]);
  assert.deepEqual(parseForwards(""), []);
});
