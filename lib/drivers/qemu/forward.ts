import type { MachineFolder } from "../../host/paths.ts";
import { UserError } from "../../host/errors.ts";
import type { VmForward } from "../types.ts";
import { connectQmp } from "./qmp.ts";

/**
 * Adds a forward from the host to a running guest.
 * @throws UserError when QEMU cannot bind the port: the monitor says so in text, not by an error
 */
export async function addForward(folder: MachineFolder, forward: VmForward): Promise<void> {
  using qmp = await connectQmp(folder.qmpCommand);
  const said = await qmp.human(`hostfwd_add n0 ${hostSide(forward)}-:${forward.guestPort}`);
  if (said.trim() !== "") {
    throw new UserError(`Cannot listen on ${forward.host}:${forward.hostPort}: ${said.trim()}`, {
      hint: "Another program has this port; choose another one in the file",
    });
  }
}

/** Removes a forward; nothing happens when it is not there. */
export async function removeForward(folder: MachineFolder, forward: VmForward): Promise<void> {
  using qmp = await connectQmp(folder.qmpCommand);
  await qmp.human(`hostfwd_remove n0 ${hostSide(forward)}`);
}

function hostSide(forward: VmForward): string {
  return `${forward.protocol}:${forward.host}:${forward.hostPort}`;
}
