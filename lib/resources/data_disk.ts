import { type DataDiskFile, growDataDisk, makeDataDisk, readDataDisk } from "../drivers/qemu/disks.ts";
import { findQemu } from "../drivers/qemu/look.ts";
import { resizeLive } from "../drivers/qemu/resize.ts";
import { UserError } from "../host/errors.ts";
import { removeIfPresent } from "../host/files.ts";
import type { Change } from "../plan/types.ts";
import type { Job, Kind, Look } from "./contract.ts";
import { runningContainers } from "./docker/containers.ts";
import { powerOff } from "./power.ts";

/** A block group of ext4 with blocks of 4 KiB (kernel docs, filesystems/ext4 "Layout"). */
const GROUP_MIB = 128;

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
  async observe(world, look) {
    const disk = await readDataDisk(world.folder.dataDisk);
    return new Map([[
      "disk:data",
      disk
        ? { state: "present", value: { sizeMiB: usableMiB(disk, look) }, owned: true }
        : { state: "absent" },
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
  interrupts: (world) => runningContainers(world),
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

/**
 * The disk's size; the filesystem's when that is smaller because a growth was cut short. mke2fs leaves out a last block
 * group that is too small to hold its own tables, so less than one group is no sign of that.
 */
function usableMiB(disk: DataDiskFile, look: Look): number {
  const unfinished = look.vm.state === "stopped" && disk.sizeMiB - disk.filesystemMiB >= GROUP_MIB;
  return unfinished ? disk.filesystemMiB : disk.sizeMiB;
}

async function grow(job: Job, sizeMiB: number): Promise<void> {
  const { folder } = job.world;
  // Asked now: a step before this one may have powered the VM off.
  if (await findQemu(folder) === undefined) return await growDataDisk(folder.dataDisk, sizeMiB);
  await resizeLive(folder, "data", sizeMiB);
  const result = await (await job.guest()).run("resize2fs /dev/disk/by-id/virtio-data 2>&1");
  if (result.code !== 0) {
    throw new UserError("The guest cannot grow the data disk's filesystem", { output: result.stdout });
  }
}
