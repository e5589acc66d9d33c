import type { Machine } from "../config/types.ts";
import { variable } from "../host/environment.ts";
import { EXIT, UserError } from "../host/errors.ts";
import { ensurePrivateDir } from "../host/files.ts";
import { displayPath } from "../host/paths.ts";
import { equal } from "../plan/equal.ts";
import type { Address, Plan } from "../plan/types.ts";
import { actionable, isConverged, worstEffect } from "../plan/effects.ts";
import { chooseOnce } from "../resources/choices.ts";
import type { Look, World } from "../resources/contract.ts";
import { type MachineRecord, RecordStore } from "../resources/record.ts";
import { endTrial } from "../resources/trial.ts";
import { desiredHashes } from "./applied.ts";
import { checkExpected } from "./saved_plan.ts";
import { limitPlan } from "./targets.ts";
import { planNow } from "./plan_now.ts";
import { noteApplied } from "./history.ts";
import { underLock } from "./operation.ts";
import { beginTrial, formerForm, startTrial } from "./trial.ts";
import { agree, refused, runRounds } from "./rounds.ts";
import type { ApplyOptions, Approval, OperationOptions, Outcome } from "./types.ts";
import { makeWorld, withRecord } from "./world.ts";

/** The look before the lock is only for the plan that is shown; the rounds wait for a whole boot. */
const FIRST_PATIENCE_MS = 10_000;

/**
 * Makes a machine equal to its file. The first look takes no lock and writes nothing; only when something
 * differs is the lock taken and everything looked at again.
 * @throws UserError when the machine was last applied from another file, or is locked
 */
export async function applyMachine(options: ApplyOptions): Promise<Outcome> {
  const { machine, origin } = options.loaded;
  const world = await makeWorld(machine.name, machine, options.platform);
  checkOrigin(world.record, origin, options.takeOver);
  return await reconcile({
    machine,
    origin,
    world,
    options,
    approval: options.approval,
    takeOver: options.takeOver,
    dryRun: options.dryRun,
    ...(options.targets ? { targets: options.targets } : {}),
    ...(options.expectPlan ? { expectPlan: options.expectPlan } : {}),
    ...(options.tryMs === undefined ? {} : { tryMs: options.tryMs }),
  });
}

/** What {@link reconcile} takes. */
export interface ReconcileInput {
  readonly machine: Machine;
  readonly origin: string;
  readonly world: World;
  readonly options: OperationOptions;
  readonly approval: Approval;
  readonly takeOver: boolean;
  readonly dryRun: boolean;
  /** Only these addresses, and what they depend on. */
  readonly targets?: readonly Address[];
  /** A plan that was shown before: where another one is found now, nothing is done. */
  readonly expectPlan?: Plan;
  /** What is reached stays only for this time, unless it is confirmed. */
  readonly tryMs?: number;
  /** A form that is only tried stays only tried: a start decides nothing about it. */
  readonly keepsTrial?: boolean;
  /** Asked under the lock, for which this may have waited long: without a yes nothing is done. */
  readonly isStillWanted?: () => Promise<boolean>;
}

/** Looks, asks, locks, and runs rounds until nothing differs. */
export async function reconcile(input: ReconcileInput): Promise<Outcome> {
  const { world, options, approval } = input;
  if (input.tryMs !== undefined) await formerForm(world.folder, world.record); // nobody is asked in vain
  const first = await planNow({ ...world, ran: new Set() }, {
    signal: options.abortSignal,
    patienceMs: FIRST_PATIENCE_MS,
  });
  const plan = limitPlan(first.plan, input.targets);
  if (input.expectPlan) checkExpected(input.expectPlan, plan);
  options.emit({ kind: "plan", plan, round: 1 });
  sayKeptData(world, options);
  const steps = actionable(plan);
  const worst = worstEffect(plan);
  if (input.dryRun) {
    const same = isConverged(plan);
    return { exitCode: same ? EXIT.done : EXIT.differences, done: [], failed: [], skipped: [], open: [] };
  }
  if (steps.length > 0 && !await agree(approval, plan, worst)) return refused([], steps, worst);
  const isWhole = input.targets === undefined || input.targets.length === 0;
  if (isConverged(plan) && (!isWhole || await isSettled(world, input))) {
    return { exitCode: EXIT.done, done: [], failed: [], skipped: [], open: [] };
  }
  await ensurePrivateDir(world.folder.root);
  return await underLock(world.folder, options, async (noted) => {
    if (input.isStillWanted && !await input.isStillWanted()) {
      return { exitCode: EXIT.done, done: [], failed: [], skipped: [], open: [] };
    }
    const store = await prepare(input, first.look);
    const former = input.tryMs === undefined
      ? undefined
      : await beginTrial(world.folder, store.value, input.tryMs);
    const outcome = await runRounds({
      world: withRecord(world, store.value),
      store,
      approval,
      approved: worst,
      options: noted,
      ...(input.expectPlan ? { expectPlan: input.expectPlan } : {}),
      ...(input.targets ? { targets: input.targets } : {}),
    });
    const ended = outcome.exitCode === EXIT.done && isWhole
      ? await finish({ ...input, options: noted }, store, outcome)
      : outcome;
    return former && input.tryMs !== undefined
      ? await startTrial(world.folder, former, { tryMs: input.tryMs, outcome: ended })
      : ended;
  });
}

