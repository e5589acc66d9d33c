import { UserError } from "../../host/errors.ts";
import { readBytes, removeIfPresent, renameDurably, statIfPresent, truncateNew } from "../../host/files.ts";
import { run, runOrThrow } from "../../host/process.ts";

/** A disk file as its own header describes it. */
export interface DiskFile {
  readonly sizeMiB: number;
  /** Absolute path of the backing file of a qcow2 overlay. */
  readonly backing?: string;
}

/** Reads a qcow2's header; works while a VM has it open. `undefined` when there is no such file. */
export async function readOverlay(path: string): Promise<DiskFile | undefined> {
  if (await statIfPresent(path) === undefined) return undefined;
  const info = JSON.parse(await runOrThrow(["qemu-img", "info", "-U", "--output=json", path])) as {
    readonly "virtual-size": number;
    readonly "full-backing-filename"?: string;
  };
  const backing = info["full-backing-filename"];
  return { sizeMiB: Math.round(info["virtual-size"] / 2 ** 20), ...(backing ? { backing } : {}) };
}

/** Makes a qcow2 overlay on a base image. It appears whole or not at all. */
export async function makeOverlay(path: string, base: string, sizeMiB: number): Promise<void> {
  const part = `${path}.part`;
  await removeIfPresent(part);
  // The size argument grows the overlay beyond its base; the guest grows its filesystem into it.
  await runOrThrow([
    "qemu-img",
    "create",
    "-q",
    "-f",
    "qcow2",
    "-F",
    "qcow2",
    "-b",
    base,
    part,
    `${sizeMiB}M`,
  ]);
  await renameDurably(part, path, 0o600);
}

/** Makes the data disk: see {@link makeRawDisk}. */
export async function makeDataDisk(path: string, sizeMiB: number, uuid: string): Promise<void> {
  await makeRawDisk(path, { sizeMiB, uuid, label: "machine-data" });
}

/** What a raw disk is made with: the guest finds its filesystem by the UUID, the label is for people. */
export interface RawDiskOptions {
  readonly sizeMiB: number;
  readonly uuid: string;
  readonly label: string;
}

/** The label of a further disk: ext4 keeps 16 bytes (mke2fs(8), -L), so it shows the beginning of a long name. */
export function furtherDiskLabel(name: string): string {
  return `machine-${name}`.slice(0, 16);
}

/** Makes a sparse raw disk with an ext4 filesystem, formatted here: a guest never formats anything. */
export async function makeRawDisk(path: string, options: RawDiskOptions): Promise<void> {
  const { sizeMiB, uuid, label } = options;
  const part = `${path}.part`;
  await removeIfPresent(part);
  await truncateNew(part, sizeMiB * 2 ** 20);
  // Lazy initialisation keeps the file sparse: a 60 GiB disk takes some MiB (mke2fs(8), lazy_itable_init).
  await runOrThrow([
    ...["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-U", uuid, "-m", "0"],
    ...["-E", "lazy_itable_init=1,lazy_journal_init=1,discard", part],
  ]);
  await renameDurably(part, path, 0o600);
}

/** A raw disk's size, and what its filesystem says of itself. */
export interface RawDiskFile {
  readonly sizeMiB: number;
  /** Of the filesystem in it; less than the disk's when growing it was cut short. */
  readonly filesystemMiB: number;
  readonly uuid: string;
  /** What it really takes on the host. */
  readonly usedMiB: number;
}

/**
 * Reads a raw disk's size and its ext4 superblock (kernel docs, filesystems/ext4 "Super Block": the block at byte
 * 1024 has the magic at 0x38, the UUID at 0x68, the number of blocks at 0x4 and 0x150, their size as a power at 0x18). While
 * a guest has it mounted, only size and UUID are sure. `undefined` when there is no such file.
 * @throws UserError when it holds no ext4 filesystem
 */
export async function readRawDisk(path: string): Promise<RawDiskFile | undefined> {
  const stat = await statIfPresent(path);
  if (stat === undefined) return undefined;
  const block = await readBytes(path, 1024, 1024);
  if (block[0x38] !== 0x53 || block[0x39] !== 0xef) {
    throw new UserError(`${path} holds no ext4 filesystem`, {
      hint: "Move the file away to keep it, then apply again to make a new disk",
    });
  }
  const hex = [...block.subarray(0x68, 0x78)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const fields = new DataView(block.buffer);
  const blockBytes = 1024 * 2 ** fields.getUint32(0x18, true);
  const blocks = fields.getUint32(0x4, true) + fields.getUint32(0x150, true) * 2 ** 32;
  return {
    sizeMiB: Math.round(stat.size / 2 ** 20),
    filesystemMiB: Math.floor(blocks * blockBytes / 2 ** 20),
    uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    usedMiB: Math.round((stat.blocks ?? 0) * 512 / 2 ** 20),
  };
}

/** Grows the overlay of a stopped VM; the guest grows the filesystem in it when it boots. */
export async function growOverlay(path: string, sizeMiB: number): Promise<void> {
  await runOrThrow(["qemu-img", "resize", "-q", "-f", "qcow2", path, `${sizeMiB}M`]);
}

/** Grows a raw disk that no VM has, and the filesystem on it (resize2fs(8) wants a check before). */
export async function growRawDisk(path: string, sizeMiB: number): Promise<void> {
  await runOrThrow(["qemu-img", "resize", "-q", "-f", "raw", path, `${sizeMiB}M`]);
  const check = await run(["/sbin/e2fsck", "-f", "-p", path]);
  // e2fsck(8): 1 means that it found something and put it right.
  if (check.code > 1) throw new UserError(`The filesystem in ${path} needs repair`, { output: check.stdout });
  await runOrThrow(["/sbin/resize2fs", path]);
}
