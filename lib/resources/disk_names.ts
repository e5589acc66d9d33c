import { join } from "node:path";
import type { MachineFolder } from "../host/paths.ts";

/** Where a further disk of a machine lies. */
export function diskFile(folder: MachineFolder, name: string): string {
  return join(folder.disks, `${name}.raw`);
}

/** A further disk's name in QEMU. */
export function diskId(name: string): string {
  return `disk-${name}`;
}
