import { dirname } from "node:path";
import { growOverlay, makeOverlay, readOverlay } from "../drivers/qemu/disks.ts";
import { findQemu } from "../drivers/qemu/look.ts";
import { resizeLive } from "../drivers/qemu/resize.ts";
import { readBaseImage } from "../image/cache.ts";
import type { Change, Observed } from "../plan/types.ts";
import { removeIfPresent } from "../host/files.ts";
import { UserError } from "../host/errors.ts";
import type { Job, Kind, Look, World } from "./contract.ts";
import { baseFor, recipeFor } from "./image.ts";
import { runningContainers } from "./docker/containers.ts";
import { powerOff } from "./power.ts";

/** The system disk as wanted. */
interface SystemDisk {
  readonly sizeMiB: number;
  readonly image: string;
  readonly arch: string;
}

/** The system disk as found. */
interface FoundSystemDisk extends SystemDisk {
  /** What is wrong with the base image that it stands on, if anything is. */
  readonly broken?: string;
}

/** The qcow2 overlay that the guest boots from; all of it can be made anew. */
export const systemDiskKind: Kind<SystemDisk, FoundSystemDisk> = {
  kind: "disk:system",
  phase: 2,
  realm: "machine",
  path: () => "vm.disk",
  dependsOn: () => ["image"],
  desired: ({ machine }) =>
    new Map(
      machine
        ? [["disk:system", {
          sizeMiB: machine.vm.diskMiB,
          image: machine.vm.image.name,
          arch: machine.vm.arch,
        }]]
        : [],
    ),
  observe: async (world, look) => new Map([["disk:system", await observeDisk(world, look)]]),
  compare(desired, observed) {
    const changes: Change[] = [];
    const differ = (path: string, before: unknown, after: unknown, effect: Change["effect"], note?: string) =>
      changes.push({ path, before, after, effect, ...(note ? { note } : {}) });
    if (observed.broken) differ("vm.image", observed.image, desired.image, "recreate", observed.broken);
    if (observed.image !== desired.image) differ("vm.image", observed.image, desired.image, "recreate");
    if (observed.arch !== desired.arch) differ("vm.arch", observed.arch, desired.arch, "recreate");
    const [before, after] = [`${observed.sizeMiB}MiB`, `${desired.sizeMiB}MiB`];
    if (observed.sizeMiB < desired.sizeMiB) differ("vm.disk", before, after, "live");
    if (observed.sizeMiB > desired.sizeMiB) {
      differ("vm.disk", before, after, "recreate", "a disk cannot shrink");
    }
    return changes;
  },
  interrupts: (world) => runningContainers(world),
  async apply(job, desired) {
    const { folder } = job.world;
    if (job.step.action === "update") {
      return await grow(job, desired.sizeMiB);
    }
    if (job.step.action === "recreate") {
      await powerOff(job);
      await removeIfPresent(folder.disk);
    }
    const base = await baseFor(job, recipeFor(job.world)!);
    // Nothing was applied to a new disk yet: what differs on it was not changed by anybody.
    await job.store.update({ base, applied: {} });
    await makeOverlay(folder.disk, base.disk, Math.max(desired.sizeMiB, base.sizeMiB));
  },
  async undo(job) {
    await powerOff(job);
    for (const file of [job.world.folder.disk, `${job.world.folder.disk}.part`]) await removeIfPresent(file);
    await job.store.update({ base: undefined });
  },
};

async function observeDisk(world: World, look: Look): Promise<Observed<FoundSystemDisk>> {
  const running = look.vm.state === "running" ? look.vm.disks.find(({ id }) => id === "system") : undefined;
  const disk = running ?? await readOverlay(world.folder.disk);
  if (!disk) return { state: "absent" };
  const base = world.record?.base;
  const broken = await brokenBase(world, disk.backing);
  return {
    state: "present",
    owned: true,
    value: {
      sizeMiB: disk.sizeMiB,
      image: base?.name ?? "unknown",
      arch: base?.arch ?? "unknown",
      ...(broken ? { broken } : {}),
    },
  };
}

/** An overlay on another base than its own shows garbage: the base's digest decides, not its path. */
async function brokenBase(world: World, backing: string | undefined): Promise<string | undefined> {
  const recorded = world.record?.base;
  if (!recorded || !backing) return "the record of its base image is lost";
  const cached = await readBaseImage(dirname(backing));
  if (!cached) return "the base image that it stands on is gone";
  return cached.digest === recorded.digest ? undefined : "the base image that it stands on was replaced";
}

async function grow(job: Job, sizeMiB: number): Promise<void> {
  const { folder } = job.world;
  // Asked now: a step before this one may have powered the VM off.
  if (await findQemu(folder) === undefined) return await growOverlay(folder.disk, sizeMiB);
  await resizeLive(folder, "system", sizeMiB);
  // ext4 grows while it is mounted; the image has no partition table (resize2fs(8)).
  const result = await (await job.guest()).run("resize2fs /dev/disk/by-id/virtio-system 2>&1");
  if (result.code !== 0) {
    throw new UserError("The guest cannot grow its filesystem", { output: result.stdout });
  }
}
