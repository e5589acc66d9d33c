import { variables } from "../host/environment.ts";
import { onSignals } from "../host/signals.ts";
import { isBrokenPipe, rawTerminal, readStdin, terminalSize, writeStderr, writeStdout } from "../host/tty.ts";
import { connectSsh, type SessionOptions } from "./ssh.ts";
import { quote, quoteAll } from "./quote.ts";
import { type GuestSession, signalNumber } from "./session.ts";
import type { ChunkReader } from "./stream.ts";
import type { SshTarget } from "./types.ts";

/** What runs in the guest for the user, and how. */
export interface InteractiveOptions {
  /** Program and arguments; the user's login shell when left out. */
  readonly command?: readonly string[];
  /** Folder in the guest; the home when left out. */
  readonly cwd?: string;
  /** With a terminal of its own. Without one the three streams are plain, binary-clean pipes. */
  readonly tty: boolean;
  /** Variables for the program, beside LANG and COLORTERM of this process (and TERM with a terminal). */
  readonly env?: Readonly<Record<string, string>>;
  /** Offers the host's ssh agent in the guest, where there is one. */
  readonly agentForward: boolean;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
/** How long a program may take to end after a signal before the connection is closed under it. */
const SIGNAL_GRACE_MS = 2000;
const BUFFER_BYTES = 64 * 1024;
const SIGPIPE_CODE = 141;

/**
 * Runs a program or a shell in the guest for the user, over a connection of its own: environment and groups are
 * taken once per connection. The caller ends the process with the code, since the reading of standard input may still
 * wait for a key.
 * @returns the program's exit code; 128 + n when signal n ended it, there or here
 * @throws SshError when the guest cannot be reached, or goes
 */
export async function runInteractive(target: SshTarget, options: InteractiveOptions): Promise<number> {
  const { SSH_AUTH_SOCK: agentSocket, TERM, ...passed } = variables([
    "SSH_AUTH_SOCK",
    "TERM",
    "LANG",
    "COLORTERM",
  ]);
  const forwarded = options.agentForward && agentSocket !== undefined;
  await using connection = await connectSsh(target, forwarded ? { agentSocket } : {});
  const line = commandLine({ ...options, env: { ...passed, ...options.env } });
  const session = await connection.openSession(line, {
    ...(options.tty ? { pty: terminal(TERM) } : {}),
    ...(forwarded ? { agentForward: true } : {}),
  });
  return options.tty ? await attachTerminal(session) : await attachPipes(session);
}

/**
 * The line for the user's shell in the guest. It holds nothing but `cd`, `&&`, `exec` and quoted words, which sh, bash,
 * zsh and fish read alike.
 */
export function commandLine(options: Pick<InteractiveOptions, "command" | "cwd" | "env">): string {
  const words = options.command === undefined ? '"$SHELL" -l' : quoteAll(options.command);
  const settings = Object.entries(options.env ?? {}).map(([name, value]) => quote(`${name}=${value}`));
  const program = settings.length === 0 ? words : `env ${settings.join(" ")} ${words}`;
  return options.cwd === undefined ? `exec ${program}` : `cd ${quote(options.cwd)} && exec ${program}`;
}

function terminal(term: string | undefined): NonNullable<SessionOptions["pty"]> {
  const { rows, columns } = terminalSize();
  return { rows, cols: columns, width: 0, height: 0, term: term || "xterm-256color" };
}

async function attachTerminal(session: GuestSession): Promise<number> {
  using raw = rawTerminal();
  using _resizes = onSignals(["SIGWINCH"], () => {
    const { rows, columns } = terminalSize();
    session.resize(rows, columns);
  });
  const killed = Promise.withResolvers<number>();
  using _signals = onSignals(SIGNALS, (signal) => {
    raw[Symbol.dispose](); // before anything else can go wrong
    session.close(); // the guest's kernel hangs up the terminal
    killed.resolve(128 + signalNumber(signal));
  });
  void sendInput(session);
  const output = Promise.all([session.exitCode, copy(session, writeStdout)]).then(([code]) => code);
  return await Promise.race([killed.promise, output]);
}

async function attachPipes(session: GuestSession): Promise<number> {
  const killed = Promise.withResolvers<number>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  using _signals = onSignals(SIGNALS, (signal) => {
    const give = () => {
      session.close();
      killed.resolve(128 + signalNumber(signal));
    };
    if (timer !== undefined) return give(); // the second one does not wait
    session.signal(signal.slice("SIG".length));
    timer = setTimeout(give, SIGNAL_GRACE_MS);
  });
  void sendInput(session);
  const output = Promise.all([
    session.exitCode,
    copy(session, writeStdout),
    copy(session.stderr, writeStderr),
  ]).then(([code]) => code);
  try {
    return await Promise.race([killed.promise, output]);
  } catch (error) {
    if (!isBrokenPipe(error)) throw error;
    session.close(); // nobody reads our output any more, as in `machine exec … | head -1`
    return SIGPIPE_CODE;
  } finally {
    clearTimeout(timer);
  }
}

/** Sends standard input until it or the program ends; an input that cannot be read fails the session. */
async function sendInput(session: GuestSession): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  while (true) {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await readStdin(buffer);
    } catch (error) {
      return session.fail(error instanceof Error ? error : new Error(String(error)));
    }
    if (bytes === undefined) return session.closeWrite();
    try {
      await session.write(bytes);
    } catch {
      return; // the program reads no more: how it ended tells the rest
    }
  }
}

async function copy(
  source: Pick<ChunkReader, "read">,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) await write(chunk);
}
