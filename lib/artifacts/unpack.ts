// @ts-types="@types/tar-stream"
import { extract } from "tar-stream";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { isAbort, messageOf, UserError } from "../host/errors.ts";
import { makeTempDir, removeTree } from "../host/folders.ts";
import { openGrowing, piecesOf } from "../host/pieces.ts";

/** A file taken out of an archive. */
export interface Member {
  /** Its name in the archive. */
  readonly name: string;
  /** Where it is on this computer. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 in hex. */
  readonly digest: string;
}

/** Files taken out of an archive; disposing removes them. */
export interface Unpacked extends AsyncDisposable {
  readonly members: readonly Member[];
}

/**
 * Takes named files out of a .tar.gz, into a folder of their own.
 * @throws UserError when one is missing, or the archive cannot be read
 */
export async function unpack(
  archive: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<Unpacked> {
  const folder = await makeTempDir("machine-unpack-");
  const remove = () => removeTree(folder);
  try {
    const members = await takeOut(archive, { names, folder, ...(signal ? { signal } : {}) });
    const missing = names.filter((name) => !members.some((member) => member.name === name));
    if (missing.length > 0) throw new UserError(`${archive} has no ${missing.join(", ")}`, { hint: REMEDY });
    return { members, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

const REMEDY = "Name another artifacts.mirror, or another version";

interface Wanted {
  readonly names: readonly string[];
  readonly folder: string;
  readonly signal?: AbortSignal;
}

async function takeOut(archive: string, { names, folder, signal }: Wanted): Promise<Member[]> {
  const reader = extract();
  const source = Readable.from(copies(archive, signal));
  const pumping = pipeline(source, createGunzip(), reader);
  const pumped = pumping.catch(() => {}); // its error is met by the loop, or awaited after it
  const members: Member[] = [];
  try {
    for await (const entry of reader) {
      const name = entry.header.name.replace(/^\.\//, "");
      if (entry.header.type !== "file" || !names.includes(name)) {
        entry.resume();
        continue;
      }
      const path = join(folder, String(members.length));
      const hash = createHash("sha256");
      using file = await openGrowing(path, true);
      let sizeBytes = 0;
      for await (const piece of entry as AsyncIterable<Uint8Array>) {
        hash.update(piece);
        await file.write(piece);
        sizeBytes += piece.length;
      }
      members.push({ name, path, sizeBytes, digest: hash.digest("hex") });
    }
    await pumping;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof UserError || isAbort(error)) throw error;
    throw new UserError(`${archive} is no archive that can be read: ${messageOf(error)}`, {
      hint: REMEDY,
      cause: error,
    });
  } finally {
    await pumped; // the archive is closed then
  }
  return members;
}

/** A stream keeps what it was given, and the buffer of a read is used again. */
async function* copies(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for await (const piece of piecesOf(path, signal)) yield piece.slice();
}
