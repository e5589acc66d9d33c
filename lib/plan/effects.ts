import type { Action, Effect, Plan, PlannedChange } from "./types.ts";

/** Effects from harmless to worst. */
export const EFFECTS: readonly Effect[] = ["live", "service", "restart", "recreate", "data-loss"];

/** The worse of two effects. */
export function worse(a: Effect, b: Effect): Effect {
  return EFFECTS.indexOf(a) >= EFFECTS.indexOf(b) ? a : b;
}

/** The worst effect of some changes; `live` when there are none. */
export function worstOf(changes: readonly { readonly effect: Effect }[]): Effect {
  return changes.reduce<Effect>((worst, change) => worse(worst, change.effect), "live");
}

/** True for a line that an apply would act on. */
export function isActionable(change: { readonly action: Action }): boolean {
  return change.action === "create" || change.action === "update" || change.action === "recreate" ||
    change.action === "delete";
}

/** The lines of a plan that an apply would act on, in its order. */
export function actionable(plan: Plan): readonly PlannedChange[] {
  return plan.changes.filter(isActionable);
}

/** True when there is nothing to do, nothing blocked and nothing left to look at. */
export function isConverged(plan: Plan): boolean {
  return plan.complete && plan.changes.every((change) => change.action === "none");
}

/** What a plan would do, now or, as far as that is known already, later: what has to be agreed to. */
export function foreseen(plan: Plan): readonly PlannedChange[] {
  return plan.changes.filter((change) => isActionable(change) || change.action === "deferred");
}

/** The worst effect of everything that a plan would do. */
export function worstEffect(plan: Plan): Effect {
  return worstOf(foreseen(plan));
}
