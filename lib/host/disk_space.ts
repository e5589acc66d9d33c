import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Free space for this user on the disk that holds a path, in MiB; asks the nearest folder that exists. */
export async function freeSpaceMiB(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return Math.floor(bavail * bsize / 2 ** 20);
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!missing || dirname(path) === path) throw error;
    return await freeSpaceMiB(dirname(path));
  }
}
