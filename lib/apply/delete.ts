import { join } from "node:path";
import { EXIT } from "../host/errors.ts";
import { removeIfEmpty, statIfPresent } from "../host/files.ts";
import { listNames, removeTree } from "../host/folders.ts";
import { type MachineFolder, machineHome } from "../host/paths.ts";
import { makePlan } from "../plan/plan.ts";
import { actionable, worstEffect } from "../plan/effects.ts";
import type { Plan } from "../plan/types.ts";
import type { World } from "../resources/contract.ts";
import { dataDiskKind } from "../resources/data_disk.ts";
import { type RecordStore, settingsOf } from "../resources/record.ts";
import { keptDiskItems } from "../resources/disks.ts";
import { KINDS } from "../resources/registry.ts";
import { openRound } from "./job.ts";
import { lookAround } from "../resources/look.ts";
import { itemsOf } from "./items.ts";
import { type HeldMachine, holdMachine } from "./operation.ts";
import { agree, refused } from "./rounds.ts";
import { runSteps } from "./steps.ts";
import type { DeleteOptions, Outcome } from "./types.ts";

/** What is to go down is not waited for. */
const LOOK_MS = 5000;

/**
 * Takes a machine away, backwards through the phases: what the host points at it, its processes, its disks.
 * The data disk stays, with a record that lets the next apply attach it, unless `data` says otherwise.
 */
export async function deleteMachine(options: DeleteOptions): Promise<Outcome> {
  return await holdMachine(options.name, options, (held) => takeAway(held, { ...options, ...held.options }));
}

async function takeAway(held: HeldMachine, options: DeleteOptions): Promise<Outcome> {
  const protect = settingsOf(held.world.record)?.protect ?? false;
  const world: World = { ...held.world, machine: undefined };
  const look = await lookAround(world, { signal: options.abortSignal, patienceMs: LOOK_MS });
  // What is inside the guest goes with its disk, and need not even be readable.
  const kinds = KINDS.filter(({ realm, kind }) =>
    realm !== "guest" && (options.data || kind !== dataDiskKind.kind)
  );
  const items = [
    ...await itemsOf(world, look, kinds),
    ...(options.data ? await keptDiskItems(world.folder) : []),
  ];
  const plan = makePlan(items, { machine: options.name, protect: false, removing: true });
  options.emit({ kind: "plan", plan, round: 1 });
  const refusal = await whyNot(plan, protect, options);
  if (refusal) return refusal;
  const round = openRound({
    world,
    look,
    store: held.store,
    emit: options.emit,
    signal: options.abortSignal,
  });
  await using _door = round.guest;
  const results = await runSteps(plan, items, { ...round, stopSignal: options.stopSignal });
  if (results.failed.length > 0 || results.interrupted) {
    const stopped = results.interrupted ? EXIT.interrupted : EXIT.failed;
    return {
      ...results,
      exitCode: results.done.length > 0 ? EXIT.partial : stopped,
      open: [],
      reason: "Some of it is still there; the same command goes on from here",
    };
  }
  await clearFolder(held.store, world.folder);
  return { ...results, exitCode: EXIT.done, open: [] };
}

async function whyNot(plan: Plan, protect: boolean, options: DeleteOptions): Promise<Outcome | undefined> {
  if (protect) {
    return {
      ...refused([], plan.changes, "recreate"),
      reason: '"protect: true" refuses this; set it to false in the file and apply it first',
    };
  }
  const blocked = plan.changes.filter(({ action }) => action === "blocked");
  if (blocked.length > 0) {
    return {
      ...refused([], blocked, "live"),
      reason: "Not everything could be looked at, so nothing is taken away",
    };
  }
  const worst = worstEffect(plan);
  return await agree(options.approval, plan, worst) ? undefined : refused([], actionable(plan), worst);
}

/** Removes what is left in the machine's folder; a kept data disk stays with the record that knows it. */
async function clearFolder(store: RecordStore, folder: MachineFolder): Promise<void> {
  const isDataLeft = await statIfPresent(folder.dataDisk) !== undefined;
  if (!isDataLeft && (await listNames(folder.disks)).length === 0) {
    await removeTree(folder.root);
    await removeIfEmpty(machineHome());
    return;
  }
  await store.update({
    dataKeptAt: store.value!.dataKeptAt ?? new Date().toISOString(),
    machine: undefined,
    attempted: undefined,
    applied: {},
    sshPort: undefined,
    bootMs: undefined,
    stopped: undefined,
    appliedAt: undefined,
  });
  // Further disks stay as the data disk does, and as after their removal from the file.
  const kept = [folder.dataDisk, folder.disks, folder.record, folder.lock];
  for (const name of await listNames(folder.root)) {
    const path = join(folder.root, name);
    if (!kept.includes(path)) await removeTree(path);
  }
  await removeTree(folder.lock); // last, and while it is held: whoever waits for it notices, and starts over
}
