import type { Action, Plan } from "../plan/types.ts";
import { worstEffect } from "../plan/effects.ts";
import type { PlanJson, PlansJson } from "./plan_schema.ts";
import { maskSecrets } from "./value.ts";

/** Gives the plan as JSON data, secrets masked. What is equal is counted, and listed only when asked for. */
export function planJson(plan: Plan, options: { readonly verbose: boolean }): PlanJson {
  const count = countActions(plan);
  return {
    formatVersion: "1",
    machine: plan.machine,
    targets: plan.targets ?? [],
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

/** What `diff` gives: a plan, or all of them where its file declares several machines. */
export function plansJson(
  plans: readonly Plan[],
  options: { readonly verbose: boolean; readonly isSeveral: boolean },
): PlanJson | PlansJson {
  const [only] = plans;
  if (only !== undefined && !options.isSeveral) return planJson(only, options);
  return { formatVersion: "1", plans: plans.map((plan) => planJson(plan, options)) };
}

/** How many lines of a plan there are of each action. */
export function countActions(plan: Plan): Readonly<Record<Action, number>> {
  const count = { none: 0, create: 0, update: 0, recreate: 0, delete: 0, deferred: 0, blocked: 0 };
  for (const change of plan.changes) count[change.action]++;
  return count;
}
