import { effectOf } from "../config/effects.ts";
import { UserError } from "../host/errors.ts";
import { changeAt } from "./change.ts";
import type { Job, Kind, Look } from "./contract.ts";
import { runningInGuest } from "./running.ts";
import { countedMiB, whileGrowing } from "./growing.ts";
import type { RawDisk } from "./platform.ts";
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
  removal: () => ({
    effect: effectOf("vm.dataDisk", "none"),
    reason: "images, volumes and homes on it are lost",
  }),
  desired: ({ machine }) =>
    new Map(
      machine?.vm.dataDiskMiB === undefined ? [] : [["disk:data", { sizeMiB: machine.vm.dataDiskMiB }]],
    ),
  async observe(world, look) {
    const disk = await world.platform.disks.readRaw(world.folder.dataDisk);
    return new Map([[
      "disk:data",
      disk
        ? {
          state: "present",
          value: { sizeMiB: countedMiB(world.record, "disk:data", usableMiB(disk, look)) },
          owned: true,
        }
        : { state: "absent" },
    ]]);
  },
  compare(desired, observed) {
    if (desired.sizeMiB === observed.sizeMiB) return [];
    const sides = { before: `${observed.sizeMiB}MiB`, after: `${desired.sizeMiB}MiB` };
    return [
      observed.sizeMiB < desired.sizeMiB
        ? changeAt("vm.dataDisk", sides, { which: "grow" })
        : changeAt("vm.dataDisk", sides, {
          which: "shrink",
          note: "a disk cannot shrink: it is made anew, empty",
        }),
    ];
  },
  expected: (desired) => desired,
  interrupts: (world) => runningInGuest(world),
  async apply(job, desired) {
    const { folder, record, platform: { disks } } = job.world;
    if (job.step.action === "update") return await grow(job, desired.sizeMiB);
    if (job.step.action === "recreate") {
      await powerOff(job);
      await disks.remove(folder.dataDisk);
    }
    const uuid = record.dataDiskUuid ?? crypto.randomUUID();
    await job.store.update({ dataDiskUuid: uuid });
    await disks.makeRaw(folder.dataDisk, { sizeMiB: desired.sizeMiB, uuid, label: "machine-data" });
  },
  async undo(job) {
    await powerOff(job);
    const { folder, platform } = job.world;
    await platform.disks.remove(folder.dataDisk);
    await job.store.update({ dataDiskUuid: undefined, dataKeptAt: undefined });
  },
};

/**
 * The disk's size; the filesystem's when that is smaller because a growth was cut short. mke2fs leaves out a last block
 * group that is too small to hold its own tables, so less than one group is no sign of that.
 */
function usableMiB(disk: RawDisk, look: Look): number {
  const unfinished = look.vm.state === "stopped" && disk.sizeMiB - disk.filesystemMiB >= GROUP_MIB;
  return unfinished ? disk.filesystemMiB : disk.sizeMiB;
}

async function grow(job: Job, sizeMiB: number): Promise<void> {
  await growRawDisk(job, {
    id: "data",
    file: job.world.folder.dataDisk,
    device: "/dev/disk/by-id/virtio-data",
    sizeMiB,
  });
}

/** Grows a raw disk and the filesystem on it, under a running guest or without one. */
export async function growRawDisk(
  job: Job,
  disk: { readonly id: string; readonly file: string; readonly device: string; readonly sizeMiB: number },
): Promise<void> {
  const { folder, platform } = job.world;
  const former = (await platform.disks.readRaw(disk.file))?.filesystemMiB ?? 0;
  await whileGrowing(job, former, async () => {
    // Asked now: a step before this one may have powered the VM off.
    if (await platform.vm.process(folder) === undefined) {
      return await platform.disks.growRaw(disk.file, disk.sizeMiB);
    }
    await platform.vm.resizeDisk(folder, disk.id, disk.sizeMiB);
    const result = await (await job.guest()).perform([{ op: "grow-filesystem", device: disk.device }]);
    if (!result.ok) {
      throw new UserError(`The guest cannot grow the filesystem of ${disk.file}`, { output: result.output });
    }
  });
}
