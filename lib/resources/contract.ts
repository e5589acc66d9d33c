import type { AgentStatus, MountLook } from "../agent/api.ts";
import type { Machine } from "../config/types.ts";
import type { VmLook } from "../drivers/types.ts";
import type { GuestFacts, GuestQuery } from "../guest/query.ts";
import type { GuestControl } from "../guest/control.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { HostFacts } from "../host/system.ts";
import type { Address, Change, Effect, Observed, PlannedChange, Realm } from "../plan/types.ts";
import type { OwnedStore } from "./owned.ts";
import type { Platform } from "./platform.ts";
import type { MachineRecord, RecordStore } from "./record.ts";

export type { AgentStatus } from "../agent/api.ts";
export type { RunningVm, VmLook } from "../drivers/types.ts";

/** What is known before anything is looked at. */
export interface World {
  readonly name: string;
  /** What the file wants; `undefined` when the machine is to go. */
  readonly machine: Machine | undefined;
  readonly folder: MachineFolder;
  readonly record: MachineRecord | undefined;
  readonly host: HostFacts;
  readonly cacheDir: string;
  /** What it all runs on. */
  readonly platform: Platform;
  /** What this apply has done so far; left out where nothing is to be applied. */
  readonly ran?: ReadonlySet<Address>;
}

/** What one look found; resources read their part of it. */
export interface Look {
  readonly vm: VmLook;
  readonly agent: Observed<AgentStatus>;
  readonly guest: GuestLook;
}

/** The guest's part of a look. */
export type GuestLook =
  | { readonly state: "facts"; readonly facts: GuestFacts; readonly mounts: readonly MountLook[] }
  /** There is no guest at all: what would be in it is absent. */
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly reason: string; readonly until?: Address };

/** What applying a step works with. */
export interface Job {
  readonly world: World & { readonly record: MachineRecord };
  readonly look: Look;
  readonly step: PlannedChange;
  readonly store: RecordStore;
  /** The guest as root; connects on first use. */
  readonly guest: () => Promise<GuestControl>;
  /** What we put into the guest, kept there. */
  readonly owned: OwnedStore;
  readonly progress: (text: string, fraction?: number) => void;
  readonly note: (text: string) => void;
  /** What commands of the user said. */
  readonly output: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * A kind of resource: how to observe its things, what differs, how to make them so, how to undo them.
 * `desired`, `observe` and `compare` only read; `compare` is pure.
 */
export interface Kind<D, O> {
  readonly kind: string;
  readonly phase: number;
  readonly realm: Realm;
  /** The key in the file that a line about it points at. */
  path(address: Address): string;
  /** What the file wants, by address. */
  desired(world: World): ReadonlyMap<Address, D> | Promise<ReadonlyMap<Address, D>>;
  /** What it needs to know of the guest, also of addresses that may be ours from before. */
  query?(world: World, addresses: readonly Address[]): GuestQuery | Promise<GuestQuery>;
  /** What is there, by address: of everything wanted, and of what we own and nobody wants any more. */
  observe(
    world: World,
    look: Look,
    desired: ReadonlyMap<Address, D>,
  ): Promise<ReadonlyMap<Address, Observed<O>>>;
  compare(desired: D, observed: O): readonly Change[];
  /** What a look finds once `desired` has been applied: for plans without any machine, and to prove the look right. */
  expected(desired: D): O;
  dependsOn(address: Address, desired: D | undefined): readonly Address[];
  /** What creating it costs and means; live when left out. */
  creation?(world: World, look: Look, desired: D): { readonly effect: Effect; readonly reason?: string };
  /** What removing it costs and means; live when left out. */
  removal?(world: World, observed: O): { readonly effect: Effect; readonly reason?: string };
  /** Where it stands among those of its phase, when not by its address. */
  order?(desired: D): number;
  /** Why a wanted thing may not be touched, if it may not. */
  refusal?(world: World, desired: D): string | undefined;
  /** Names what a step interrupts, asked only when its effect is more than live. */
  interrupts?(world: World, look: Look, step: PlannedChange): Promise<readonly string[]>;
  /** Creates and updates, in one flow: look, ensure, sync each aspect. */
  apply(job: Job, desired: D): Promise<void>;
  /** Takes it away; nothing happens when it is gone already. */
  undo(job: Job): Promise<void>;
  /**
   * Looks whether steps can succeed at all, before anything that runs is stopped for others. Changes nothing that
   * anybody would notice. @throws UserError when they cannot
   */
  preflight?(jobs: readonly TogetherJob<D>[]): Promise<void>;
  /** Several steps of one action at once, where that is cheaper; if it fails, each is done on its own. */
  together?(jobs: readonly TogetherJob<D>[]): Promise<void>;
}

/** One step among several that are done at once; `desired` is missing for removals. */
export interface TogetherJob<D> {
  readonly job: Job;
  readonly desired: D | undefined;
}

/** A kind whose types are its own business. */
// deno-lint-ignore no-explicit-any
export type AnyKind = Kind<any, any>;

/** Reads a guest fact as an observation: no guest, no thing; an unreachable guest, an unknown thing. */
export function inGuest<T>(look: Look, read: (facts: GuestFacts) => Observed<T>): Observed<T> {
  if (look.guest.state === "facts") return read(look.guest.facts);
  return look.guest.state === "absent" ? { state: "absent" } : look.guest;
}
