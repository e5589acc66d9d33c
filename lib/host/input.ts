/**
 * Reads a file, a pipe or a device, but no more than a given number of bytes: a device may never end.
 * @returns at most `maxBytes` bytes; `undefined` when nothing is there
 */
export async function readUpTo(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  using input = file;
  const buffer = new Uint8Array(maxBytes);
  let length = 0;
  while (length < maxBytes) {
    const count = await input.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return buffer.slice(0, length);
}

/** The size of the file that a path leads to, through links. */
export async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

/** What a path leads to, through links; throws where that cannot be looked at. */
export async function kindOf(path: string): Promise<"folder" | "file" | "other" | "missing"> {
  try {
    const info = await Deno.stat(path);
    return info.isDirectory ? "folder" : info.isFile ? "file" : "other";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return "missing";
    throw error;
  }
}
