import { growDataDisk, makeDataDisk, readDataDisk } from "../drivers/qemu/disks.ts";
import { resizeLive } from "../drivers/qemu/resize.ts";
import { UserError } from "../host/errors.ts";
import { removeIfPresent } from "../host/files.ts";
import type { Change } from "../plan/types.ts";
import type { Job, Kind } from "./contract.ts";
import { powerOff } from "./power.ts";

/** The data disk, wanted and found alike. */
interface DataDisk {
  readonly sizeMiB: number;
}

/** The raw disk that outlives the system disk: images, volumes, homes. */
export const dataDiskKind: Kind<DataDisk, DataDisk> = {
  kind: "disk:data",
  phase: 2,
  realm: "machine",
  path: () => "vm.dataDisk",
  dependsOn: () => [],
  removal: { effect: "data-loss", reason: "images, volumes and homes on it are lost" },
  desired: ({ machine }) =>
    new Map(
      machine?.vm.dataDiskMiB === undefined ? [] : [["disk:data", { sizeMiB: machine.vm.dataDiskMiB }]],
    ),
  async observe(world) {
    const disk = await readDataDisk(world.folder.dataDisk);
    return new Map([[
      "disk:data",
      disk ? { state: "present", value: disk, owned: true } : { state: "absent" },
    ]]);
  },
  compare(desired, observed) {
    if (desired.sizeMiB === observed.sizeMiB) return [];
    const grows = observed.sizeMiB < desired.sizeMiB;
    const change: Change = {
      path: "vm.dataDisk",
      before: `${observed.sizeMiB}MiB`,
      after: `${desired.sizeMiB}MiB`,
      effect: grows ? "live" : "data-loss",
      ...(grows ? {} : { note: "a disk cannot shrink: it is made anew, empty" }),
    };
    return [change];
  },
  async apply(job, desired) {
    const { folder, record } = job.world;
    if (job.step.action === "update") return await grow(job, desired.sizeMiB);
    if (job.step.action === "recreate") {
      await powerOff(job);
      await removeIfPresent(folder.dataDisk);
    }
    const uuid = record.dataDiskUuid ?? crypto.randomUUID();
    await job.store.update({ dataDiskUuid: uuid });
    await makeDataDisk(folder.dataDisk, desired.sizeMiB, uuid);
  },
  async undo(job) {
    await powerOff(job);
    const { dataDisk } = job.world.folder;
    for (const file of [dataDisk, `${dataDisk}.part`]) await removeIfPresent(file);
    await job.store.update({ dataDiskUuid: undefined, dataKeptAt: undefined });
  },
};

async function grow(job: Job, sizeMiB: number): Promise<void> {
  const { folder } = job.world;
  if (job.look.vm.state !== "running") return await growDataDisk(folder.dataDisk, sizeMiB);
  await resizeLive(folder, "data", sizeMiB);
  const result = await (await job.guest()).run("resize2fs /dev/disk/by-id/virtio-data 2>&1");
  if (result.code !== 0) {
    throw new UserError("The guest cannot grow the data disk's filesystem", { output: result.stdout });
  }
}
