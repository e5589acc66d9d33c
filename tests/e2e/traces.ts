import type { Sandbox } from "./sandbox.ts";

/** What a running VM writes by itself, whatever commands do. */
const OF_THE_VM = /\/(disk\.qcow2|data\.raw|serial\.log)$/;

/** When each file and folder under some folders was changed, as text that can be compared. */
export async function changeTimes(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) await collect(folder, found);
  return found.sort();
}

async function collect(path: string, found: string[]): Promise<void> {
  const info = await Deno.lstat(path);
  if (!OF_THE_VM.test(path)) found.push(`${path} ${info.mtime?.getTime()} ${info.size}`);
  if (!info.isDirectory) return;
  for await (const entry of Deno.readDir(path)) await collect(`${path}/${entry.name}`, found);
}

/** The same of what machines put into a guest. */
export async function guestChangeTimes(sandbox: Sandbox, name: string): Promise<string> {
  return await sandbox.inGuest(
    name,
    "find /etc /var/lib/machine -xdev -type f -printf '%p %T@ %s\\n' | sort",
  );
}

/** How many processes a guest has started since its boot (proc_stat(5), `processes`). */
export async function guestForks(sandbox: Sandbox, name: string): Promise<number> {
  const script = 'while read -r key value; do [ "$key" != processes ] || echo "$value"; done </proc/stat';
  return Number(await sandbox.inGuest(name, script));
}

/** What a command says of its own cost under MACHINE_TRACE=counts. */
export function countsOf(stderr: string): Readonly<Record<string, number>> {
  const line = stderr.split("\n").find((text) => text.startsWith("counts: "));
  if (line === undefined) throw new Error(`No counts in:\n${stderr}`);
  return JSON.parse(line.slice("counts: ".length)) as Record<string, number>;
}

/** The paths of all files under a folder, relative to it. */
export async function filesUnder(folder: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await filesUnder(`${folder}/${name}`, `${prefix}${name}/`));
    else found.push(`${prefix}${name}`);
  }
  return found.sort();
}
