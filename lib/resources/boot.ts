import { addForward } from "../drivers/qemu/forward.ts";
import { isGuestNetworkUp } from "../drivers/qemu/network_up.ts";
import { bootFailure } from "../drivers/qemu/start.ts";
import { waitForSsh } from "../guest/ssh.ts";
import type { SshTarget } from "../guest/types.ts";
import { waitFor } from "../host/clock.ts";
import { isAbort, UserError } from "../host/errors.ts";
import { readTextIfPresent } from "../host/files.ts";
import type { MachineFolder } from "../host/paths.ts";
import { tail } from "../host/process.ts";
import type { Course } from "./platform.ts";

/** Under emulation, on a busy host, a boot may take several times its usual 15 s. */
const BOOT_MS = 180_000;
/** After this time the guest's ssh is tried in any case: a guest may keep its card's filter to itself. */
const NETWORK_MS = 90_000;
const MOST_SILENCES = 5;

/**
 * Adds the forward to the guest's ssh and waits for a guest that answers; ends early, with its console's words,
 * when it never will. The forward comes once the guest's network is up: what connects before is held by QEMU.
 */
export async function awaitGuest(
  folder: MachineFolder,
  boot: { readonly target: SshTarget; readonly pid: number } & Course,
): Promise<void> {
  const { target, pid } = boot;
  const lost = new AbortController();
  let failure: string | undefined;
  const watch = setInterval(async () => {
    failure ??= await bootFailure(folder, pid);
    if (failure !== undefined) lost.abort(new UserError("The guest does not boot"));
  }, 500);
  const signal = AbortSignal.any([boot.signal, lost.signal]);
  try {
    boot.progress("booting, waiting for the guest's network");
    await waitForNetwork(folder, signal);
    await addForward(folder, { protocol: "tcp", host: "127.0.0.1", hostPort: target.port, guestPort: 22 });
    boot.progress("booting, waiting for the guest's ssh");
    await using _guest = await waitForSsh(target, { timeoutMs: BOOT_MS, signal });
  } catch (cause) {
    if (boot.signal.aborted || failure === undefined) throw cause;
    throw new UserError(`The guest does not boot: ${failure}`, {
      cause,
      output: tail(await readTextIfPresent(folder.serialLog) ?? "", 15),
      hint: `The guest's console is in ${folder.serialLog}`,
    });
  } finally {
    clearInterval(watch);
  }
}

async function waitForNetwork(folder: MachineFolder, signal: AbortSignal): Promise<void> {
  let silences = 0;
  const isUp = async (): Promise<true | undefined> => {
    try {
      return await isGuestNetworkUp(folder) || undefined;
    } catch (error) {
      // On a busy host QEMU's monitor may stay silent for a moment while the guest boots.
      if (!isAbort(error) || ++silences >= MOST_SILENCES) throw error;
      return undefined;
    }
  };
  await waitFor(isUp, { timeoutMs: NETWORK_MS, maxDelayMs: 100, signal });
}
