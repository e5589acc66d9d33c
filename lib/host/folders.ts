import { dirname, join } from "node:path";
import { removeIfPresent, syncDir } from "./files.ts";

/** Makes a private folder of a name that nobody else has. */
export async function makeTempDir(prefix: string): Promise<string> {
  return await Deno.makeTempDir({ prefix });
}

/** Removes a folder with everything in it; nothing happens when it is not there. */
export async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The names in a folder, sorted; empty when there is no such folder. */
export async function listNames(path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/**
 * Removes what `writeAtomic()` has left in a folder where its process was killed between the file and its name.
 * Only for the holder of the lock under which the folder is written: another writer's file would go too.
 * @param of a file's name, where only what was to be that file goes
 */
export async function removeUnfinished(path: string, of?: string): Promise<void> {
  for (const name of await listNames(path)) {
    const whole = /^(.*)\.[0-9a-f]{8}\.tmp$/.exec(name)?.[1];
    if (whole !== undefined && (of === undefined || whole === of)) await removeIfPresent(join(path, name));
  }
}

/** True when this user may read and write a file or device. */
export async function canOpenReadWrite(path: string): Promise<boolean> {
  try {
    using _file = await Deno.open(path, { read: true, write: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** Moves a finished folder into its place, so that it survives a crash of the host; nothing may be there yet. */
export async function renameFolder(from: string, to: string): Promise<void> {
  await Deno.rename(from, to);
  await syncDir(dirname(to));
}

/**
 * Every file below a folder, through links to files, sorted; empty when there is no such folder.
 * @throws what keeps a folder from being read
 */
export async function filesBelow(path: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const inside = join(path, name);
      if (isDirectory) files.push(...await filesBelow(inside));
      else files.push(inside);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files.sort();
}
