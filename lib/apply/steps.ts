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

/**
 * Runs the steps of a plan in its order. A failed step skips only what depends on it; a stop signal lets the
 * running step finish and starts no further one.
 */
export async function runSteps(
  plan: Plan,
  items: readonly Item[],
  round: Round & { readonly stopSignal: AbortSignal },
): Promise<StepResults> {
  const done: Address[] = [];
  const failed: FailedStep[] = [];
  const skipped: Address[] = [];
  for (const step of actionable(plan)) {
    if (round.stopSignal.aborted || round.signal.aborted) return { done, failed, skipped, interrupted: true };
    const cause = step.dependsOn.find((address) =>
      skipped.includes(address) || failed.some((failure) => failure.address === address)
    );
    if (cause !== undefined && step.action !== "delete") {
      skipped.push(step.address);
      round.emit({ kind: "step-skipped", address: step.address, action: step.action, because: cause });
      continue;
    }
    const failure = await runStep(step, items, round);
    if (failure === undefined) done.push(step.address);
    else failed.push(failure);
  }
  return { done, failed, skipped, interrupted: round.stopSignal.aborted || round.signal.aborted };
}

/** Runs one step; gives what went wrong, if something did. */
async function runStep(
  step: PlannedChange,
  items: readonly Item[],
  round: Round,
): Promise<FailedStep | undefined> {
  const { address, action } = step;
  const started = performance.now();
  round.emit({ kind: "step-start", address, action, text: step.reason ?? "" });
  try {
    const kind = kindOf(address);
    const job = jobFor(round, step);
    const desired = items.find((item) => item.address === address)?.desired;
    if (action === "delete") await kind.undo(job);
    else await kind.apply(job, desired);
    const applied = { ...round.store.value!.applied };
    if (action === "delete") delete applied[address];
    else applied[address] = desiredHash(desired);
    await round.store.update({ applied });
    round.emit({ kind: "step-done", address, action, ms: Math.round(performance.now() - started) });
    return undefined;
  } catch (error) {
    // Only our own signal is an interruption: a time-out somewhere is an "abort" too, and its words are the cause.
    const text = round.signal.aborted && isAbort(error) ? "interrupted" : describe(error);
    round.emit({ kind: "step-failed", address, action, error: text });
    return { address, error: text, guestLost: error instanceof UserError && error.guestLost };
  }
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
