import { basename, join } from "node:path";
import { loadMachines, type LoadSource, type MachinesResult } from "../../lib/config/load.ts";
import type { LoadedMachine, Machine, Problem } from "../../lib/config/types.ts";
import type { HostFacts } from "../../lib/host/system.ts";

/** What a file with one machine gave. */
export type LoadResult =
  | { readonly ok: true; readonly loaded: LoadedMachine }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Loads a file that declares one machine. */
export async function loadMachine(source: LoadSource, host: HostFacts): Promise<LoadResult> {
  const result = await loadMachines(source, host);
  if (!result.ok) return result;
  const [loaded, second] = result.machines;
  if (!loaded || second) throw new Error(`The file declares ${result.machines.length} machines`);
  return { ok: true, loaded };
}

/** A home folder of its own, with a `src` folder in it, and the facts of a computer that has room. */
export interface TestHost extends AsyncDisposable {
  readonly facts: HostFacts;
  readonly home: string;
  readonly load: (text: string) => Promise<LoadResult>;
  readonly loadAll: (text: string) => Promise<MachinesResult>;
  /** Writes files into the home folder, by their names. */
  readonly write: (files: Readonly<Record<string, string>>) => Promise<void>;
}

/** Makes a host for tests; disposing it removes its folder and puts MACHINE_HOME back. */
export async function makeTestHost(facts: Partial<HostFacts> = {}): Promise<TestHost> {
  const home = await Deno.makeTempDir({ prefix: "config-" });
  await Deno.mkdir(join(home, "src"));
  const machineHome = Deno.env.get("MACHINE_HOME");
  Deno.env.set("MACHINE_HOME", join(home, ".machine"));
  const all: HostFacts = {
    os: "linux",
    arch: "x86_64",
    cpus: 16,
    memoryMiB: 16384,
    user: "ada",
    uid: 1000,
    home,
    timezone: "Europe/Berlin",
    proxy: { http: "", https: "", except: [] },
    ...facts,
  };
  return {
    facts: all,
    home,
    load: (text) => loadMachine({ stdin: true, text }, all),
    loadAll: (text) => loadMachines({ stdin: true, text }, all),
    async write(files) {
      for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(join(home, name), text);
    },
    async [Symbol.asyncDispose]() {
      if (machineHome === undefined) Deno.env.delete("MACHINE_HOME");
      else Deno.env.set("MACHINE_HOME", machineHome);
      await Deno.remove(home, { recursive: true });
    },
  };
}

/** The machine of a file that has to be right. */
export async function machineOf(host: TestHost, text: string): Promise<Machine> {
  const result = await host.load(text);
  if (!result.ok) throw new Error(`Unexpected problems: ${JSON.stringify(result.problems)}`);
  return result.loaded.machine;
}

/** The problems of a file that has to be wrong. */
export async function problemsOf(host: TestHost, text: string): Promise<readonly Problem[]> {
  const result = await host.load(text);
  if (result.ok) throw new Error("The file was accepted");
  return result.problems;
}

/** A problem as `line:column path message`, for tables; another file before it, the file as a whole is `*`. */
export function line(problem: Problem): string {
  const file = problem.at.file === "-" ? "" : `${basename(problem.at.file)}:`;
  return `${file}${problem.at.line}:${problem.at.column} ${problem.path || "*"} ${problem.message}`;
}
