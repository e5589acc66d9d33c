/** The root of a folder as one side sees it. */
export interface FolderView {
  /** Time of the last change of its entries, in whole seconds, as sftp tells it too. */
  readonly mtimeSeconds: number;
  readonly names: readonly string[];
}

/** Looks at a folder; `undefined` when it does not exist. Follows links, as a mount of it does. */
export async function viewFolder(path: string): Promise<FolderView | undefined> {
  try {
    const { mtime } = await Deno.stat(path);
    const names: string[] = [];
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
    return { mtimeSeconds: Math.floor((mtime?.getTime() ?? 0) / 1000), names };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
