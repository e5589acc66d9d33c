import type { MachineFolder } from "../../host/paths.ts";
import { isAbort, messageOf, UserError } from "../../host/errors.ts";
import type { VmDisk } from "../types.ts";
import { blockLayers, fileNodeName, furtherDevice, nodeName } from "./disk_node.ts";
import { connectQmp, type Qmp, QmpError } from "./qmp.ts";
import { findFreePort, listNames } from "./root_ports.ts";

/** How long the guest may take to let go of a disk; a guest that boots, or is emulated, takes some seconds. */
const RELEASE_MS = 30_000;

/**
 * Plugs a further disk into the running VM; the guest sees it at once. Nothing happens when it is plugged already.
 * What a plug that was cut short left is taken away first, so it ends in the same state from anywhere.
 * @throws UserError with QEMU's words; nothing of the disk is left in QEMU then
 */
export async function plugDisk(folder: MachineFolder, disk: VmDisk): Promise<void> {
  using qmp = await connectQmp(folder.qmpCommand);
  if (await hasDevice(qmp, disk.id)) return;
  await removeNodes(qmp, disk.id);
  try {
    for (const layer of blockLayers(disk)) await qmp.execute("blockdev-add", layer);
    await qmp.execute("device_add", furtherDevice(disk.id, await findFreePort(qmp)));
  } catch (error) {
    // A monitor that went silent cannot be asked to undo; the next plug or unplug does it.
    if (!(error instanceof QmpError || error instanceof UserError)) throw error;
    await removeNodes(qmp, disk.id);
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot plug the disk "${disk.file}" into the running VM: ${messageOf(error)}`, {
      cause: error,
      hint: "See that the file is there and that no other program has it open; else restart the machine, " +
        "which then starts with the disk",
    });
  }
}

/**
 * Unplugs a further disk from the running VM. Unmount it first: a Linux guest lets go of a disk with a mounted
 * filesystem too, and each access fails then. Nothing happens when the disk is gone already; what an unplug that
 * was cut short left is taken away.
 * @param releaseMs how long the guest may take
 * @throws UserError when the guest does not release it in time; QEMU's request stays, so it may go later
 */
export async function unplugDisk(
  folder: MachineFolder,
  id: string,
  releaseMs = RELEASE_MS,
): Promise<void> {
  using qmp = await connectQmp(folder.qmpCommand);
  if (await hasDevice(qmp, id)) await removeDevice(qmp, id, releaseMs);
  await removeNodes(qmp, id);
}

async function hasDevice(qmp: Qmp, id: string): Promise<boolean> {
  return (await listNames(qmp, "/machine/peripheral")).includes(id);
}

async function removeDevice(qmp: Qmp, id: string, releaseMs: number): Promise<void> {
  try {
    await qmp.execute("device_del", { id });
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    if (!await hasDevice(qmp, id)) return; // released meanwhile, as asked for before
    // A former request that the guest has not answered yet is still valid, and cannot be made twice.
    if (!/already in the process of unplug/.test(error.message)) {
      throw new UserError(`Cannot unplug the disk "${id}": ${error.message}`, {
        cause: error,
        hint: "Restart the machine: it then starts without the disk",
      });
    }
  }
  try {
    // device_del only asks; the event is the answer (QEMU's QMP reference, DEVICE_DELETED).
    await qmp.waitForEvent("DEVICE_DELETED", (data) => data["device"] === id, releaseMs);
  } catch (error) {
    if (!isAbort(error)) throw error;
    throw new UserError(`The guest did not release the disk "${id}" in ${releaseMs / 1000} s`, {
      cause: error,
      hint: "It is still booting, paused, or hangs: no mount holds a disk back. Look at its console in " +
        "serial.log, then apply again, or restart the machine",
    });
  }
}

/** Removes a disk's nodes, the upper one first: it holds the lower one. */
async function removeNodes(qmp: Qmp, id: string): Promise<void> {
  const nodes = await qmp.execute<readonly { readonly "node-name": string }[]>("query-named-block-nodes", {
    flat: true,
  });
  const names = new Set(nodes.map((node) => node["node-name"]));
  for (const name of [nodeName(id), fileNodeName(id)]) {
    if (names.has(name)) await qmp.execute("blockdev-del", { "node-name": name });
  }
}
