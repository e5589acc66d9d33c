import settings from "../../deno.json" with { type: "json" };
import { sha256 } from "./files.ts";

/** The version of this program. */
export const VERSION: string = settings.version;

/**
 * Tells one build of the program from another: an agent of another build is replaced. From source it changes with
 * every file of `lib/`; of the compiled binary with the file itself. Looks at no content, only at sizes and times.
 */
export async function buildId(): Promise<string> {
  if (Deno.build.standalone) return `${VERSION} ${sha256(await stamp(Deno.execPath())).slice(0, 12)}`;
  const root = new URL("../../", import.meta.url);
  const stamps: string[] = [];
  await addStamps(new URL("lib/", root), stamps);
  for (const file of ["main.ts", "deno.json"]) stamps.push(await stamp(new URL(file, root)));
  return `${VERSION} ${sha256(stamps.sort().join("\n")).slice(0, 12)}`;
}

async function addStamps(folder: URL, stamps: string[]): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const path = new URL(entry.isDirectory ? `${entry.name}/` : entry.name, folder);
    if (entry.isDirectory) await addStamps(path, stamps);
    else if (entry.name.endsWith(".ts")) stamps.push(await stamp(path));
  }
}

async function stamp(path: string | URL): Promise<string> {
  const info = await Deno.stat(path);
  return `${path} ${info.size} ${info.mtime?.getTime()}`;
}
