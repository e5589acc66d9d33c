import { UserError } from "../host/errors.ts";
import type { Observed } from "../plan/types.ts";
import { Differences } from "./change.ts";
import type { Job, Kind, Look, World } from "./contract.ts";
import { baseFor, recipeFor } from "./image.ts";
import { runningInGuest } from "./running.ts";
import { countedMiB, whileGrowing } from "./growing.ts";
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
    const found = new Differences();
    if (observed.broken) found.add("vm.image", observed.image, desired.image, { note: observed.broken });
    found.compare("vm.image", observed.image, desired.image);
    found.compare("vm.arch", observed.arch, desired.arch);
    const [before, after] = [`${observed.sizeMiB}MiB`, `${desired.sizeMiB}MiB`];
    if (observed.sizeMiB < desired.sizeMiB) found.add("vm.disk", before, after, { which: "grow" });
    if (observed.sizeMiB > desired.sizeMiB) {
      found.add("vm.disk", before, after, { which: "shrink", note: "a disk cannot shrink" });
    }
    return found.changes;
  },
  expected: (desired) => desired,
  interrupts: (world) => runningInGuest(world),
  async apply(job, desired) {
    const { folder, platform: { disks } } = job.world;
    if (job.step.action === "update") return await grow(job, desired.sizeMiB);
    if (job.step.action === "recreate") {
      await powerOff(job);
      await disks.remove(folder.disk);
    }
    const base = await baseFor(job, recipeFor(job.world)!);
    // Nothing was applied to a new disk yet: what differs on it was not changed by anybody.
    await job.store.update({ base, applied: {} });
    await disks.makeOverlay(folder.disk, base.disk, Math.max(desired.sizeMiB, base.sizeMiB));
  },
  async undo(job) {
    await powerOff(job);
    await job.world.platform.disks.remove(job.world.folder.disk);
    await job.store.update({ base: undefined });
  },
};

async function observeDisk(world: World, look: Look): Promise<Observed<FoundSystemDisk>> {
  const running = look.vm.state === "running" ? look.vm.disks.find(({ id }) => id === "system") : undefined;
  const disk = running ?? await world.platform.disks.readOverlay(world.folder.disk);
  if (!disk) return { state: "absent" };
  const base = world.record?.base;
  const broken = await brokenBase(world, disk.backing);
  return {
    state: "present",
    owned: true,
    value: {
      sizeMiB: countedMiB(world.record, "disk:system", disk.sizeMiB),
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
  const cached = await world.platform.images.under(backing);
  if (!cached) return "the base image that it stands on is gone";
  return cached.digest === recorded.digest ? undefined : "the base image that it stands on was replaced";
}

async function grow(job: Job, sizeMiB: number): Promise<void> {
  const { folder, platform } = job.world;
  const former = await platform.disks.readOverlay(folder.disk);
  await whileGrowing(job, former?.sizeMiB ?? 0, async () => {
    // Asked now: a step before this one may have powered the VM off. The next boot grows the filesystem.
    if (await platform.vm.process(folder) === undefined) {
      return await platform.disks.growOverlay(folder.disk, sizeMiB);
    }
    await platform.vm.resizeDisk(folder, "system", sizeMiB);
    // ext4 grows while it is mounted; the image has no partition table (resize2fs(8)).
    const ops = [{ op: "grow-filesystem", device: "/dev/disk/by-id/virtio-system" }] as const;
    const result = await (await job.guest()).perform(ops);
    if (!result.ok) throw new UserError("The guest cannot grow its filesystem", { output: result.output });
  });
}
