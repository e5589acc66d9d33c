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

/**
 * A guest that cannot come up any more: QEMU gave up, or its kernel panicked. `undefined` while there is hope.
 */
export async function bootFailure(folder: MachineFolder, pid: number): Promise<string | undefined> {
  const serial = await readTextIfPresent(folder.serialLog) ?? "";
  const panic = /^.*(Kernel panic - not syncing.*|You are in emergency mode.*)$/m.exec(serial);
  if (panic) return `the guest's console says "${panic[1]!.trim()}"`;
  if (!isRunning(pid)) {
    return `the QEMU process ended: ${
      tail(await readTextIfPresent(folder.qemuLog) ?? "", 3) || "it wrote nothing"
    }`;
  }
  return undefined;
}
