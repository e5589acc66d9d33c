import { EXIT, UserError } from "../host/errors.ts";
import { removeUnfinished } from "../host/folders.ts";
import { type Lock, lock } from "../host/lock.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { World } from "../resources/contract.ts";
import type { Platform } from "../resources/platform.ts";
import { type MachineRecord, RecordStore, settingsOf } from "../resources/record.ts";
import { cutOffNote, openJournal, readLastRun } from "./journal.ts";
import type { OperationOptions, Outcome } from "./types.ts";
import { makeWorld } from "./world.ts";

/** A known machine, held by this command. */
export interface HeldMachine {
  readonly world: World & { readonly record: MachineRecord };
  readonly store: RecordStore;
  /** The command's options, with what happens also written into the machine's journal. */
  readonly options: OperationOptions;
}

/**
 * Takes a known machine's lock, reads its record under it, and works.
 * @throws UserError when there is no such machine, or somebody else holds it
 */
export async function holdMachine(
  name: string,
  options: OperationOptions,
  work: (held: HeldMachine) => Promise<Outcome>,
): Promise<Outcome> {
  const known = await knownMachine(name, options.platform);
  return await underLock(known.folder, options, async (noted) => {
    const world = await knownMachine(name, options.platform);
    return await work({ world, store: new RecordStore(world.folder, world.record), options: noted });
  });
}

/**
 * Works on a machine under its lock, and writes down what happens: after a kill, the next command says in which step
 * this one was.
 */
export async function underLock(
  folder: MachineFolder,
  options: OperationOptions,
  work: (options: OperationOptions) => Promise<Outcome>,
): Promise<Outcome> {
  using _held = await takeLock(folder, options);
  const last = await readLastRun(folder);
  const cutOff = last && cutOffNote(last);
  if (cutOff !== undefined) options.emit({ kind: "note", text: cutOff });
  using journal = await openJournal(folder, options.command);
  const emit: OperationOptions["emit"] = (event) => {
    journal.note(event);
    options.emit(event);
  };
  try {
    const outcome = await work({ ...options, emit });
    journal.end(outcome.exitCode);
    return outcome;
  } catch (error) {
    journal.end(error instanceof UserError ? error.exitCode : EXIT.failed);
    throw error;
  }
}

/** Takes a machine's lock; says so when it has to wait. @throws UserError with exit code 75 when time is over */
async function takeLock(folder: MachineFolder, options: OperationOptions): Promise<Lock> {
  const held = await lock(folder.lock, {
    command: options.command,
    timeoutMs: options.lockTimeoutMs,
    signal: options.stopSignal,
    onWait: (holder) => {
      const who = holder ? `"${holder.command}" (process ${holder.pid})` : "another command";
      options.emit({ kind: "waiting", text: `waiting for ${who} to end` });
    },
  });
  await removeUnfinished(folder.root); // only the holder of the lock writes files there in this way
  return held;
}

/** A machine that has a record. @throws UserError when there is none of that name */
export async function knownMachine(
  name: string,
  platform?: Platform,
): Promise<World & { readonly record: MachineRecord }> {
  const world = await makeWorld(name, undefined, platform);
  if (!world.record) {
    throw new UserError(`There is no machine "${name}"`, {
      exitCode: EXIT.invalid,
      hint: "machine apply -f FILE makes one; machine status lists those that are there",
    });
  }
  const machine = settingsOf(world.record);
  return { ...world, machine, record: world.record };
}
