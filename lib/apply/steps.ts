import { isAbort, messageOf, UserError } from "../host/errors.ts";
import { actionable } from "../plan/effects.ts";
import type { Address, Item, Plan, PlannedChange } from "../plan/types.ts";
import { KINDS } from "../resources/registry.ts";
import type { AnyKind } from "../resources/contract.ts";
import { desiredHash } from "./applied.ts";
import { jobFor, type Round } from "./job.ts";

/** A step that failed. */
export interface FailedStep {
  readonly address: Address;
  readonly error: string;
  /** Because the guest went away under it. */
  readonly guestLost: boolean;
}

/** How the steps of a round went. */
export interface StepResults {
  readonly done: readonly Address[];
  readonly failed: readonly FailedStep[];
  readonly skipped: readonly Address[];
  readonly interrupted: boolean;
}

/** What a round's steps run with. */
type StepsRound = Round & { readonly stopSignal: AbortSignal };

/**
 * Runs the steps of a plan in its order. A failed step skips only what depends on it; a stop signal lets the
 * running step finish and starts no further one. Steps of one kind that follow each other are done at once where the
 * kind can; if that fails, each is done on its own, so that one bad entry fails alone.
 */
export async function runSteps(plan: Plan, items: readonly Item[], round: StepsRound): Promise<StepResults> {
  const done: Address[] = [];
  const failed: FailedStep[] = [];
  const skipped: Address[] = [];
  const isStopped = () => round.stopSignal.aborted || round.signal.aborted;
  const wanted = new Map(items.map((item) => [item.address, item.desired]));
  const groups = groupSteps(actionable(plan));
  const doomed = await flyBefore(groups, wanted, round);
  if (doomed.length > 0) return { done, failed: doomed, skipped, interrupted: isStopped() };
  for (const group of groups) {
    if (isStopped()) return { done, failed, skipped, interrupted: true };
    const ready: PlannedChange[] = [];
    for (const step of group) {
      const cause = hindrance(step, plan, [...skipped, ...failed.map(({ address }) => address)], round);
      if (cause === undefined) ready.push(step);
      else {
        skipped.push(step.address);
        round.emit({ kind: "step-skipped", address: step.address, action: step.action, because: cause });
      }
    }
    if (ready.length > 1 && await runTogether(ready, wanted, round)) {
      done.push(...ready.map(({ address }) => address));
      continue;
    }
    for (const step of ready) {
      if (isStopped()) return { done, failed, skipped, interrupted: true };
      const failure = await runStep(step, wanted.get(step.address), round);
      if (failure === undefined) done.push(step.address);
      else failed.push(failure);
    }
  }
  return { done, failed, skipped, interrupted: isStopped() };
}

/**
 * What keeps a step from being done: it needs something that failed, or it takes the ground from under something that
 * could not be taken away. Where the whole machine goes, everything goes that can.
 */
function hindrance(
  { address, action, dependsOn }: PlannedChange,
  plan: Plan,
  undone: readonly Address[],
  { world }: Round,
): Address | undefined {
  if (action !== "delete") return dependsOn.find((on) => undone.includes(on));
  if (world.machine === undefined) return undefined;
  return plan.changes.find((other) =>
    other.action === "delete" && undone.includes(other.address) && other.dependsOn.includes(address)
  )?.address;
}

/** Where something that runs is going to be stopped, what can be known to fail fails before that. */
async function flyBefore(
  groups: readonly (readonly PlannedChange[])[],
  wanted: ReadonlyMap<Address, unknown>,
  round: Round,
): Promise<FailedStep[]> {
  if (groups.flat().every(({ effect }) => effect === "live")) return [];
  const failed: FailedStep[] = [];
  for (const group of groups) {
    const kind = kindOf(group[0]!.address);
    const steps = group.filter(({ action }) => action !== "delete");
    if (!kind.preflight || steps.length === 0) continue;
    try {
      await kind.preflight(
        steps.map((step) => ({ job: jobFor(round, step), desired: wanted.get(step.address) })),
      );
    } catch (error) {
      for (const step of steps) failed.push(failedStep(step, error, round));
    }
  }
  return failed;
}

