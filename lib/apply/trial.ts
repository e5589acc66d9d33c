import type { Machine } from "../config/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { MachineRecord } from "../resources/record.ts";
import { endTrial, readTrial, writeTrial } from "../resources/trial.ts";
import type { Outcome } from "./types.ts";

/** What is tried is taken back also when the command that tries it is killed; this is how long it may take itself. */
const LONGEST_APPLY_MS = 30 * 60_000;

/**
 * What the machine would go back to; asked before anything is written, too.
 * @throws UserError with exit code 4 when there is nothing to go back to, or something is tried already
 */
export async function formerForm(folder: MachineFolder, record: MachineRecord | undefined): Promise<Machine> {
  const former = record?.machine;
  if (!former) {
    throw new UserError(`Machine "${folder.name}" has no former form to go back to`, {
      exitCode: EXIT.needsPerson,
      hint: "Leave --try out of the first apply",
    });
  }
  const running = await readTrial(folder);
  if (running) {
    throw new UserError(`Machine "${folder.name}" is being tried already, until ${running.until}`, {
      exitCode: EXIT.needsPerson,
      hint: `machine confirm -m ${folder.name} keeps its present form`,
    });
  }
  return former;
}

/** Writes down, before anything is done, what the machine goes back to. @throws as {@link formerForm} */
export async function beginTrial(
  folder: MachineFolder,
  record: MachineRecord | undefined,
  tryMs: number,
): Promise<Machine> {
  const former = await formerForm(folder, record);
  await writeTrial(folder, { until: inFuture(tryMs + LONGEST_APPLY_MS), former });
  return former;
}

/** The time runs from the end of the apply. Where nothing was done there is nothing to take back. */
export async function startTrial(
  folder: MachineFolder,
  former: Machine,
  { tryMs, outcome }: { readonly tryMs: number; readonly outcome: Outcome },
): Promise<Outcome> {
  if (outcome.done.length === 0 && outcome.failed.length === 0) {
    await endTrial(folder);
    return outcome;
  }
  const until = inFuture(tryMs);
  await writeTrial(folder, { until, former });
  return { ...outcome, triedUntil: until };
}

function inFuture(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}
