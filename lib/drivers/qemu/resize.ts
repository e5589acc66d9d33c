import type { MachineFolder } from "../../host/paths.ts";
import { nodeName } from "./disk_node.ts";
import { connectQmp } from "./qmp.ts";

/** Grows a disk under a running guest, which sees the new size at once (QMP `block_resize`). */
export async function resizeLive(folder: MachineFolder, id: string, sizeMiB: number): Promise<void> {
  using qmp = await connectQmp(folder.qmpCommand);
  await qmp.execute("block_resize", { "node-name": nodeName(id), size: sizeMiB * 2 ** 20 });
}
