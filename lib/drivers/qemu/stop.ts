import type { MachineFolder } from "../../host/paths.ts";
import { waitFor } from "../../host/clock.ts";
import { UserError } from "../../host/errors.ts";
import { removeIfPresent } from "../../host/files.ts";
import { isRunning, signalProcess } from "../../host/process.ts";
import { findQemu } from "./look.ts";
import { connectQmp } from "./qmp.ts";

/** How long each way of stopping may take before the next, harder one. */
const PATIENCE_MS = 30_000;

/** What {@link stopQemu} needs. */
export interface StopOptions {
  /** Asks the guest to power off, where it can be reached; a failure only means that the next way is tried. */
  readonly powerOff?: () => Promise<void>;
  readonly onWait: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Stops the VM: the guest's own power-off, ACPI's button, QEMU's quit, the process's end; each with its time.
 * Returns when the process is gone.
 */
export async function stopQemu(folder: MachineFolder, options: StopOptions): Promise<void> {
  const pid = await findQemu(folder);
  if (pid !== undefined) {
    const ways: readonly (readonly [string, () => Promise<unknown>])[] = [
      ...(options.powerOff ? [["the guest to power off", options.powerOff] as const] : []),
      ["the guest to answer the power button", () => monitor(folder, "system_powerdown")],
      ["QEMU to quit", () => monitor(folder, "quit")],
      ["the QEMU process to be killed", () => Promise.resolve(signalProcess(pid, "SIGKILL"))],
    ];
    await endBy(pid, ways, options);
  }
  for (const left of [folder.qemuPid, folder.qmpAgent, folder.qmpCommand]) await removeIfPresent(left);
}

async function endBy(
  pid: number,
  ways: readonly (readonly [string, () => Promise<unknown>])[],
  options: StopOptions,
): Promise<void> {
  for (const [what, act] of ways) {
    options.onWait(`waiting for ${what}`);
    try {
      await act();
    } catch (error) {
      options.onWait(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      continue; // this way is closed: the next one is harder
    }
    const gone = await waitFor(async () => await isRunning(pid) ? undefined : true, {
      timeoutMs: PATIENCE_MS,
      maxDelayMs: 200,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (gone) return;
  }
  throw new UserError(`The QEMU process ${pid} does not end, not even by SIGKILL`);
}

async function monitor(folder: MachineFolder, command: string): Promise<void> {
  using qmp = await connectQmp(folder.qmpCommand);
  await qmp.execute(command);
}
