import { readDataDisk } from "../drivers/qemu/disks.ts";
import type { Machine } from "../config/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import { ensurePrivateDir } from "../host/files.ts";
import { freePort } from "../host/ports.ts";
import { equal } from "../plan/equal.ts";
import { actionable, isConverged, worstEffect } from "../plan/effects.ts";
import type { World } from "../resources/contract.ts";
import { ensureIdentity } from "../resources/power.ts";
import { type MachineRecord, RecordStore } from "../resources/record.ts";
import { desiredHashes, type Hashes } from "./applied.ts";
import { planNow } from "./plan_now.ts";
import { takeLock } from "./operation.ts";
import { agree, refused, runRounds } from "./rounds.ts";
import type { ApplyOptions, Approval, OperationOptions, Outcome } from "./types.ts";
import { makeWorld, withRecord } from "./world.ts";

/**
 * Makes a machine equal to its file. The first look takes no lock and writes nothing; only when something
 * differs is the lock taken and everything looked at again.
 * @throws UserError when the machine was last applied from another file, or is locked
 */
export async function applyMachine(options: ApplyOptions): Promise<Outcome> {
  const { machine, origin } = options.loaded;
  const world = await makeWorld(machine.name, machine);
  checkOrigin(world.record, origin, options.takeOver);
  return await reconcile({
    machine,
    origin,
    world,
    options,
    approval: options.approval,
    dryRun: options.dryRun,
  });
}

/** What {@link reconcile} takes. */
export interface ReconcileInput {
  readonly machine: Machine;
  readonly origin: string;
  readonly world: World;
  readonly options: OperationOptions;
  readonly approval: Approval;
  readonly dryRun: boolean;
}

/** Looks, asks, locks, and runs rounds until nothing differs. */
export async function reconcile(input: ReconcileInput): Promise<Outcome> {
  const { world, options, approval } = input;
  const first = await planNow(world, options.abortSignal);
  options.emit({ kind: "plan", plan: first.plan, round: 1 });
  sayKeptData(world, options);
  const steps = actionable(first.plan);
  const worst = worstEffect(first.plan);
  if (input.dryRun) {
    const same = isConverged(first.plan);
    return { exitCode: same ? EXIT.done : EXIT.differences, done: [], failed: [], skipped: [], open: [] };
  }
  if (steps.length > 0 && !await agree(approval, first.plan, worst)) return refused([], steps, worst);
  if (isConverged(first.plan) && isSettled(world.record, input, await desiredHashes(world))) {
    return { exitCode: EXIT.done, done: [], failed: [], skipped: [], open: [] };
  }
  await ensurePrivateDir(world.folder.root);
  using _held = await takeLock(world.folder, options);
  const store = await prepare(input);
  const outcome = await runRounds({
    world: withRecord(world, store.value),
    store,
    approval,
    approved: worst,
    options,
  });
  if (outcome.exitCode === EXIT.done) await settle(input, store);
  return outcome;
}

/** Chooses once what has to be chosen, and writes it down before anything is made with it. */
async function prepare(input: ReconcileInput): Promise<RecordStore> {
  const current = await makeWorld(input.machine.name, input.machine); // another command may have written meanwhile
  const store = new RecordStore(current.folder, current.record);
  const record = await store.ensure(input.machine.name, input.origin);
  await store.update({
    origin: input.origin,
    machine: input.machine,
    sshPort: record.sshPort ?? (input.machine.ssh.port || freePort()),
    dataDiskUuid: (await readDataDisk(current.folder.dataDisk))?.uuid ?? record.dataDiskUuid ??
      crypto.randomUUID(),
  });
  await ensureIdentity(current);
  return store;
}

/** True when the record says already what {@link settle} would write. */
function isSettled(record: MachineRecord | undefined, input: ReconcileInput, applied: Hashes): boolean {
  return record !== undefined && record.origin === input.origin && record.dataKeptAt === undefined &&
    equal(record.machine, input.machine) && equal(record.applied, applied);
}

/** Notes that the machine now is what the file says; from here on a difference was made by somebody else. */
async function settle(input: ReconcileInput, store: RecordStore): Promise<void> {
  const applied = await desiredHashes(withRecord(input.world, store.value));
  await store.update({
    origin: input.origin,
    machine: input.machine,
    applied,
    appliedAt: new Date().toISOString(),
    dataKeptAt: undefined,
  });
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
