import assert from "node:assert/strict";
import { join } from "node:path";
import { controlOver, type GuestControl } from "../../lib/guest/control.ts";
import type { GuestFileContent, GuestOp } from "../../lib/guest/ops.ts";
import { run } from "../../lib/host/process.ts";
import { OwnedStore } from "../../lib/resources/owned.ts";

/** Our own folder in a guest; it is moved below the test's folder. */
const OWN = "/var/lib/machine";

/**
 * A guest in a folder: its scripts are run by the real /bin/sh, with real perl, on this computer. Only our own folder
 * is moved; all other paths of a test are to lie below `root` already.
 */
export interface FolderGuest {
  readonly root: string;
  readonly path: (name: string) => string;
  readonly control: GuestControl;
  /** A store that knows nothing yet, as every command has one. */
  readonly store: () => OwnedStore;
  /** The guest's own list. */
  readonly list: () => Promise<{ files: Record<string, string>; applied: Record<string, unknown> }>;
  /** Where something of our own folder lies here. */
  readonly own: (name: string) => string;
  /** The scripts that were run, as they were. */
  readonly scripts: string[];
  /** How many lines of the next scripts are run; a guest that dies runs no more. */
  lines: number;
  /** Folders with programs that are taken instead of this computer's. */
  programs: string | undefined;
}

/** Runs some work with a guest in a new folder. */
export async function inFolderGuest(work: (guest: FolderGuest) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "guest-" });
  const own = (name: string) => join(root, OWN, name);
  const control = controlOver({
    async run(script, { stdinFile } = {}) {
      if (stdinFile !== undefined) return await feedScript(movedScript(script, root), stdinFile);
      guest.scripts.push(script);
      const lines = movedScript(script, root).split("\n");
      const result = await runScript(lines.slice(0, guest.lines).join("\n"), guest.programs);
      if (lines.length > guest.lines) throw new Error("The guest died");
      // Answers name paths as they were asked for.
      return { ...result, stdout: result.stdout.replaceAll(join(root, OWN), OWN) };
    },
  });
  const guest: FolderGuest = {
    root,
    path: (name) => join(root, name),
    control,
    store: () => new OwnedStore(() => Promise.resolve(control), undefined),
    list: async () => JSON.parse(await Deno.readTextFile(own("owned.json"))),
    own,
    scripts: [],
    lines: Infinity,
    programs: undefined,
  };
  try {
    await Deno.mkdir(join(root, "var/lib"), { recursive: true });
    await work(guest);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** Runs a script as the guest does one that is too long for an argument: it comes on standard input. */
async function runScript(script: string, programs: string | undefined) {
  const bytes = new TextEncoder().encode(script).length;
  return await run(["/bin/sh", "-c", `eval "$(head -c ${bytes})"`], {
    stdin: script,
    ...(programs === undefined ? {} : { env: { PATH: `${programs}:/usr/sbin:/usr/bin:/sbin:/bin` } }),
  });
}

/** Runs a script whose standard input is a file. */
async function feedScript(script: string, file: string) {
  return await run(["/bin/sh", "-c", script], { stdin: await Deno.readFile(file) });
}

/** The script with our own folder below `root`, and for a test that does not run as root without root's files. */
function movedScript(script: string, root: string): string {
  const moved = script.replaceAll(OWN, join(root, OWN))
    .replaceAll(hexOf(OWN), hexOf(join(root, OWN)));
  if (Deno.uid() === 0) return moved;
  return moved.replaceAll(/^(\d+) root:root /gm, `$1 ${Deno.uid()}:${Deno.gid()} `);
}

/** A text as our own files travel in scripts. */
export function hexOf(text: string): string {
  return new TextEncoder().encode(text).toHex();
}

/** A file's text; `undefined` when it is absent. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Permission bits of a path, through links. */
export async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o7777;
}

/** Does operations and expects them to succeed. */
export async function done({ control }: FolderGuest, ...ops: readonly GuestOp[]): Promise<string> {
  const result = await control.perform(ops);
  assert.deepEqual([result.ok, result.code], [true, 0], result.output);
  return result.output;
}

/** A file of this user's. */
export function file(path: string, content: string | Uint8Array, mode = "0644"): GuestFileContent {
  return { path, content, mode, ...(Deno.uid() === 0 ? {} : { owner: `${Deno.uid()}:${Deno.gid()}` }) };
}

/** Writes files. */
export function write(...files: readonly GuestFileContent[]): GuestOp {
  return { op: "write", files };
}

/** Programs of the test's own that stand before this computer's. */
export async function programs(guest: FolderGuest, texts: Readonly<Record<string, string>>): Promise<string> {
  const folder = guest.path("bin");
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  return folder;
}

/** This computer's programs, each noting that it was started. */
export async function counting(guest: FolderGuest, names: readonly string[]): Promise<string> {
  const log = guest.path("started");
  const texts = await Promise.all(names.map(async (name) => {
    const { stdout } = await run(["/bin/sh", "-c", `command -v ${name}`]);
    return [name, `echo ${name} >>'${log}'; exec ${stdout.trim()} "$@"`] as const;
  }));
  return await programs(guest, Object.fromEntries(texts));
}

/** The programs that were started, as {@link counting} has noted them. */
export async function startedPrograms(guest: FolderGuest): Promise<readonly string[]> {
  return (await textOf(guest.path("started")))?.trim().split("\n") ?? [];
}
