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
  const timer = setInterval(async () => {
    const until = await endOfTrial(folder);
    const time = now();
    if (!isWatching || until === undefined || time < until || uptime() - revertedAt < AGAIN_MS) return;
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

async function endOfTrial(folder: MachineFolder): Promise<number | undefined> {
  const text = await readTextIfPresent(folder.trial).catch(() => undefined); // its next look may be luckier
  if (text === undefined) return undefined;
  try {
    const until = Date.parse((JSON.parse(text) as Partial<Trial> | null)?.until ?? "");
    return Number.isNaN(until) ? undefined : until;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined; // the command that takes it back says what is wrong with it
  }
}
