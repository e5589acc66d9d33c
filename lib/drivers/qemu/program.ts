import type { Arch } from "../../config/types.ts";
import { UserError } from "../../host/errors.ts";
import { findProgram, runOrThrow } from "../../host/process.ts";

/** The QEMU on this computer. */
export interface QemuProgram {
  readonly path: string;
  /** e.g. "7.2.22" */
  readonly version: string;
  readonly major: number;
}

/**
 * Finds QEMU for an architecture and asks its version.
 * @throws UserError when it is not installed
 */
export async function findQemuProgram(arch: Arch): Promise<QemuProgram> {
  const name = `qemu-system-${arch}`;
  const path = await findProgram(name);
  if (path === undefined) throw new UserError(`${name} is not installed`, { hint: "machine doctor --fix" });
  const version = /version (\d+)\.(\d+)\.(\d+)/.exec(await runOrThrow([path, "--version"]));
  if (!version) throw new UserError(`Cannot read the version of ${path}`);
  return { path, version: version.slice(1, 4).join("."), major: Number(version[1]) };
}
