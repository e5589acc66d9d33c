import type { LoadedMachine } from "../config/types.ts";
import { holderOf } from "../host/lock.ts";
import { planNow } from "./plan_now.ts";
import type { DiffResult } from "./types.ts";
import { makeWorld } from "./world.ts";

/** A diff tells what is so now; it does not wait for a whole boot. */
const PATIENCE_MS = 10_000;

/** Looks and plans; starts nothing, takes no lock and writes nothing. */
export async function diffMachine(loaded: LoadedMachine, signal: AbortSignal): Promise<DiffResult> {
  const world = await makeWorld(loaded.machine.name, loaded.machine);
  const { plan } = await planNow(world, { signal, patienceMs: PATIENCE_MS });
  const holder = await holderOf(world.folder.lock);
  const notes: string[] = [];
  if (holder) {
    notes.push(
      `"${holder.command}" (process ${holder.pid}) is at work on this machine since ${holder.since}`,
    );
  }
  if (world.record && !world.record.dataKeptAt && world.record.origin !== loaded.origin) {
    notes.push(`The machine was last applied from ${world.record.origin}; apply asks for --take-over`);
  }
  return { plan, notes };
}
