import { EXIT, UserError } from "../host/errors.ts";
import { endTrial, readTrial } from "../resources/trial.ts";
import { reconcile } from "./apply.ts";
import { knownMachine } from "./operation.ts";
import type { OperationOptions, Outcome } from "./types.ts";

/** What `confirm` and the taking back of a form take. */
export type TrialOptions = OperationOptions & { readonly name: string };

/** Keeps the form that is only tried. @throws UserError with exit code 4 when nothing is tried */
export async function confirmTry({ name, platform }: TrialOptions): Promise<Outcome> {
  const { folder } = await knownMachine(name, platform);
  if (!await readTrial(folder)) {
    throw new UserError(`Nothing is tried on machine "${name}"`, {
      exitCode: EXIT.needsPerson,
      hint: `It was confirmed before, or has gone back: machine history -m ${name} shows its forms`,
    });
  }
  await endTrial(folder);
  return {
    exitCode: EXIT.done,
    done: [],
    failed: [],
    skipped: [],
    open: [],
    reason: `Machine "${name}" keeps its present form`,
  };
}

/**
 * Takes a tried form back: the machine becomes what it was before. Nothing happens when it was confirmed meanwhile.
 * What would lose data is not done: that is for a person.
 */
export async function revertTry(options: TrialOptions): Promise<Outcome> {
  const world = await knownMachine(options.name, options.platform);
  const trial = await readTrial(world.folder);
  if (!trial || Date.parse(trial.until) > Date.now()) {
    return { exitCode: EXIT.done, done: [], failed: [], skipped: [], open: [] };
  }
  // Somebody may confirm it, or apply something else, while this waits for the lock.
  const isStillTried = async () => (await readTrial(world.folder))?.until === trial.until;
  const outcome = await reconcile({
    machine: trial.former,
    origin: world.record.origin,
    world: { ...world, machine: trial.former },
    options,
    approval: { allowed: new Set(["live", "service", "restart"]) },
    takeOver: false,
    dryRun: false,
    isStillWanted: isStillTried,
  });
  // Where the former form stands already, nothing was done that would have ended the trial.
  if (outcome.exitCode === EXIT.done && await isStillTried()) await endTrial(world.folder);
  return outcome;
}
