import type { MachineFolder } from "../../host/paths.ts";
import type { VmDisk, VmShare, VmSpec } from "../types.ts";
import { blockLayers, furtherDevice, isFurtherDisk, nodeName } from "./disk_node.ts";
import { portName, rootPortArguments } from "./root_ports.ts";

/** QEMU splits option values at commas; a comma in a value is written twice (qemu(1), "Option syntax"). */
export function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}

/** The arguments of the QEMU process of a machine. The program's own path is not among them. */
export function qemuArguments(spec: VmSpec, folder: MachineFolder): string[] {
  const ownDisks = spec.disks.filter(({ id }) => !isFurtherDisk(id));
  const furtherDisks = spec.disks.filter(({ id }) => isFurtherDisk(id));
  return [
    ...["-name", `guest=machine-${spec.name},process=machine-${spec.name}`],
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    // No forks, no exec, no privilege changes, no scheduler tricks: seccomp in QEMU's own process.
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-machine", machineType(spec), ...accelArguments(spec)],
    ...["-cpu", spec.cpu, "-smp", String(spec.cpus), "-m", `${spec.memoryMiB}M`],
    // Shared memory from the start: a virtiofs share can then be plugged without a restart.
    ...["-object", `memory-backend-memfd,id=ram,size=${spec.memoryMiB}M,share=on`],
    ...["-kernel", spec.kernel, "-initrd", spec.initrd],
    ...["-append", `${spec.commandLine} console=${spec.arch === "x86_64" ? "ttyS0" : "ttyAMA0"}`],
    ...["-fw_cfg", `name=opt/io.systemd.credentials/tmpfiles.extra,file=${escapeValue(folder.credentials)}`],
    // ipv6=off: slirp's IPv6 would give the guest a resolver that nobody controls.
    ...["-netdev", "user,id=n0,net=192.168.5.0/24,dhcpstart=192.168.5.15,ipv6=off"],
    ...["-device", `virtio-net-pci,netdev=n0,mac=${spec.mac},romfile=`],
    ...["-device", "virtio-rng-pci"],
    ...ownDisks.flatMap(diskArguments),
    ...spec.shares.flatMap(shareArguments),
    ...rootPortArguments(furtherDisks.length),
    ...furtherDisks.flatMap(furtherDiskArguments),
    ...["-chardev", `file,id=serial,path=${escapeValue(folder.serialLog)}`, "-serial", "chardev:serial"],
    ...monitorArguments("agent", folder.qmpAgent),
    ...monitorArguments("command", folder.qmpCommand),
    ...["-pidfile", folder.qemuPid],
  ];
}

function machineType(spec: VmSpec): string {
  return spec.arch === "x86_64"
    ? "q35,memory-backend=ram,vmport=off,usb=off,hpet=off"
    : "virt,memory-backend=ram,gic-version=max";
}

function accelArguments(spec: VmSpec): string[] {
  // A translation cache of 64 MiB, or one thread for all CPUs, makes the emulated guest several times slower.
  return ["-accel", spec.accel === "tcg" ? "tcg,thread=multi,tb-size=512" : spec.accel];
}

function diskArguments(disk: VmDisk): string[] {
  const node = nodeName(disk.id);
  return [...layerArguments(disk), "-device", `virtio-blk-pci,drive=${node},serial=${node}`];
}

/** Behind a root port and with an id, as if it had been plugged: so it can be unplugged. */
function furtherDiskArguments(disk: VmDisk, index: number): string[] {
  return [...layerArguments(disk), "-device", optionText(furtherDevice(disk.id, portName(index)))];
}

function layerArguments(disk: VmDisk): string[] {
  return blockLayers(disk).flatMap((layer) => ["-blockdev", optionText(layer)]);
}

function optionText(options: Readonly<Record<string, string>>): string {
  return Object.entries(options).map(([key, value]) => `${key}=${escapeValue(value)}`).join(",");
}

function shareArguments(share: VmShare): string[] {
  const fsdev = `local,id=${share.tag},path=${escapeValue(share.source)},security_model=none,multidevs=remap`;
  return [
    ...["-fsdev", share.writable ? fsdev : `${fsdev},readonly=on`],
    ...["-device", `virtio-9p-pci,id=share-${share.tag},fsdev=${share.tag},mount_tag=${share.tag}`],
  ];
}

function monitorArguments(id: string, path: string): string[] {
  return [
    ...["-chardev", `socket,id=qmp-${id},path=${escapeValue(path)},server=on,wait=off`],
    ...["-mon", `chardev=qmp-${id},mode=control`],
  ];
}
