import type { MachineFolder } from "../../host/paths.ts";
import { connectQmp } from "./qmp.ts";

/**
 * True once the guest has brought its network card up: Linux then joins the all-hosts group, which the card's
 * receive filter shows (QMP `query-rx-filter`). It costs the guest nothing, whereas every connect before that moment
 * is kept by QEMU's user network and thrown at the guest's sshd all at once later.
 */
export async function isGuestNetworkUp(folder: MachineFolder): Promise<boolean> {
  using qmp = await connectQmp(folder.qmpCommand);
  const filters = await qmp.execute<readonly { readonly "multicast-table": readonly string[] }[]>(
    "query-rx-filter",
  );
  return filters.some((filter) => filter["multicast-table"].length > 0);
}
