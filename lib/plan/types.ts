/** Names one thing of one machine: `kind` or `kind:id`. Nothing in it needs quoting in a shell. */
export type Address = string;

/**
 * What a look found. Unknown is never absent: with `until` it will be knowable after that address was applied
 * (deferred), without it nothing is done to the thing (blocked).
 */
export type Observed<T> =
  | { readonly state: "present"; readonly value: T; readonly owned: boolean }
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly reason: string; readonly until?: Address };

/** What a change costs, from harmless to worst. */
export type Effect = "live" | "service" | "restart" | "recreate" | "data-loss";

/** One difference, at one path, with what making it costs. */
export interface Change {
  /** The key in the file, or what was looked at when no key says it, e.g. `vm.memory`, `vm.running`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly effect: Effect;
  /** Why it differs, when it is not simply the file that changed. */
  readonly note?: string;
  /** True when `before` tells in words what is there, because it is no value that the key could have. */
  readonly isTold?: boolean;
  /** True when it goes away by itself, in a moment: a service that is just starting. */
  readonly isPassing?: boolean;
}

export type Action = "none" | "create" | "update" | "recreate" | "delete" | "deferred" | "blocked";

/** Where a thing lives, which decides what may be done to what is not ours (decision: ownership by realm). */
export type Realm = "host" | "machine" | "guest";

/** One thing to compare: what the file wants of it and what a look found. */
export interface Item<D = unknown, O = unknown> {
  readonly address: Address;
  /** Order of work, 1 to 17; undo runs backwards. */
  readonly phase: number;
  readonly realm: Realm;
  readonly dependsOn: readonly Address[];
  /** `undefined`: no longer wanted. */
  readonly desired: D | undefined;
  /** What was wanted when it was applied last: what differs from that as well was changed outside. */
  readonly last?: D;
  /** Its place among those of its phase; by address where equal or left out. */
  readonly order?: number;
  readonly observed: Observed<O>;
  readonly compare: (desired: D, observed: O) => readonly Change[];
  /** Says what creating it means, when that is more than nothing. */
  readonly creation?: { readonly effect: Effect; readonly reason?: string };
  /** Says what removing it means. */
  readonly removal?: { readonly effect: Effect; readonly reason?: string };
  /** The path in the file to point at when it is blocked. */
  readonly path?: string;
  /** Why it may not be touched although it could be observed. */
  readonly refusal?: string;
}

/** One line of a plan. */
export interface PlannedChange {
  readonly address: Address;
  readonly phase: number;
  readonly action: Action;
  /** The worst effect of its changes; `live` for "none" and "blocked", and for "deferred" unless data will be lost. */
  readonly effect: Effect;
  readonly reason?: string;
  readonly paths: readonly Change[];
  readonly dependsOn: readonly Address[];
  readonly order?: number;
  /** What stops working meanwhile, by name: containers, services. */
  readonly interrupts?: readonly string[];
  /** The path in the file to point at. */
  readonly path?: string;
}

/** Everything that differs, in order of work; unchanged things are in it with the action "none". */
export interface Plan {
  readonly machine: string;
  readonly changes: readonly PlannedChange[];
  /** False when something could not be looked at yet: the plan grows after the first round. */
  readonly complete: boolean;
  /** The addresses that it was limited to; absent where it covers the whole machine. */
  readonly targets?: readonly Address[];
}