/** Steps in their order, those that can be done at once side by side. */
function groupSteps(steps: readonly PlannedChange[]): readonly (readonly PlannedChange[])[] {
  const groups: PlannedChange[][] = [];
  for (const step of steps) {
    const kind = kindOf(step.address);
    const last = groups.at(-1);
    const first = last?.[0];
    const fits = first !== undefined && kind.together !== undefined && kindOf(first.address) === kind &&
      (first.action === "delete") === (step.action === "delete") &&
      !last!.some(({ address }) => step.dependsOn.includes(address));
    if (fits) last!.push(step);
    else groups.push([step]);
  }
  return groups;
}

/** Does several steps at once; gives whether that went well. What it has done by half is seen by those that follow. */
async function runTogether(
  steps: readonly PlannedChange[],
  wanted: ReadonlyMap<Address, unknown>,
  round: Round,
): Promise<boolean> {
  const started = performance.now();
  const { action } = steps[0]!;
  const of = kindOf(steps[0]!.address).kind;
  const addresses = steps.map(({ address }) => address);
  round.emit({ kind: "together-start", of, action, addresses, ms: 0 });
  for (const { address, action, reason } of steps) {
    round.emit({ kind: "step-start", address, action, text: reason ?? "" });
  }
  try {
    const jobs = steps.map((step) => ({
      job: jobFor(round, step),
      desired: step.action === "delete" ? undefined : wanted.get(step.address),
    }));
    await kindOf(steps[0]!.address).together!(jobs);
  } catch {
    return false; // each of them says what is wrong with it, or that it was interrupted
  }
  await noteApplied(steps.map((step) => [step, wanted.get(step.address)]), round);
  const ms = Math.round((performance.now() - started) / steps.length);
  for (const { address, action } of steps) round.emit({ kind: "step-done", address, action, ms });
  const whole = Math.round(performance.now() - started);
  round.emit({ kind: "together-done", of, action, addresses, ms: whole });
  return true;
}

/** Runs one step; gives what went wrong, if something did. */
async function runStep(
  step: PlannedChange,
  desired: unknown,
  round: Round,
): Promise<FailedStep | undefined> {
  const { address, action } = step;
  const started = performance.now();
  round.emit({ kind: "step-start", address, action, text: step.reason ?? "" });
  try {
    const kind = kindOf(address);
    const job = jobFor(round, step);
    if (action === "delete") await kind.undo(job);
    else await kind.apply(job, desired);
    await noteApplied([[step, desired]], round);
    round.emit({ kind: "step-done", address, action, ms: Math.round(performance.now() - started) });
    return undefined;
  } catch (error) {
    return failedStep(step, error, round);
  }
}

/** Says that a step failed, and why. */
function failedStep({ address, action }: PlannedChange, error: unknown, round: Round): FailedStep {
  // Only our own signal is an interruption: a time-out somewhere is an "abort" too, and its words are the cause.
  const text = round.signal.aborted && isAbort(error) ? "interrupted" : describe(error);
  round.emit({ kind: "step-failed", address, action, error: text });
  return { address, error: text, guestLost: error instanceof UserError && error.guestLost };
}

/** Writes down what was made equal to what: later this tells an edit of the file from a change outside. */
async function noteApplied(
  steps: readonly (readonly [PlannedChange, unknown])[],
  round: Round,
): Promise<void> {
  const { applied: before, fingerprintKey } = round.store.value!;
  const applied = { ...before };
  for (const [{ address, action }, desired] of steps) {
    if (action === "delete") delete applied[address];
    else applied[address] = desiredHash(desired, fingerprintKey);
  }
  await round.store.update({ applied });
}

/** The kind that an address belongs to. */
export function kindOf(address: Address): AnyKind {
  const kind = KINDS.find(({ kind }) => address === kind || address.startsWith(`${kind}:`));
  if (!kind) throw new Error(`No kind of resource has the address ${address}`);
  return kind;
}

/** Everything that a user can act on; of a bug, its stack too. */
function describe(error: unknown): string {
  if (!(error instanceof UserError)) {
    return error instanceof Error ? error.stack ?? error.message : messageOf(error);
  }
  return [error.message, error.output, error.hint ? `Remedy: ${error.hint}` : undefined]
    .filter((part) => part !== undefined && part !== "").join("\n");
}