/** Notes what was reached, and says what a person may want to do now. */
async function finish(input: ReconcileInput, store: RecordStore, outcome: Outcome): Promise<Outcome> {
  await settle(input, store, outcome.done);
  if (input.tryMs === undefined && !input.keepsTrial) await endTrial(input.world.folder);
  if (input.machine.runtime.engine === "docker") sayDockerVariables(input.options);
  return outcome.done.length === 0 ? outcome : { ...outcome, next: nextCommands(input) };
}

/** Takes the machine over: what has to be chosen once is chosen and written down before anything is made with it. */
async function prepare(input: ReconcileInput, look: Look): Promise<RecordStore> {
  const current = await makeWorld(input.machine.name, input.machine, input.world.platform); // another command may have written meanwhile
  checkOrigin(current.record, input.origin, input.takeOver);
  const store = new RecordStore(current.folder, current.record);
  await store.ensure(input.machine.name, input.origin);
  const changed = !equal(current.record?.machine, input.machine);
  await store.update({ origin: input.origin, attempted: changed ? input.machine : undefined });
  await chooseOnce(current, look, store);
  return store;
}

/** True when the record says already what {@link settle} would write. */
async function isSettled(world: World, input: ReconcileInput): Promise<boolean> {
  const { record } = world;
  return record !== undefined && record.origin === input.origin && record.dataKeptAt === undefined &&
    record.attempted === undefined && equal(record.machine, input.machine) &&
    equal(record.applied, await desiredHashes(world, record));
}

/** Notes that the machine now is what the file says; from here on a difference was made by somebody else. */
async function settle(
  input: ReconcileInput,
  store: RecordStore,
  changed: readonly Address[],
): Promise<void> {
  const applied = await desiredHashes(withRecord(input.world, store.value), store.value!);
  const { origin, machine } = input;
  const appliedAt = new Date().toISOString();
  await store.update({ origin, machine, attempted: undefined, applied, appliedAt, dataKeptAt: undefined });
  await noteApplied(input.world.folder, { appliedAt, origin, machine, changed });
}

/** The docker client heeds these before any context (docker(1), "Environment variables"). */
function sayDockerVariables(options: OperationOptions): void {
  for (const name of ["DOCKER_HOST", "DOCKER_CONTEXT"]) {
    if (variable(name) === undefined) continue;
    options.emit({
      kind: "note",
      text: `${name} is set in this shell and goes before the current docker context`,
    });
  }
}

/** What a person may want to type after the machine has come up or changed. */
function nextCommands({ machine, origin }: ReconcileInput): string[] {
  const { engine, docker: { context }, containerd } = machine.runtime;
  const docker = context.current ? "docker" : `docker --context ${context.name}`;
  const containers = {
    docker: [`${docker} info`],
    containerd: [`machine ${containerd.nerdctl ? "nerdctl" : "ctr"} -m ${machine.name} version`],
    none: [],
  };
  return [
    ...containers[engine],
    `machine shell -m ${machine.name}`,
    ...(origin === "-" ? [] : [`machine diff -f ${displayPath(origin)}`]),
  ];
}

function checkOrigin(record: MachineRecord | undefined, origin: string, takeOver: boolean): void {
  if (!record || record.dataKeptAt || record.origin === origin || takeOver) return;
  throw new UserError(`Machine "${record.name}" was last applied from ${record.origin}, not from ${origin}`, {
    exitCode: EXIT.needsPerson,
    hint: "Give --take-over to let this file decide about it from now on, or choose another name in the file",
  });
}

function sayKeptData(world: World, options: OperationOptions): void {
  const { record } = world;
  if (!record?.dataKeptAt) return;
  options.emit({
    kind: "note",
    text: `Attaches the data disk kept on ${record.dataKeptAt.slice(0, 10)} (${world.folder.dataDisk})`,
  });
}
