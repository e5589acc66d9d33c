import { dirname } from "node:path";
import { effectOf } from "../config/effects.ts";
import type { ExtraDisk } from "../config/types.ts";
import { ensurePrivateDir, sha256 } from "../host/files.ts";
import { listNames } from "../host/folders.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { Address, Item, Observed } from "../plan/types.ts";
import { Differences } from "./change.ts";
import { inGuest, type Job, type Kind, type Look, type World } from "./contract.ts";
import { growRawDisk } from "./data_disk.ts";
import { countedMiB } from "./growing.ts";
import { diskFile, diskId } from "./disk_names.ts";
import { mountAt, MOUNTINFO, mountOps, unitPath, unmountOps } from "./mount_units.ts";
import { OWNED_FILE, ownedOf } from "./owned.ts";
import { powerOff } from "./power.ts";

const KIND = "disk";

/** A further disk as found: its file here, its device in the VM, its mount in the guest. */
interface FoundDisk {
  /** `undefined`: the file is gone. */
  readonly sizeMiB: number | undefined;
  /** Where it is mounted, or was to be when it was applied last. */
  readonly target: string;
  readonly plugged: boolean;
  readonly mounted: boolean;
  readonly unitHash: string | undefined;
  readonly uuid: string;
}

/** What the guest notes of a further disk. */
interface DiskNote {
  readonly target: string;
  readonly uuid: string;
}

/** Further disks: a raw file with a filesystem, plugged into the running VM and mounted in the guest. */
export const diskKind: Kind<ExtraDisk, FoundDisk> = {
  kind: KIND,
  phase: 9,
  realm: "guest",
  path: (address) => `vm.disks[${nameOf(address)}]`,
  dependsOn: () => ["vm"],
  desired: ({ machine }) => new Map((machine?.vm.disks ?? []).map((disk) => [`${KIND}:${disk.name}`, disk])),
  query: ({ machine }) => {
    const targets = (machine?.vm.disks ?? []).map(({ target }) => target);
    return targets.length === 0 ? { files: [OWNED_FILE] } : {
      files: [OWNED_FILE, MOUNTINFO],
      hashes: targets.map(unitPath),
    };
  },
  async observe(world, look, desired) {
    const owned = look.guest.state === "facts" ? Object.keys(ownedOf(look.guest.facts).applied) : [];
    const addresses = new Set([...desired.keys(), ...owned.filter(isFurther)]);
    const found = new Map<Address, Observed<FoundDisk>>();
    for (const address of addresses) {
      found.set(address, await observeDisk(address, { world, look, desired: desired.get(address) }));
    }
    return found;
  },
  compare(desired, observed) {
    const found = new Differences();
    const path = `vm.disks[${desired.name}]`;
    const add = (before: string, after: string) =>
      found.add(path, before, after, { key: "vm.disks", which: "add", isTold: true });
    if (observed.sizeMiB === undefined) add("its file is gone", "made anew");
    else if (observed.sizeMiB !== desired.sizeMiB) {
      const [before, after] = [`${observed.sizeMiB}MiB`, `${desired.sizeMiB}MiB`];
      const which = observed.sizeMiB < desired.sizeMiB ? "grow" : "shrink";
      const words = which === "grow" ? {} : { note: "a disk cannot shrink: it is made anew, empty" };
      found.add(`${path}.size`, before, after, { which, ...words });
    }
    if (!observed.plugged) add("not plugged", "plugged");
    if (observed.target !== desired.target) {
      found.add(`${path}.target`, observed.target, desired.target);
    } else if (observed.unitHash !== sha256(unitText(desired.target, observed.uuid))) {
      found.add(`${path}.target`, "another mount unit", desired.target, { isTold: true });
    } else if (!observed.mounted) {
      found.add(`${path}.target`, "not mounted", desired.target, { isTold: true });
    }
    return found.changes;
  },
  expected: ({ sizeMiB, target }) => ({
    sizeMiB,
    target,
    plugged: true,
    mounted: true,
    unitHash: sha256(unitText(target, "")),
    uuid: "",
  }),
  creation: (_world, _look, { target }) => ({
    effect: effectOf("vm.disks", "add"),
    reason: `mounted on ${target}`,
  }),
  removal: () => ({
    effect: effectOf("vm.disks", "remove"),
    reason: "unmounted and unplugged; its file is kept",
  }),
  async apply(job, desired) {
    const { folder, platform } = job.world;
    const file = diskFile(folder, desired.name);
    const before = (await job.owned.read()).applied[job.step.address] as DiskNote | undefined;
    const isAnew = job.step.action === "recreate" || !await platform.disks.exists(file);
    if (before && (before.target !== desired.target || isAnew)) await unmount(job, before);
    if (isAnew && job.step.action !== "create") {
      // QEMU holds a file that is gone open: the device has to go before the new one can come.
      await platform.vm.unplugDisk(folder, diskId(desired.name));
      await platform.disks.remove(file);
    }
    const disk = await ensureFile(job, desired);
    await platform.vm.plugDisk(folder, { id: diskId(desired.name), file, format: "raw" });
    await mount(job, { target: desired.target, uuid: disk.uuid });
    if (countedMiB(job.store.value, job.step.address, disk.sizeMiB) < desired.sizeMiB) {
      // Once it is mounted: of an unmounted one that was in use resize2fs(8) wants a check first.
      const device = `/dev/disk/by-uuid/${disk.uuid}`;
      await growRawDisk(job, { id: diskId(desired.name), file, device, sizeMiB: desired.sizeMiB });
    }
  },
  async undo(job) {
    const { folder, platform } = job.world;
    if (job.step.effect === "data-loss") {
      await powerOff(job); // it goes with the machine: nothing needs to be unmounted
      return await platform.disks.remove(diskFile(folder, nameOf(job.step.address)));
    }
    const note = (await job.owned.read()).applied[job.step.address] as DiskNote | undefined;
    if (note) await unmount(job, note);
    await platform.vm.unplugDisk(folder, diskId(nameOf(job.step.address)));
    await job.owned.run({ what: "Forgetting a disk", ops: [], forgotten: [job.step.address] }, job.signal);
    if (await platform.disks.exists(diskFile(folder, nameOf(job.step.address)))) {
      job.note(
        `The disk "${nameOf(job.step.address)}" is kept in ${diskFile(folder, nameOf(job.step.address))}`,
      );
    }
  },
};

