import { freePort } from "../host/ports.ts";
import type { Look, World } from "./contract.ts";
import { ensureIdentity } from "./power.ts";
import type { RecordStore } from "./record.ts";
import { sshForward } from "./vm.ts";

/**
 * Chooses what a machine keeps for life and writes it down: its port, its data disk's name, its keys.
 * What is there already decides: a VM or a disk that outlived its record keeps what was chosen for it.
 */
export async function chooseOnce(world: World, look: Look, store: RecordStore): Promise<void> {
  const record = store.value!;
  const forward = look.vm.state === "running" ? sshForward(look.vm) : undefined;
  const disk = await world.platform.disks.readRaw(world.folder.dataDisk);
  await store.update({
    sshPort: record.sshPort ?? forward?.hostPort ?? (world.machine!.ssh.port || freePort()),
    dataDiskUuid: disk?.uuid ?? record.dataDiskUuid ?? crypto.randomUUID(),
  });
  await ensureIdentity(world);
}
