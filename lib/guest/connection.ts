// @ts-types="@types/ssh2"
import type { Client, ClientChannel, PseudoTtyOptions, SFTPWrapper } from "ssh2";
import type { Socket } from "node:net";
import { messageOf } from "../host/errors.ts";
import { piecesOf } from "../host/pieces.ts";
import { GuestSession } from "./session.ts";
import { SshError } from "./ssh_error.ts";
import { GuestStream } from "./stream.ts";
import type { ExecOptions, ExecResult, Guest } from "./types.ts";

/** How {@link SshConnection.openSession} starts a program. */
export interface SessionOptions {
  /** A terminal for it; without one its streams are plain pipes. */
  readonly pty?: PseudoTtyOptions;
  readonly agentForward?: boolean;
}

type Opened<C> = (error: Error | undefined, channel: C) => void;

const DEFAULT_TIMEOUT_MS = 60_000;
/** Longest script that travels as the command itself: one argument of execve is at most 128 KiB (execve(2)). */
const MAX_COMMAND_BYTES = 100 * 1024;

/** One authenticated ssh connection; made by `connectSsh()`. */
export class SshConnection implements Guest {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #open = new Set<GuestStream>();
  readonly #listeners: ((reason: Error | undefined) => void)[] = [];
  readonly #closed: Promise<void>;
  #error: Error | undefined;
  #ended = false;

  constructor(client: Client, socket: Socket) {
    this.#client = client;
    this.#socket = socket;
    client.on("error", (error: Error) => this.#error ??= error);
    this.#closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#end();
        resolve();
      });
    });
  }

  /** True until the connection is gone. */
  get isOpen(): boolean {
    return !this.#ended;
  }

  /** Calls back once when the connection is gone, with the error if it was not closed in order. */
  onClose(listener: (reason: Error | undefined) => void): void {
    if (this.#ended) queueMicrotask(() => listener(this.#error));
    else this.#listeners.push(listener);
  }

  /**
   * Runs a script. sshd already starts the user's shell with `-c COMMAND`, so the script is that command: no further
   * process. Root's shell is a POSIX shell in every guest that we make.
   */
  async run(script: string, options: ExecOptions = {}): Promise<ExecResult> {
    const bytes = new TextEncoder().encode(script);
    if (bytes.length <= MAX_COMMAND_BYTES) return await this.exec(script, options);
    // Too long for an argument: it comes first on standard input, and what the script itself reads comes after it.
    const stdin = typeof options.stdin === "string" ? new TextEncoder().encode(options.stdin) : options.stdin;
    const input = new Uint8Array(bytes.length + (stdin?.length ?? 0));
    input.set(bytes);
    input.set(stdin ?? [], bytes.length);
    return await this.exec(`eval "$(head -c ${bytes.length})"`, { ...options, stdin: input });
  }

  /**
   * Runs a command by the user's shell and gathers its output.
   * @throws SshError `timeout` when the time is over, `lost` when the connection went, `channel` when the guest has
   * no room for another session; the signal's reason when that aborts
   */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    options.signal?.throwIfAborted();
    const opening = this.openSession(command);
    let giveUp: (error: unknown) => void = () => {};
    const given = new Promise<never>((_, reject) => giveUp = reject);
    const timer = setTimeout(
      () => giveUp(new SshError("timeout", `The guest did not finish a command within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const abort = () => giveUp(options.signal?.reason);
    options.signal?.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([opening.then((session) => gather(session, options)), given]);
    } catch (error) {
      opening.then((session) => session.close(), () => {}); // its failure is the error that is thrown here
      throw error;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    }
  }

  /** Starts a program by the user's shell; the caller reads and writes its streams. */
  openSession(command: string, options: SessionOptions = {}): Promise<GuestSession> {
    const settings = {
      ...(options.pty === undefined ? {} : { pty: options.pty }),
      ...(options.agentForward ? { agentForward: true } : {}),
    };
    return this.#openChannel(
      (done: Opened<ClientChannel>) => this.#client.exec(command, settings, done),
      (channel) => this.#keep(new GuestSession(channel), channel),
    );
  }

  /**
   * Connects to a Unix socket in the guest.
   * @throws SshError `channel` when nobody listens there
   */
  openStream(guestSocketPath: string): Promise<GuestStream> {
    return this.#openChannel(
      (done: Opened<ClientChannel>) => this.#client.openssh_forwardOutStreamLocal(guestSocketPath, done),
      (channel) => this.#keep(new GuestStream(channel), channel),
    );
  }

  /** Opens an sftp session; it stays until its `end()` or the connection's end. */
  sftp(): Promise<SFTPWrapper> {
    return this.#openChannel(
      (done: Opened<SFTPWrapper>) => this.#client.sftp(done),
      (session) => {
        session.on("error", () => session.end()); // requests that wait are answered with an error by that
        return session;
      },
    );
  }

  /** Closes in order, and hard after a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#client.end();
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    await this.#closed;
    clearTimeout(timer);
  }

  /**
   * `wrap` gets the channel before anything else happens: a short program's exit code comes in the same packet as the
   * answer that opens its channel, and an event without a listener is lost.
   */
  #openChannel<C, T>(open: (done: Opened<C>) => void, wrap: (channel: C) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#lost());
      try {
        open((error, channel) => {
          if (!error) return resolve(wrap(channel));
          reject(
            this.#socket.destroyed
              ? this.#lost()
              : new SshError("channel", `The guest opened no channel: ${messageOf(error)}`, { cause: error }),
          );
        });
      } catch (error) {
        reject(this.#lost(error)); // ssh2 throws "Not connected" when the socket is on its way out
      }
    });
  }

  #keep<T extends GuestStream>(stream: T, channel: ClientChannel): T {
    this.#open.add(stream);
    channel.on("close", () => this.#open.delete(stream));
    if (this.#ended) stream.fail(this.#lost());
    return stream;
  }

  #end(): void {
    this.#ended = true;
    for (const stream of this.#open) stream.fail(this.#lost());
    this.#open.clear();
    for (const listener of this.#listeners.splice(0)) listener(this.#error);
  }

  #lost(cause: unknown = this.#error): SshError {
    const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
    return new SshError("lost", `The connection to the guest is gone${why}`, { cause });
  }
}

async function gather(session: GuestSession, input: ExecOptions): Promise<ExecResult> {
  const [stdout, stderr] = await Promise.all([session.text(), session.stderr.text(), feed(session, input)]);
  return { code: await session.exitCode, stdout, stderr };
}

async function feed(session: GuestSession, { stdin, stdinFile }: ExecOptions): Promise<void> {
  const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  if (bytes !== undefined && bytes.length > 0 && !await isTaken(session, bytes)) return;
  // What keeps the file from being read is an error of its own.
  if (stdinFile !== undefined) {
    for await (const piece of piecesOf(stdinFile)) if (!await isTaken(session, piece)) return;
  }
  session.closeWrite();
}

/** A program may end without reading its input; its exit code says whether that was right. */
async function isTaken(session: GuestSession, bytes: Uint8Array): Promise<boolean> {
  return await session.write(bytes).then(() => true, () => false);
}
