import { count } from "./counts.ts";
import { UserError } from "./errors.ts";

/** What a finished process left behind. */
export interface ProcessResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@link run}. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** What the process gets when `signal` aborts; SIGTERM when left out. */
  readonly killSignal?: Deno.Signal;
  /** Called with each line that the process writes to either stream. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a program to its end and gives its exit code and output. Arguments reach it as they are: no shell.
 * @throws UserError when the program is not there
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<ProcessResult> {
  const [program, ...args] = argv;
  count("processes");
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program!, {
      args,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError(`Cannot run ${program}: the program is not installed`, {
        hint: "machine doctor --fix",
        cause: error,
      });
    }
    throw error;
  }
  const stop = () => signalProcess(child.pid, options.killSignal ?? "SIGTERM");
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const [stdout, stderr, status] = await Promise.all([
      collect(child.stdout, options.onLine),
      collect(child.stderr, options.onLine),
      child.status,
      feed(child, options.stdin),
    ]);
    options.signal?.throwIfAborted();
    return { code: status.code, stdout, stderr };
  } finally {
    options.signal?.removeEventListener("abort", stop);
  }
}

/**
 * Runs a program that has to succeed; gives what it wrote to standard output.
 * @throws UserError with the end of its output when it does not
 */
export async function runOrThrow(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, options);
  if (result.code !== 0) {
    throw new UserError(`${argv[0]} failed with exit code ${result.code}`, {
      output: tail(`${result.stdout}${result.stderr}`, 20),
    });
  }
  return result.stdout;
}

/** The last lines of a text, without the empty end. */
export function tail(text: string, lines: number): string {
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

async function feed(child: Deno.ChildProcess, stdin: string | Uint8Array | undefined): Promise<void> {
  if (stdin === undefined) return;
  const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new Uint8Array(bytes));
    await writer.close();
  } catch (error) {
    // A program may end without reading its input; its exit code says whether that was right.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: ((line: string) => void) | undefined,
): Promise<string> {
  let text = "";
  let line = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (!onLine) continue;
    const parts = (line + chunk).split("\n");
    line = parts.pop() ?? "";
    for (const part of parts) onLine(part);
  }
  if (onLine && line !== "") onLine(line);
  return text;
}

/**
 * Starts a program that outlives this one: in its own session, without a terminal, its output appended to a log.
 * The shell only redirects; the arguments never pass through its parser (`exec "$@"`).
 * @returns the process id, which stays the program's own because of `exec`
 */
export function spawnDetached(argv: readonly string[], options: DetachedOptions): Deno.ChildProcess {
  count("processes");
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'umask 077; exec "$@" >>"$0" 2>&1', options.log, ...argv],
    cwd: options.cwd,
    clearEnv: options.env !== undefined,
    ...(options.env === undefined ? {} : { env: options.env }),
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  child.unref();
  return child;
}

/** Options of {@link spawnDetached}. */
export interface DetachedOptions {
  readonly log: string;
  readonly cwd: string;
  /** The whole environment of the program; this process's own when left out. */
  readonly env?: Record<string, string>;
}

/**
 * True while a process runs. A zombie (state Z) has ended: only its parent has not asked yet (proc(5), `stat`).
 */
export function isRunning(pid: number): boolean {
  const stat = procFile(pid, "stat");
  if (stat !== undefined) return !/^\d+ \(.*\) Z/s.test(stat);
  if (Deno.build.os === "linux") return false;
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return true;
    return false;
  }
}

/** The arguments of a running process; `undefined` when it is gone or cannot be read. */
export function processArguments(pid: number): string[] | undefined {
  const line = procFile(pid, "cmdline");
  return line === undefined || line === "" ? undefined : line.replace(/\0$/, "").split("\0");
}

/** True where {@link findProcesses} sees every process of this user. */
export function canListProcesses(): boolean {
  return Deno.build.os === "linux";
}

/** Every process whose arguments the given test accepts. Linux only; empty elsewhere. */
export function findProcesses(accepts: (argv: readonly string[]) => boolean): number[] {
  if (!canListProcesses()) return [];
  const found: number[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    const pid = Number(entry.name);
    const argv = processArguments(pid);
    if (argv && accepts(argv) && isRunning(pid)) found.push(pid);
  }
  return found;
}

function procFile(pid: number, name: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${name}`);
  } catch {
    return undefined; // gone between two looks, or no /proc at all
  }
}

/** Sends a signal to a process; false when it was not there any more. */
export function signalProcess(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof TypeError) return false;
    throw error;
  }
}

/** Looks up a program on PATH and in the folders where Debian keeps administrators' programs. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/local/bin"];
  for (const folder of folders.filter((entry) => entry.startsWith("/"))) {
    const path = `${folder}/${name}`;
    try {
      const info = await Deno.stat(path);
      if (info.isFile && ((info.mode ?? 0o111) & 0o111) !== 0) return path;
    } catch {
      continue; // not in this folder, or not ours to see
    }
  }
  return undefined;
}
