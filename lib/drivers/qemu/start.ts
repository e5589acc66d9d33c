import type { MachineFolder } from "../../host/paths.ts";
import { sleep } from "../../host/clock.ts";
import { UserError } from "../../host/errors.ts";
import { readTextIfPresent, removeIfPresent, writeAtomic } from "../../host/files.ts";
import { isRunning, spawnDetached, tail } from "../../host/process.ts";
import type { VmSpec } from "../types.ts";
import { qemuArguments } from "./argv.ts";
import { connectQmp } from "./qmp.ts";
import type { QemuProgram } from "./program.ts";

const MONITOR_MS = 20_000;

/**
 * Starts QEMU in a session of its own and waits until its monitor answers.
 * Not `-daemonize`: that needs the forks that the sandbox denies.
 * @throws UserError with the log's end when QEMU ends instead
 */
export async function startQemu(spec: VmSpec, folder: MachineFolder, qemu: QemuProgram): Promise<number> {
  for (const left of [folder.qmpAgent, folder.qmpCommand, folder.qemuPid]) await removeIfPresent(left);
  await writeAtomic(folder.qemuLog, "");
  await writeAtomic(folder.serialLog, "");
  const child = spawnDetached([qemu.path, ...qemuArguments(spec, folder)], {
    log: folder.qemuLog,
    cwd: folder.root,
  });
  const deadline = performance.now() + MONITOR_MS;
  while (performance.now() < deadline) {
    try {
      using _monitor = await connectQmp(folder.qmpCommand);
      return child.pid;
    } catch {
      // Not listening yet, or ended: the process says which.
      if (!isRunning(child.pid)) throw await startError(folder);
      await sleep(30);
    }
  }
  throw new UserError(
    `QEMU (process ${child.pid}) does not answer on its monitor after ${MONITOR_MS / 1000} s`,
    {
      output: tail(await readTextIfPresent(folder.qemuLog) ?? "", 10),
    },
  );
}

async function startError(folder: MachineFolder): Promise<UserError> {
  const log = tail(await readTextIfPresent(folder.qemuLog) ?? "", 10);
  return new UserError("QEMU ended as soon as it was started", { output: log || "It wrote nothing" });
}

/** An emulated kernel may panic once while it patches itself, and starts again by itself (`panic=-1`). */
const HOPELESS_PANICS = 3;

/**
 * A guest that cannot come up any more: QEMU ended, its kernel panics each time, or systemd gave up.
 * `undefined` while there is hope.
 */
export async function bootFailure(folder: MachineFolder, pid: number): Promise<string | undefined> {
  const serial = await readTextIfPresent(folder.serialLog) ?? "";
  const panics = serial.match(/Kernel panic - not syncing.*/g) ?? [];
  if (panics.length >= HOPELESS_PANICS) {
    return `its kernel panicked ${panics.length} times: "${panics[0]!.trim()}"`;
  }
  if (/You are in emergency mode/.test(serial)) return "systemd is in emergency mode";
  if (!isRunning(pid)) {
    return `the QEMU process ended: ${
      tail(await readTextIfPresent(folder.qemuLog) ?? "", 3) || "it wrote nothing"
    }`;
  }
  return undefined;
}
