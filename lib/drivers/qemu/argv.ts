import type { MachineFolder } from "../../host/paths.ts";
import type { VmDisk, VmShare, VmSpec } from "../types.ts";

/** Spare PCIe root ports, so that disks and shares can be plugged later (q35's own bus is not hot-pluggable). */
const SPARE_PORTS = 6;

/** QEMU splits option values at commas; a comma in a value is written twice (qemu(1), "Option syntax"). */
export function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}

/** The arguments of the QEMU process of a machine. The program's own path is not among them. */
export function qemuArguments(spec: VmSpec, folder: MachineFolder): string[] {
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
    ...spec.disks.flatMap(diskArguments),
    ...spec.shares.flatMap(shareArguments),
    ...Array.from(
      { length: SPARE_PORTS },
      (_, i) => ["-device", `pcie-root-port,id=rp${i},slot=${i},chassis=${i}`],
    )
      .flat(),
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
  const file = `driver=file,node-name=${disk.id}-file,filename=${escapeValue(disk.file)},discard=unmap`;
  const layer = `driver=${disk.format},node-name=${disk.id},file=${disk.id}-file,discard=unmap`;
  return [
    ...["-blockdev", file, "-blockdev", layer],
    ...["-device", `virtio-blk-pci,drive=${disk.id},serial=${disk.id}`],
  ];
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
