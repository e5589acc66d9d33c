import { sleep } from "../host/clock.ts";
import { messageOf } from "../host/errors.ts";
import { type SshConnection, waitForSsh } from "../guest/ssh.ts";
import type { SshTarget } from "../guest/types.ts";
import type { AgentStatus } from "./api.ts";

/** Options of {@link GuestLink}. */
export interface GuestLinkOptions {
  readonly target: SshTarget;
  /** What the connection is for, as the log names it. */
  readonly role: string;
  /** A link that has to stand first. */
  readonly after?: GuestLink;
  /** Called at each connection, while it stands. */
  readonly onConnect?: () => void;
  /** Called after each loss and each try that failed. */
  readonly onFailure?: () => void;
  /** Called at each connection and each loss, with a sentence for the log. */
  readonly onChange: (text: string) => void;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 2000;
const ROUND_MS = 30_000;

/** One ssh connection that is made again whenever it goes, until the link is closed. */
export class GuestLink {
  readonly #options: GuestLinkOptions;
  readonly #stop = new AbortController();
  readonly #work: Promise<void>;
  #connection: SshConnection | undefined;
  #state: AgentStatus["guest"] = { state: "connecting", since: new Date().toISOString() };
  #connected = Promise.withResolvers<void>();
  #made = 0;

  constructor(options: GuestLinkOptions) {
    this.#options = options;
    this.#work = this.#keepConnected();
  }

  /** The connection, while there is one. */
  get connection(): SshConnection | undefined {
    return this.#connection?.isOpen ? this.#connection : undefined;
  }

  get state(): AgentStatus["guest"] {
    return this.#state;
  }

  /** How many connections were made so far. */
  get made(): number {
    return this.#made;
  }

  /** Ends when the link stands. */
  get whenConnected(): Promise<void> {
    return this.#connected.promise;
  }

  /** Ends the connection and all work on it. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #keepConnected(): Promise<void> {
    const stopped = new Promise<void>((resolve) =>
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true })
    );
    let delayMs = FIRST_DELAY_MS;
    while (!this.#stop.signal.aborted) {
      if (this.#options.after) await Promise.race([this.#options.after.whenConnected, stopped]);
      const startedAt = performance.now();
      await this.#connectOnce(stopped);
      // A connection that stood for a while starts the back-off anew.
      delayMs = performance.now() - startedAt > ROUND_MS
        ? FIRST_DELAY_MS
        : Math.min(delayMs * 2, MAX_DELAY_MS);
      if (!this.#stop.signal.aborted) await sleep(delayMs, this.#stop.signal).catch(() => {}); // close() ends it
    }
  }

  /** Makes one connection and stays until it is gone. */
  async #connectOnce(stopped: Promise<void>): Promise<void> {
    const { target, role, onChange, onConnect } = this.#options;
    try {
      await using connection = await waitForSsh(target, {
        timeoutMs: ROUND_MS,
        maxDelayMs: MAX_DELAY_MS,
        signal: this.#stop.signal,
      });
      const lost = new Promise<Error | undefined>((resolve) => connection.onClose(resolve));
      this.#connection = connection;
      this.#made++;
      this.#state = { state: "connected", since: new Date().toISOString() };
      this.#connected.resolve();
      onChange(`Connected to the guest (${role})`);
      onConnect?.();
      const reason = await Promise.race([lost, stopped]);
      if (!this.#stop.signal.aborted) this.#lose(reason?.message ?? "the guest closed the connection");
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#lose(messageOf(error));
    } finally {
      this.#connection = undefined;
    }
  }

  #lose(error: string): void {
    this.#options.onFailure?.();
    const before = this.#state;
    if (before.state === "connected") this.#connected = Promise.withResolvers();
    this.#state = {
      state: "connecting",
      since: before.state === "connected" ? new Date().toISOString() : before.since,
      error,
    };
    if (before.state === "connected" || before.error !== error) {
      this.#options.onChange(`No connection to the guest (${this.#options.role}): ${error}`);
    }
  }
}
