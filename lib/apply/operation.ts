import { EXIT, UserError } from "../host/errors.ts";
import { removeUnfinished } from "../host/folders.ts";
import { type Lock, lock } from "../host/lock.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { World } from "../resources/contract.ts";
import { type MachineRecord, RecordStore, settingsOf } from "../resources/record.ts";
import type { OperationOptions } from "./types.ts";
import { makeWorld } from "./world.ts";

/** A known machine, held by this command. */
export interface HeldMachine extends Disposable {
  readonly world: World & { readonly record: MachineRecord };
  readonly store: RecordStore;
}

/**
 * Takes a known machine's lock and reads its record under it.
 * @throws UserError when there is no such machine, or somebody else holds it
 */
export async function holdMachine(name: string, options: OperationOptions): Promise<HeldMachine> {
  const known = await knownMachine(name);
  const held = await takeLock(known.folder, options);
  try {
    const world = await knownMachine(name);
    return {
      world,
      store: new RecordStore(world.folder, world.record),
      [Symbol.dispose]: () => held[Symbol.dispose](),
    };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/** Takes a machine's lock; says so when it has to wait. @throws UserError with exit code 75 when time is over */
export async function takeLock(folder: MachineFolder, options: OperationOptions): Promise<Lock> {
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
export async function knownMachine(name: string): Promise<World & { readonly record: MachineRecord }> {
  const world = await makeWorld(name, undefined);
  if (!world.record) {
    throw new UserError(`There is no machine "${name}"`, {
      exitCode: EXIT.invalid,
      hint: "machine apply -f FILE makes one; machine status lists those that are there",
    });
  }
  const machine = settingsOf(world.record);
  return { ...world, machine, record: world.record };
}
