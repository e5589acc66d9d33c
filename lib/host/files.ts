import { dirname } from "node:path";
import { createHash } from "node:crypto";
import { count } from "./counts.ts";

/**
 * Reads a text file; `undefined` when it does not exist, nor a folder that it could be in. Throws what else goes
 * wrong: unknown is not absent.
 */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** `lstat` of a path; `undefined` when nothing is there. */
export async function statIfPresent(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** True when the path leads, through links, to something that exists. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Makes a folder that only its owner may enter; parents that are missing are made the same way. */
export async function ensurePrivateDir(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
}

/** Forces a folder's entries to the disk, which makes a rename in it durable. */
export async function syncDir(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

/**
 * Replaces a file as a whole: a crash leaves the old content or the new one, never a half.
 * Write beside it, fsync, rename, fsync the folder.
 * @param mode permission bits of the new file; 0600 unless given
 */
export async function writeAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  count("bytesWritten", bytes.length);
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode });
      for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
      await file.sync();
    }
    await Deno.chmod(temporary, mode); // open()'s mode is cut by the umask
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfPresent(temporary);
    throw error;
  }
  await syncDir(dirname(path));
}

/** Removes a file; nothing happens when it is not there. */
export async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes a folder only when it is empty; says whether it is gone. */
export async function removeIfEmpty(path: string): Promise<boolean> {
  // A link to a folder is the user's, whatever is behind it: removing it would take the link.
  if ((await statIfPresent(path))?.isSymlink) return false;
  try {
    await Deno.remove(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (error instanceof Error && /not empty/i.test(error.message)) return false;
    throw error;
  }
}

/** SHA-256 of a text or of bytes, in hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** SHA-256 of a file's content, in hex, read in pieces. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  return await hashFile(path, { algorithm: "sha256", ...(signal ? { signal } : {}) });
}

/** The hash of a file's content, in hex, read in pieces. */
export async function hashFile(
  path: string,
  { algorithm, signal }: { readonly algorithm: "sha256" | "sha512"; readonly signal?: AbortSignal },
): Promise<string> {
  const hash = createHash(algorithm);
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
    signal?.throwIfAborted();
    hash.update(buffer.subarray(0, n));
  }
  return hash.digest("hex");
}

/** Reads a whole file as it is. */
export async function readBytesOf(path: string): Promise<Uint8Array> {
  return await Deno.readFile(path);
}

/** Reads some bytes of a file from an offset; fewer when it ends before. */
export async function readBytes(path: string, offset: number, length: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const n = await file.read(bytes.subarray(filled));
    if (n === null) break;
    filled += n;
  }
  return bytes.subarray(0, filled);
}

/** Makes a new sparse file of a size, 0600; fails when there is one. */
export async function truncateNew(path: string, sizeBytes: number): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  await file.truncate(sizeBytes);
}

/** Moves a finished file into its place, with the given mode, so that it survives a crash of the host. */
export async function renameDurably(from: string, to: string, mode: number): Promise<void> {
  {
    using file = await Deno.open(from, { read: true, write: true });
    await file.sync();
  }
  await Deno.chmod(from, mode);
  await Deno.rename(from, to);
  await syncDir(dirname(to));
}

/** Reads a text file that has to be there. */
export async function readText(path: string): Promise<string> {
  return await Deno.readTextFile(path);
}

/** The permission bits of the file that a path leads to, through links; `undefined` when there is none. */
export async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).mode ?? 0o600;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
