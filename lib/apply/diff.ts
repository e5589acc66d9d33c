import type { LoadedMachine } from "../config/types.ts";
import { holderOf } from "../host/lock.ts";
import type { Platform } from "../resources/platform.ts";
import { planNow } from "./plan_now.ts";
import { limitPlan } from "./targets.ts";
import type { DiffResult, DiffScope } from "./types.ts";
import { makeWorld } from "./world.ts";

/** A diff tells what is so now; it does not wait for a whole boot. */
const PATIENCE_MS = 10_000;

/**
 * Looks and plans; starts nothing, takes no lock and writes nothing.
 * @throws UserError with exit code 3 when a target names nothing
 */
export async function diffMachine(
  loaded: LoadedMachine,
  signal: AbortSignal,
  scope: DiffScope & { readonly platform?: Platform } = {},
): Promise<DiffResult> {
  const world = await makeWorld(loaded.machine.name, loaded.machine, scope.platform);
  const notes: string[] = [];
  const applied = world.record?.machine;
  if (scope.refreshOnly && applied === undefined) {
    notes.push("Nothing has been applied to its end yet: the file itself is what is compared");
  }
  const { plan } = await planNow(scope.refreshOnly && applied ? { ...world, machine: applied } : world, {
    signal,
    patienceMs: PATIENCE_MS,
  });
  const holder = await holderOf(world.folder.lock);
  if (holder) {
    notes.push(
      `"${holder.command}" (process ${holder.pid}) is at work on this machine since ${holder.since}`,
    );
  }
  if (world.record && !world.record.dataKeptAt && world.record.origin !== loaded.origin) {
    notes.push(`The machine was last applied from ${world.record.origin}; apply asks for --take-over`);
  }
  return { plan: limitPlan(plan, scope.targets), notes };
}
