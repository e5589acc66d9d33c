/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What a command is run with. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  /** When it is killed; 10 minutes when left out. */
  readonly timeoutMs?: number;
}

/** An image may be built first, beside other machines that are emulated. */
const TIMEOUT_MS = 600_000;

/** A command that runs. */
export interface Running {
  readonly pid: number;
  /** How it ended, with all that it wrote. */
  readonly ended: Promise<Ended>;
  /** Waits until a whole line of its standard output fits; `false` when it ends before that. */
  until(accepts: (line: string) => boolean): Promise<boolean>;
  /** The same for its standard error. */
  untilSaid(accepts: (line: string) => boolean): Promise<boolean>;
  kill(signal: Deno.Signal): void;
}

/** Runs a command to its end. Arguments reach it as they are. */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  return await start(argv, options).ended;
}

/** Starts a command whose output can be waited for while it runs. */
export function start(argv: readonly string[], options: CommandOptions = {}): Running {
  const [program, ...args] = argv;
  const child = new Deno.Command(program!, {
    args,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  }).spawn();
  let over = false;
  const kill = (signal: Deno.Signal) => {
    if (!over) child.kill(signal);
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill("SIGKILL");
  }, options.timeoutMs ?? TIMEOUT_MS);
  const [lines, said] = [new Lines(), new Lines()];
  async function finish(): Promise<Ended> {
    try {
      const [out, err, status] = await Promise.all([
        collect(child.stdout, (text) => lines.add(text)),
        collect(child.stderr, (text) => said.add(text)),
        child.status.finally(() => over = true),
        feed(child, options.stdin),
      ]);
      if (late) throw new Error(`${argv.join(" ")} did not end in time\n${out}${err}`);
      return { code: status.code, out, err };
    } finally {
      clearTimeout(timer);
      lines.end();
      said.end();
    }
  }
  return {
    pid: child.pid,
    ended: finish(),
    until: (accepts) => lines.until(accepts),
    untilSaid: (accepts) => said.until(accepts),
    kill,
  };
}

async function collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onText: (text: string) => void) {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    onText(chunk);
  }
  return text;
}

async function feed(child: Deno.ChildProcess, stdin: CommandOptions["stdin"]): Promise<void> {
  if (stdin === undefined) return;
  const writer = child.stdin.getWriter();
  try {
    await writer.write(typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin);
    await writer.close();
  } catch (error) {
    // A command that fails early does not read its input; its exit code tells.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Lines as they arrive, for those that wait for one of them. */
class Lines {
  readonly #lines: string[] = [];
  #rest = "";
  #over = false;
  #wake: (() => void)[] = [];

  add(text: string): void {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    this.#lines.push(...parts);
    this.#notify();
  }

  end(): void {
    this.#over = true;
    this.#notify();
  }

  async until(accepts: (line: string) => boolean): Promise<boolean> {
    for (let seen = 0;;) {
      while (seen < this.#lines.length) if (accepts(this.#lines[seen++]!)) return true;
      if (this.#over) return false;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