/** Disks of kinds of their own have names that no further disk may have. */
function isFurther(address: Address): boolean {
  return address.startsWith(`${KIND}:`) && address !== "disk:system" && address !== "disk:data";
}

function nameOf(address: Address): string {
  return address.slice(KIND.length + 1);
}

async function observeDisk(
  address: Address,
  { world, look, desired }: {
    readonly world: World;
    readonly look: Look;
    readonly desired: ExtraDisk | undefined;
  },
): Promise<Observed<FoundDisk>> {
  const name = nameOf(address);
  const disk = await world.platform.disks.readRaw(diskFile(world.folder, name));
  const sizeMiB = disk && countedMiB(world.record, address, disk.sizeMiB);
  const plugged = look.vm.state === "running" && look.vm.disks.some(({ id }) => id === diskId(name));
  return inGuest<FoundDisk>(look, (facts) => {
    const note = ownedOf(facts).applied[address] as DiskNote | undefined;
    // One that was kept, and holds more than is wanted now, is not simply taken: what is on it would be lost.
    const isTooLarge = desired !== undefined && disk !== undefined && disk.sizeMiB > desired.sizeMiB;
    if (!note && !plugged && !isTooLarge) return { state: "absent" };
    const uuid = disk?.uuid ?? "";
    if (!desired) {
      return {
        state: "present",
        owned: true,
        value: { sizeMiB, target: note?.target ?? "", plugged, mounted: false, unitHash: undefined, uuid },
      };
    }
    const [unit, mountinfo] = [facts.file(unitPath(desired.target)), facts.file(MOUNTINFO)];
    for (const fact of [unit, mountinfo]) if (fact.state === "unknown") return fact;
    const mounted = mountinfo.state === "present" &&
      mountAt(mountinfo.value.text, desired.target)?.type === "ext4";
    const unitHash = unit.state === "present" ? unit.value.sha256 : undefined;
    return {
      state: "present",
      owned: true,
      value: { sizeMiB, target: note?.target ?? desired.target, plugged, mounted, unitHash, uuid },
    };
  });
}

/** The disk's file; one that was kept when it left the machine file comes back with what is on it. */
async function ensureFile(
  job: Job,
  { name, sizeMiB }: ExtraDisk,
): Promise<{ sizeMiB: number; uuid: string }> {
  const { folder, platform: { disks } } = job.world;
  const file = diskFile(folder, name);
  const kept = await disks.readRaw(file);
  if (kept) return kept;
  await ensurePrivateDir(dirname(file));
  const uuid = crypto.randomUUID();
  await disks.makeRaw(file, { sizeMiB, uuid, label: `machine-${name}`.slice(0, 16) });
  return { sizeMiB, uuid };
}

async function mount(job: Job, { target, uuid }: DiskNote): Promise<void> {
  await job.owned.run({
    what: `Mounting ${target}`,
    claimed: { [job.step.address]: { target, uuid } },
    ops: mountOps(target, unitText(target, uuid), "start"),
  }, job.signal);
}

async function unmount(job: Job, { target }: DiskNote): Promise<void> {
  await job.owned.run({ what: `Unmounting ${target}`, ops: unmountOps(target) }, job.signal);
}

/** The unit that mounts a further disk: at boot where the disk is there, and never a reason not to boot. */
function unitText(target: string, uuid: string): string {
  return [
    "[Unit]",
    `Description=machine: disk on ${target.replaceAll("%", "%%")}`,
    "Before=containerd.service docker.service",
    "[Mount]",
    `What=/dev/disk/by-uuid/${uuid}`,
    `Where=${target.replaceAll("%", "%%")}`,
    "Type=ext4",
    "Options=noatime,discard",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** Every further disk that has a file, to go with its machine and all that is on it. */
export async function keptDiskItems(folder: MachineFolder): Promise<Item[]> {
  const names = (await listNames(folder.disks)).flatMap((name) =>
    name.endsWith(".raw") ? [name.slice(0, -4)] : []
  );
  return names.map((name) => ({
    address: `${KIND}:${name}`,
    phase: 2,
    realm: "machine",
    dependsOn: [],
    desired: undefined,
    observed: { state: "present", value: undefined, owned: true },
    compare: () => [],
    removal: { effect: effectOf("vm.disks", "delete"), reason: "what is on it is lost" },
  }));
}
