import { messageOf } from "../host/errors.ts";
import { readTextIfPresent } from "../host/files.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { Trial } from "./api.ts";
import type { Log } from "./log.ts";
import { startRevert } from "./spawn.ts";

/** A file that is mostly not there costs nothing to ask for; a trial ends this much late at the most. */
const LOOK_EVERY_MS = 1000;
/** What takes the form back may fail, e.g. because another command holds the machine: then it is started again. */
const AGAIN_MS = 60_000;

/** What {@link watchTrial} works with; tests have their own. */
export interface TrialWatch {
  /** Starts what takes the form back. */
  readonly revert?: (folder: MachineFolder) => void;
  /** Milliseconds of the clock on the wall, which goes on while this computer sleeps. */
  readonly now?: () => number;
  /** Milliseconds of a clock that only goes forward. */
  readonly uptime?: () => number;
  readonly everyMs?: number;
}

/** Watches for a form that is only tried, and has it taken back when its time is over. */
export function watchTrial(folder: MachineFolder, log: Log, watch: TrialWatch = {}): Disposable {
  const { revert = startRevert, now = Date.now, uptime = () => performance.now(), everyMs = LOOK_EVERY_MS } =
    watch;
  let revertedAt = -Infinity;
  let isWatching = true;
  let said: string | undefined;
  const timer = setInterval(async () => {
    const until = await endOfTrial(folder);
    if (isWatching && typeof until === "string" && until !== said) log(until);
    said = typeof until === "string" ? until : undefined;
    const time = now();
    if (!isWatching || typeof until !== "number" || time < until || uptime() - revertedAt < AGAIN_MS) return;
    revertedAt = uptime();
    log("The form that was tried was not confirmed: takes it back");
    revert(folder);
  }, everyMs);
  return {
    [Symbol.dispose]() {
      isWatching = false;
      clearInterval(timer);
    },
  };
}

/** When the time is over; `undefined` where nothing is tried; words where that cannot be told. */
async function endOfTrial(folder: MachineFolder): Promise<number | string | undefined> {
  try {
    const text = await readTextIfPresent(folder.trial);
    if (text === undefined) return undefined;
    const until = Date.parse((JSON.parse(text) as Partial<Trial> | null)?.until ?? "");
    if (!Number.isNaN(until)) return until;
  } catch (error) {
    return `Until when a form is tried cannot be read: ${messageOf(error)}`;
  }
  return `${folder.trial} does not say until when a form is tried`;
}
