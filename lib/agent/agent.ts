import { ownMemoryMiB, ownPid } from "../host/self.ts";
import { UserError } from "../host/errors.ts";
import type { ExecResult } from "../guest/types.ts";
import type { SshConnection } from "../guest/ssh.ts";
import type { AgentStatus, ExecRequest, LookAnswer, LookRequest, SocketForward } from "./api.ts";
import { type LoadedAgentConfig, readAgentConfig } from "./config.ts";
import { Forward } from "./forward.ts";
import { GuestLink } from "./guest_link.ts";
import type { Log } from "./log.ts";
import { MountLooker } from "./mounts.ts";

/** What an {@link Agent} is started with. */
export interface AgentOptions {
  /** Path of its `agent.json`. */
  readonly configPath: string;
  readonly version: string;
  readonly build: string;
  readonly log: Log;
  /** Called after each loss of the guest and, while it is away, after each round of tries. */
  readonly onGuestAway?: () => void;
}

/** The guest cannot be asked now. */
export class GuestAwayError extends UserError {}

/** What one machine needs a process for: connections to its guest, its sockets, its mounts' state. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #startedAt = new Date().toISOString();
  readonly #forwards = new Map<string, Forward>();
  readonly #mounts = new MountLooker(() => this.#control.connection);
  #loaded: LoadedAgentConfig;
  #control: GuestLink;
  #streams: GuestLink;
  #connectionsBefore = 0;
  #execs = 0;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(options: AgentOptions, loaded: LoadedAgentConfig) {
    this.#options = options;
    this.#loaded = loaded;
    [this.#control, this.#streams] = this.#connect();
  }

  /** Starts to connect and listens on the sockets. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options, await readAgentConfig(options.configPath));
    await agent.#openForwards();
    return agent;
  }

  /** What it does now, looked at and not remembered. */
  async status(): Promise<AgentStatus> {
    const { version, build } = this.#options;
    const sockets = await Promise.all(
      [...this.#forwards.values()].map(async (forward) => ({ ...forward.socket, ...await forward.state() })),
    );
    return {
      version,
      build,
      pid: ownPid(),
      machine: this.#loaded.config.machine,
      startedAt: this.#startedAt,
      configHash: this.#loaded.hash,
      // Both connections have to stand; the one that does not tells why.
      guest: this.#control.state.state === "connected" ? this.#streams.state : this.#control.state,
      sockets,
      rssMiB: ownMemoryMiB(),
      counts: {
        connections: this.#connectionsBefore + this.#control.made + this.#streams.made,
        execs: this.#execs,
      },
    };
  }

  /** Runs the observation script and compares the mounts, at the same time. */
  async look(request: LookRequest): Promise<LookAnswer> {
    const guest = this.#guest();
    this.#execs++;
    const [script, mounts] = await Promise.all([
      guest.run(request.script, { timeoutMs: request.timeoutMs }),
      this.#mounts.look(request.mounts, request.timeoutMs),
    ]);
    return { script, mounts };
  }

  /** Runs a script in the guest as root. */
  async exec(request: ExecRequest): Promise<ExecResult> {
    const guest = this.#guest();
    this.#execs++;
    const { script, timeoutMs, stdin, stdinFile } = request;
    return await guest.run(script, {
      timeoutMs,
      ...(stdin === undefined ? {} : { stdin: Uint8Array.fromBase64(stdin) }),
      ...(stdinFile === undefined ? {} : { stdinFile }),
    });
  }

  /**
   * Reads `agent.json` again and changes only what differs: sockets that stay keep their connections.
   * @throws UserError when the file cannot be used; everything then stays as it is
   */
  async reload(): Promise<void> {
    const work = this.#reloading.then(() => this.#reload(), () => this.#reload());
    this.#reloading = work.catch(() => {}); // the caller gets the error; the next reload waits for the end only
    await work;
  }

  /** Closes connections and sockets and removes their files. */
  async close(): Promise<void> {
    await Promise.all([...this.#forwards.values()].map((forward) => forward.close()));
    await Promise.all([this.#control.close(), this.#streams.close()]);
  }

  #guest(): SshConnection {
    const guest = this.#control.connection;
    if (guest !== undefined) return guest;
    const { error } = this.#control.state;
    throw new GuestAwayError(`The agent has no connection to the guest${error ? `: ${error}` : " yet"}`);
  }

  #connect(): [GuestLink, GuestLink] {
    const target = this.#loaded.config.root;
    const onChange = this.#options.log;
    const control = new GuestLink({
      target,
      role: "control",
      onChange,
      onConnect: () => void this.#mounts.warm(this.#loaded.config.mounts), // never fails: see there
      ...(this.#options.onGuestAway === undefined ? {} : { onFailure: this.#options.onGuestAway }),
    });
    return [control, new GuestLink({ target, role: "forwards", after: control, onChange })];
  }

  async #reload(): Promise<void> {
    const before = this.#loaded;
    const loaded = await readAgentConfig(this.#options.configPath);
    this.#loaded = loaded;
    if (loaded.hash !== before.hash) this.#options.log("The settings were read again");
    if (JSON.stringify(loaded.config.root) !== JSON.stringify(before.config.root)) {
      const old = [this.#control, this.#streams];
      this.#connectionsBefore += this.#control.made + this.#streams.made;
      [this.#control, this.#streams] = this.#connect();
      await Promise.all(old.map((link) => link.close()));
    } else if (this.#control.connection) {
      await this.#mounts.warm(loaded.config.mounts);
    }
    await this.#openForwards();
  }

  async #openForwards(): Promise<void> {
    const wanted = new Map(this.#loaded.config.sockets.map((socket) => [keyOf(socket), socket]));
    for (const [key, forward] of this.#forwards) {
      if (wanted.has(key)) continue;
      this.#forwards.delete(key);
      await forward.release();
    }
    for (const [key, socket] of wanted) {
      const forward = this.#forwards.get(key) ??
        new Forward(socket, () => this.#streams.connection, this.#options.log);
      this.#forwards.set(key, forward);
      await forward.open();
    }
  }
}

function keyOf(socket: SocketForward): string {
  return JSON.stringify([socket.host, socket.guest]);
}
