import { basename, dirname, resolve } from "node:path";
import { statIfPresent, writeAtomic } from "./files.ts";
import { removeUnfinished } from "./folders.ts";

/**
 * Replaces a file of the user's that may be a link (dotfiles managers make such): the link stays, its target is
 * replaced as a whole and keeps its permission bits. What a killed writer has left beside it goes: only for the holder
 * of a lock under which alone the file is written.
 * @param mode permission bits of a file that is new
 */
export async function writeThroughLinks(path: string, data: string, mode: number): Promise<void> {
  let target = path;
  try {
    target = await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    // A link to a file that does not exist yet stays too: the file is made where it leads.
    if ((await statIfPresent(path))?.isSymlink) target = resolve(dirname(path), await Deno.readLink(path));
  }
  await removeUnfinished(dirname(target), basename(target));
  const there = await statIfPresent(target);
  await writeAtomic(target, data, there?.mode === null || there === undefined ? mode : there.mode & 0o777);
}
