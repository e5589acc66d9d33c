import { sha256 } from "../../host/files.ts";
import type { VmDisk } from "../types.ts";

/** Serial numbers of virtio disks have at most 20 bytes (virtio specification, "Device ID"); a longer one is cut. */
const SERIAL_BYTES = 20;

/** A disk beside the system's and the data disk: it has a device id of its own, and can be plugged and unplugged. */
export function isFurtherDisk(id: string): boolean {
  return id.startsWith("disk-");
}

/**
 * A disk's block node in QEMU and its serial number in the guest: the id, or a short hash of one that is too long.
 * QEMU refuses node names of 32 bytes and more, and a name may have 40; no name has a dot, so no name is like a hash.
 */
export function nodeName(id: string): string {
  return id.length <= SERIAL_BYTES ? id : `disk.${sha256(id).slice(0, 15)}`;
}

/** The node of the file below a disk's node; the dot keeps it apart from a disk whose name ends like this. */
export function fileNodeName(id: string): string {
  return `${nodeName(id)}.file`;
}

/** QEMU's options of a disk's two layers, the lower one first: alike on the command line and in `blockdev-add`. */
export function blockLayers(disk: VmDisk): [Record<string, string>, Record<string, string>] {
  const [node, file] = [nodeName(disk.id), fileNodeName(disk.id)];
  return [
    { driver: "file", "node-name": file, filename: disk.file, discard: "unmap" },
    { driver: disk.format, "node-name": node, file, discard: "unmap" },
  ];
}

/** QEMU's options of a further disk's device, on a root port: alike on the command line and in `device_add`. */
export function furtherDevice(id: string, port: string): Record<string, string> {
  const node = nodeName(id);
  return { driver: "virtio-blk-pci", id, bus: port, drive: node, serial: node };
}
