import { join } from "node:path";
import { loadMachine, type LoadResult } from "../../lib/config/load.ts";
import type { Machine, Problem } from "../../lib/config/types.ts";
import type { HostFacts } from "../../lib/host/system.ts";

/** A home folder of its own, with a `src` folder in it, and the facts of a computer that has room. */
export interface TestHost extends AsyncDisposable {
  readonly facts: HostFacts;
  readonly home: string;
  readonly load: (text: string) => Promise<LoadResult>;
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
    ...facts,
  };
  return {
    facts: all,
    home,
    load: (text) => loadMachine({ stdin: true, text }, all),
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

/** A problem as `line:column path message`, for tables; the file as a whole is `*`. */
export function line(problem: Problem): string {
  return `${problem.at.line}:${problem.at.column} ${problem.path || "*"} ${problem.message}`;
}
