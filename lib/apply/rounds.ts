import { EXIT } from "../host/errors.ts";
import { actionable, foreseen, isConverged, worse, worstEffect } from "../plan/effects.ts";
import type { Address, Effect, Plan, PlannedChange } from "../plan/types.ts";
import type { World } from "../resources/contract.ts";
import type { RecordStore } from "../resources/record.ts";
import { withRecord } from "./world.ts";
import { openRound } from "./job.ts";
import { type Planned, planNow } from "./plan_now.ts";
import { checkExpected } from "./saved_plan.ts";
import { limitPlan } from "./targets.ts";
import { runSteps, type StepResults } from "./steps.ts";
import type { Approval, OperationOptions, Outcome } from "./types.ts";

/** How often one thing is done. Each round makes knowable what the one before deferred, so it may be done again. */
const MOST_TIMES = 4;

/** How often a guest that goes away under a step is looked at again. */
const MOST_LOSSES = 2;

/** A guest that an interrupted command left booting is waited for. */
export const BOOT_PATIENCE_MS = 120_000;

/** What a run of rounds needs. */
export interface RoundsInput {
  readonly world: World;
  readonly store: RecordStore;
  readonly approval: Approval;
  /** The worst effect that was agreed to before the first round. */
  readonly approved: Effect;
  readonly options: OperationOptions;
  /** Only these addresses, and what they depend on. */
  readonly targets?: readonly Address[];
  /** What the first round has to find; otherwise nothing is done. */
  readonly expectPlan?: Plan;
}

/**
 * Look, plan, run, until a look finds nothing more to do. Done means observed: the last round is always a look.
 */
export async function runRounds(input: RoundsInput): Promise<Outcome> {
  const outcome = await untilNothingDiffers(input);
  return { ...outcome, done: [...new Set(outcome.done)] };
}

async function untilNothingDiffers(input: RoundsInput): Promise<Outcome> {
  const done: Address[] = [];
  let approved = input.approved;
  let losses = 0;
  for (let round = 1;; round++) {
    const world = { ...withRecord(input.world, input.store.value), ran: new Set(done) };
    const whole = await planNow(world, { signal: input.options.abortSignal, patienceMs: BOOT_PATIENCE_MS });
    const planned = { ...whole, plan: limitPlan(whole.plan, input.targets) };
    if (round === 1 && input.expectPlan) checkExpected(input.expectPlan, planned.plan);
    const steps = actionable(planned.plan);
    if (steps.length === 0) return ended(done, planned.plan);
    const stubborn = steps.filter(({ address }) =>
      done.filter((one) => one === address).length >= MOST_TIMES
    );
    if (stubborn.length > 0) return stuck(done, stubborn);
    const worst = worstEffect(planned.plan);
    if (worse(worst, approved) !== approved) {
      if (!await agree(input.approval, planned.plan, worst)) return refused(done, steps, worst);
      approved = worst;
    }
    if (round > 1) input.options.emit({ kind: "plan", plan: planned.plan, round });
    const results = await runRound(input, world, planned);
    done.push(...results.done);
    if (isWorthAnotherLook(results) && losses < MOST_LOSSES) {
      // An emulated guest may start again by itself; what was done is seen by the next look.
      losses++;
      input.options.emit({ kind: "note", text: "The guest went away under a step; it is looked at again" });
      continue;
    }
    if (results.failed.length > 0 || results.interrupted) return broken(done, results, steps);
  }
}

function isWorthAnotherLook({ failed, interrupted }: StepResults): boolean {
  return !interrupted && failed.length > 0 && failed.every(({ guestLost }) => guestLost);
}

async function runRound(input: RoundsInput, world: World, planned: Planned) {
  const { emit, abortSignal, stopSignal } = input.options;
  const round = openRound({ world, look: planned.look, store: input.store, emit, signal: abortSignal });
  await using _door = round.guest;
  return await runSteps(planned.plan, planned.items, { ...round, stopSignal });
}

/** Whether a plan may run: everything in it is allowed, or a person says so. */
export async function agree(approval: Approval, plan: Plan, worst: Effect): Promise<boolean> {
  const effects = new Set(foreseen(plan).map(({ effect }) => effect));
  const covered = [...effects].every((effect) => approval.allowed.has(effect));
  if (covered) return true;
  if (!approval.ask) return false;
  return worst !== undefined && await approval.ask(plan);
}

function ended(done: readonly Address[], plan: Plan): Outcome {
  const open = plan.changes.filter(({ action }) => action === "blocked" || action === "deferred");
  if (open.length === 0 && isConverged(plan)) {
    return { exitCode: EXIT.done, done, failed: [], skipped: [], open };
  }
  return {
    exitCode: done.length > 0 ? EXIT.partial : EXIT.needsPerson,
    done,
    failed: [],
    skipped: [],
    open,
    reason: `${open.length === 1 ? "One thing is" : `${open.length} things are`} blocked`,
  };
}

function stuck(done: readonly Address[], steps: readonly PlannedChange[]): Outcome {
  const names = steps.map(({ address }) => address).join(", ");
  return {
    exitCode: EXIT.partial,
    done,
    failed: steps.map(({ address }) => ({ address, error: "it still differs after it was applied" })),
    skipped: [],
    open: [],
    reason: `Applied ${MOST_TIMES} times, these still differ: ${names}`,
  };
}

/** The outcome of a plan that nobody agreed to. */
export function refused(done: readonly Address[], steps: readonly PlannedChange[], worst: Effect): Outcome {
  const flag = worst === "recreate" || worst === "data-loss" ? `--allow ${worst}` : "--yes";
  return {
    exitCode: done.length > 0 ? EXIT.partial : EXIT.needsPerson,
    done,
    failed: [],
    skipped: [],
    open: steps,
    reason: `The worst effect of these changes is "${worst}", which was not agreed to; ${flag} allows it`,
  };
}

function broken(
  done: readonly Address[],
  results: Awaited<ReturnType<typeof runRound>>,
  steps: readonly PlannedChange[],
): Outcome {
  const tried = new Set([...done, ...results.failed.map(({ address }) => address), ...results.skipped]);
  const interrupted = results.interrupted;
  const stopped = interrupted ? EXIT.interrupted : EXIT.failed;
  return {
    exitCode: done.length > 0 ? EXIT.partial : stopped,
    done,
    failed: results.failed,
    skipped: results.skipped,
    open: steps.filter(({ address }) => !tried.has(address)),
    reason: interrupted ? "Interrupted; the same command goes on from here" : "A step failed",
  };
}
