import type { Machine } from "../config/types.ts";
import type { SshTarget } from "../guest/types.ts";

/** What an agent is asked to keep alive: written to `agent.json` in the machine's folder by the command. */
export interface AgentConfig {
  readonly machine: string;
  readonly root: SshTarget;
  readonly sockets: readonly SocketForward[];
  readonly mounts: readonly WatchedMount[];
}

/** A Unix socket of the guest that is offered on the host. */
export interface SocketForward {
  /** Absolute path on the host; made 0600 in a 0700 folder. */
  readonly host: string;
  /** Absolute path in the guest. */
  readonly guest: string;
}

/** A mounted folder whose liveness the agent checks from both sides. */
export interface WatchedMount {
  readonly source: string;
  readonly target: string;
}

/** What `GET /v1/status` answers. */
export interface AgentStatus {
  readonly version: string;
  /** Tells one build of the program from another; see `buildId()`. */
  readonly build: string;
  readonly pid: number;
  readonly machine: string;
  readonly startedAt: string;
  /** SHA-256 of the `agent.json` in force. */
  readonly configHash: string;
  readonly guest: {
    readonly state: "connected" | "connecting";
    readonly since: string;
    readonly error?: string;
  };
  readonly sockets: readonly (SocketForward & { readonly listening: boolean; readonly error?: string })[];
  readonly rssMiB: number;
  /** Counters since the agent's start, for MACHINE_TRACE=counts and tests. */
  readonly counts: { readonly connections: number; readonly execs: number };
}

/** Body of `POST /v1/look`: the observation script, and the mounts to compare from both sides. */
export interface LookRequest {
  readonly script: string;
  readonly mounts: readonly WatchedMount[];
  readonly timeoutMs: number;
}

/** Answer of `POST /v1/look`; both parts were gathered at the same time. */
export interface LookAnswer {
  readonly script: { readonly code: number; readonly stdout: string; readonly stderr: string };
  readonly mounts: readonly MountLook[];
}

/** Whether a mount really shows the host's folder. */
export type MountLook =
  | { readonly target: string; readonly state: "same" }
  | { readonly target: string; readonly state: "differs"; readonly reason: string }
  | { readonly target: string; readonly state: "unknown"; readonly reason: string };

/** Body of `POST /v1/exec`. */
export interface ExecRequest {
  readonly script: string;
  /** Base64. */
  readonly stdin?: string;
  /** A file of the host that follows on standard input; the agent reads it itself. */
  readonly stdinFile?: string;
  readonly timeoutMs: number;
}

/** `trial.json`: a form of the machine that is only tried; the agent has it taken back when the time is over. */
export interface Trial {
  readonly formatVersion: 1;
  /** ISO 8601. */
  readonly until: string;
  /** The machine as it was before, in normal form. */
  readonly former: Machine;
}
