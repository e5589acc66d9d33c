import type { Machine } from "../config/types.ts";
import { cacheDir, machineFolder } from "../host/paths.ts";
import { hostFacts } from "../host/system.ts";
import type { World } from "../resources/contract.ts";
import type { Platform } from "../resources/platform.ts";
import { type MachineRecord, readRecord } from "../resources/record.ts";
import { thisComputer } from "../resources/this_computer.ts";

/** Gathers what is known of a machine before anything is looked at. */
export async function makeWorld(
  name: string,
  machine: Machine | undefined,
  platform: Platform = thisComputer,
): Promise<World> {
  const folder = machineFolder(name);
  return {
    name,
    machine,
    folder,
    record: await readRecord(folder),
    host: await hostFacts(),
    cacheDir: cacheDir(),
    platform,
  };
}

/** The same world with another record: after a step has written one. */
export function withRecord(world: World, record: MachineRecord | undefined): World {
  return { ...world, record };
}
