import { EXIT } from "../host/errors.ts";
import { removeIfEmpty, removeIfPresent } from "../host/files.ts";
import { removeTree } from "../host/folders.ts";
import { machineHome } from "../host/paths.ts";
import { makePlan } from "../plan/plan.ts";
import { actionable, worstEffect } from "../plan/effects.ts";
import type { Plan } from "../plan/types.ts";
import type { World } from "../resources/contract.ts";
import { RecordStore } from "../resources/record.ts";
import { openRound } from "./job.ts";
import { itemsOf, lookAround } from "./look.ts";
import { holdMachine } from "./operation.ts";
import { agree, refused } from "./rounds.ts";
import { runSteps } from "./steps.ts";
import type { DeleteOptions, Outcome } from "./types.ts";

/**
 * Takes a machine away, backwards through the phases: what the host points at it, its processes, its disks.
 * The data disk stays, with a record that lets the next apply attach it, unless `data` says otherwise.
 */
export async function deleteMachine(options: DeleteOptions): Promise<Outcome> {
  using held = await holdMachine(options.name, options);
  const protect = held.world.record.machine?.protect ?? false;
  const world: World = { ...held.world, machine: undefined };
  const look = await lookAround(world, options.abortSignal);
  const items = (await itemsOf(world, look)).filter(({ realm, address }) =>
    // What is inside the guest goes with its disk.
    realm !== "guest" && (options.data || address !== "disk:data")
  );
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
  await clearFolder(held.store, world);
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
async function clearFolder(store: RecordStore, world: World): Promise<void> {
  const { folder } = world;
  const record = store.value!;
  for (const file of [folder.identity, folder.identityPublic, folder.hostKey, folder.hostKeyPublic]) {
    await removeIfPresent(file);
  }
  for (const file of [folder.knownHosts, folder.events]) await removeIfPresent(file);
  if (record.dataDiskUuid !== undefined && record.machine?.vm.dataDiskMiB !== undefined) {
    await store.update({
      dataKeptAt: new Date().toISOString(),
      machine: undefined,
      applied: {},
      sshPort: undefined,
      bootMs: undefined,
      stopped: undefined,
      appliedAt: undefined,
    });
    return await removeIfPresent(folder.lock); // while it is held: whoever waits for it notices, and starts over
  }
  await removeTree(folder.root);
  await removeIfEmpty(machineHome());
}
