import type { Trial } from "../agent/api.ts";
import { UserError } from "../host/errors.ts";
import { readTextIfPresent, removeIfPresent, writeAtomic } from "../host/files.ts";
import type { MachineFolder } from "../host/paths.ts";

/** A form that is only tried; `undefined` when the machine's form is there to stay. @throws UserError when damaged */
export async function readTrial(folder: MachineFolder): Promise<Trial | undefined> {
  const text = await readTextIfPresent(folder.trial);
  if (text === undefined) return undefined;
  try {
    const trial = JSON.parse(text) as Partial<Trial> | null;
    if (trial?.formatVersion === 1 && trial.until !== undefined && trial.former !== undefined) {
      return trial as Trial;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UserError(`${folder.trial} is damaged: it does not say what the machine was before`, {
    hint: "Remove it to keep the present form; machine rollback goes back to a former one",
  });
}

/** Writes down until when a form is tried, and what comes back then; the machine's agent reads it. */
export async function writeTrial(folder: MachineFolder, trial: Omit<Trial, "formatVersion">): Promise<void> {
  await writeAtomic(folder.trial, `${JSON.stringify({ formatVersion: 1, ...trial }, null, 2)}\n`);
}

/** The present form is there to stay. */
export async function endTrial(folder: MachineFolder): Promise<void> {
  await removeIfPresent(folder.trial);
}
