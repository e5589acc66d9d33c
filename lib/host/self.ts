/** Facts of this very process, and what it can do to itself. */

/** The id of this process. */
export function ownPid(): number {
  return Deno.pid;
}

/** Memory of this process that is in RAM now. */
export function ownMemoryMiB(): number {
  return Math.round(Deno.memoryUsage().rss / 2 ** 20);
}

/** Makes every file that this process creates from now on private to its user. */
export function makeFilesPrivate(): void {
  Deno.umask(0o077);
}

/** The program that runs, and whether it is the compiled binary or Deno with our source. */
export function ownProgram(): { readonly path: string; readonly compiled: boolean } {
  return { path: Deno.execPath(), compiled: Deno.build.standalone };
}
