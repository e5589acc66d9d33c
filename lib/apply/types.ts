import type { Engine, LoadedMachine } from "../config/types.ts";
import type { Address, Effect, Plan, PlannedChange } from "../plan/types.ts";
import type { Platform } from "../resources/platform.ts";
import type { Emit } from "./events.ts";

/** What every operation on a machine takes. */
export interface OperationOptions {
  readonly emit: Emit;
  /** The first Ctrl-C: the running step finishes, nothing further starts. */
  readonly stopSignal: AbortSignal;
  /** The second Ctrl-C: the running step is given up. */
  readonly abortSignal: AbortSignal;
  readonly lockTimeoutMs: number;
  /** The command as typed, named to others that wait for the lock. */
  readonly command: string;
  /** What machines run on: this computer when left out. */
  readonly platform?: Platform;
}

/** How much the user agreed to. */
export interface Approval {
  /** Effects that need no further question. */
  readonly allowed: ReadonlySet<Effect>;
  /** Asks on the terminal; absent where there is none. */
  readonly ask?: (plan: Plan) => Promise<boolean>;
}

/** What `apply` takes. */
export interface ApplyOptions extends OperationOptions {
  readonly loaded: LoadedMachine;
  readonly approval: Approval;
  /** Accepts a machine that was last applied from another file. */
  readonly takeOver: boolean;
  /** Plans and stops there. */
  readonly dryRun: boolean;
  /** Only these addresses, and what they depend on. The machine then does not count as wholly applied. */
  readonly targets?: readonly Address[];
  /** A plan that was shown before: where another one is found now, nothing is done. */
  readonly expectPlan?: Plan;
  /** The machine goes back to its former form after this time, unless that is confirmed. */
  readonly tryMs?: number;
}

/** What part of a machine `diff` looks at, and what it is held against. */
export interface DiffScope {
  /** Only these addresses, and what they depend on. */
  readonly targets?: readonly Address[];
  /** Holds what is there against what was applied last, not against the file. */
  readonly refreshOnly?: boolean;
}

/** What `delete` takes. */
export interface DeleteOptions extends OperationOptions {
  readonly name: string;
  /** The data disk goes too; needs `data-loss` in the approval. */
  readonly data: boolean;
  readonly approval: Approval;
}

/** How an operation ended. */
export interface Outcome {
  readonly exitCode: number;
  /** What was done, in order. */
  readonly done: readonly Address[];
  readonly failed: readonly { readonly address: Address; readonly error: string }[];
  readonly skipped: readonly Address[];
  /** What waits for a person or for another look, from the last plan. */
  readonly open: readonly PlannedChange[];
  /** One sentence that says why the exit code is not 0. */
  readonly reason?: string;
  /** What the user may type next. */
  readonly next?: readonly string[];
  /** When the machine goes back to its former form, as ISO 8601: it is only tried until that is confirmed. */
  readonly triedUntil?: string;
}

/** What `diff` found. */
export interface DiffResult {
  readonly plan: Plan;
  /** What is worth saying beside the plan, e.g. that an apply is running. */
  readonly notes: readonly string[];
}

/** A namespace of containerd, and what runs in it. */
export interface NamespaceStatus {
  readonly name: string;
  /** Whose it is, where that is always the same. */
  readonly of?: string;
  /** The names of its containers that run. */
  readonly running: readonly string[];
}

/** The engine of a machine, and what runs on it. */
export interface EngineStatus {
  readonly name: Engine;
  /** Those that there are, also with nothing running in them. */
  readonly namespaces: readonly NamespaceStatus[];
  /** Why what runs is not known, or not wholly. */
  readonly unknown?: string;
}

/** What `status` shows of one machine. */
export interface MachineStatus {
  readonly name: string;
  readonly state: "running" | "stopped" | "crashed" | "kept-data" | "unknown";
  /** Why the state is "unknown" or "crashed". */
  readonly reason?: string;
  readonly origin: string;
  readonly vm?: {
    readonly pid: number;
    readonly accel: string;
    readonly cpu: string;
    readonly cpus: number;
    readonly memoryMiB: number;
    readonly qemuVersion: string;
  };
  /** Limits of this host worth knowing, e.g. that UBI 9 images do not run. */
  readonly limits: readonly string[];
  readonly agent?: { readonly state: string; readonly pid?: number; readonly since?: string };
  readonly ssh?: { readonly host: string; readonly port: number; readonly command: string };
  readonly mounts: readonly {
    source: string;
    target: string;
    type: string;
    writable: boolean;
    state: string;
  }[];
  readonly sockets: readonly { host: string; guest: string; state: string }[];
  readonly engine?: EngineStatus;
  readonly docker?: { readonly context: string; readonly current: boolean; readonly endpoint: string };
  readonly bootMs?: number;
  readonly appliedAt?: string;
}
