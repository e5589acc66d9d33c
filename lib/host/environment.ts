/** A variable of the environment; `undefined` when it is not set or empty. */
export function variable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}

/** The folder that the command was called in. */
export function workingDir(): string {
  return Deno.cwd();
}

/** The words after the program's name. */
export function programArguments(): readonly string[] {
  return Deno.args;
}

/** Ends this process; to be called once, at the very end. */
export function exitProcess(code: number): never {
  Deno.exit(code);
}

/** What runs this program: runtime, its version, the platform, and whether it is the compiled binary. */
export function runtimeFacts(): { runtime: string; platform: string; compiled: boolean } {
  return {
    runtime: `Deno ${Deno.version.deno}`,
    platform: `${Deno.build.os}-${Deno.build.arch}`,
    compiled: Deno.build.standalone,
  };
}

/** A variable of the environment as it is, an empty one too; `undefined` when it is not set. */
export function variableAsSet(name: string): string | undefined {
  return Deno.env.get(name);
}

/** Those of the named variables that are set, an empty one too. */
export function variables(names: readonly string[]): Record<string, string> {
  const set: Record<string, string> = {};
  for (const name of names) {
    const value = Deno.env.get(name);
    if (value !== undefined) set[name] = value;
  }
  return set;
}
