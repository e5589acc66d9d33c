import type { Action, Effect, Plan } from "../plan/types.ts";
import { worstEffect } from "../plan/effects.ts";
import { maskSecrets } from "./value.ts";

/** The plan as programs read it; a new major `formatVersion` comes when a field changes its meaning or goes. */
export interface PlanJson {
  readonly formatVersion: "1";
  readonly machine: string;
  readonly changes: readonly ChangeJson[];
  /** False: more may follow once these changes are made. */
  readonly complete: boolean;
  readonly summary: {
    readonly add: number;
    readonly change: number;
    readonly recreate: number;
    readonly remove: number;
    readonly deferred: number;
    readonly blocked: number;
    readonly unchanged: number;
    readonly worstEffect: Effect;
  };
}

/** One difference. */
export interface ChangeJson {
  readonly address: string;
  readonly action: Action;
  readonly effect: Effect;
  readonly reason: string | null;
  readonly interrupts: readonly string[];
  readonly paths: readonly {
    readonly path: string;
    readonly before: unknown;
    readonly after: unknown;
    readonly effect: Effect;
    readonly note: string | null;
  }[];
}

/** Gives the plan as JSON data, secrets masked. What is equal is counted, and listed only when asked for. */
export function planJson(plan: Plan, options: { readonly verbose: boolean }): PlanJson {
  const count = countActions(plan);
  return {
    formatVersion: "1",
    machine: plan.machine,
    changes: plan.changes.filter((change) => options.verbose || change.action !== "none").map((change) => ({
      address: change.address,
      action: change.action,
      effect: change.effect,
      reason: change.reason ?? null,
      interrupts: change.interrupts ?? [],
      paths: change.paths.map((path) => ({
        path: path.path,
        before: maskSecrets(path.path, path.before) ?? null,
        after: maskSecrets(path.path, path.after) ?? null,
        effect: path.effect,
        note: path.note ?? null,
      })),
    })),
    complete: plan.complete,
    summary: {
      add: count.create,
      change: count.update,
      recreate: count.recreate,
      remove: count.delete,
      deferred: count.deferred,
      blocked: count.blocked,
      unchanged: count.none,
      worstEffect: worstEffect(plan),
    },
  };
}

/** How many lines of a plan there are of each action. */
export function countActions(plan: Plan): Readonly<Record<Action, number>> {
  const count = { none: 0, create: 0, update: 0, recreate: 0, delete: 0, deferred: 0, blocked: 0 };
  for (const change of plan.changes) count[change.action]++;
  return count;
}
