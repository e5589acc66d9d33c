import { fileURLToPath } from "node:url";
import { readTextIfPresent } from "../host/files.ts";
import { listNames } from "../host/folders.ts";

/** The folder of the built-in profiles; the compiled program carries it along. */
const FOLDER = fileURLToPath(new URL("../../profiles/", import.meta.url));
const SUFFIX = ".yaml";

/** The names of the built-in profiles, sorted. */
export async function listProfiles(): Promise<readonly string[]> {
  const names = await listNames(FOLDER);
  return names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
}

/** The text of a built-in profile; `undefined` when there is none of that name. */
export async function readProfile(name: string): Promise<string | undefined> {
  if (!(await listProfiles()).includes(name)) return undefined;
  return await readTextIfPresent(`${FOLDER}${name}${SUFFIX}`);
}

/** The folder that a profile is in. */
export function profileFolder(): string {
  return FOLDER;
}
