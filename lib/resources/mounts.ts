import type { MountLook } from "../agent/api.ts";
import { effectOf } from "../config/effects.ts";
import type { Mount } from "../config/types.ts";
import type { GuestFacts } from "../guest/query.ts";
import { exists, sha256 } from "../host/files.ts";
import type { Change, Observed } from "../plan/types.ts";
import { Differences } from "./change.ts";
import type { Look } from "./contract.ts";
import { guestKind, idOf } from "./guest_kind.ts";
import { shareOf } from "./mount_share.ts";
import { mountAt, MOUNTINFO, mountOps, unitPath, unmountOps } from "./mount_units.ts";

const KIND = "mount:";

/** A mount as wanted; `sourceMissing` makes it one that cannot be made now. */
interface WantedMount extends Mount {
  readonly sourceMissing: boolean;
}

/** A mount as found in the guest. */
interface FoundMount {
  readonly tag: string | undefined;
  readonly type: string | undefined;
  readonly writable: boolean;
  readonly unitHash: string | undefined;
  /** What the comparison of both sides said. */
  readonly sides: MountLook | undefined;
}

/** Host folders in the guest, each a systemd mount unit of ours over a 9p share. */
export const mountKind = guestKind<WantedMount, FoundMount>({
  kind: "mount",
  phase: 10,
  path: (address) => `mounts[${idOf(address)}]`,
  dependsOn: () => ["vm", "folders"],
  async desired({ machine }) {
    const mounts = await Promise.all((machine?.mounts ?? []).map(async (mount) => {
      return { ...mount, sourceMissing: !await exists(mount.source) };
    }));
    return new Map(mounts.map((mount) => [`${KIND}${mount.target}`, mount]));
  },
  query: (_world, addresses) => ({
    files: [MOUNTINFO],
    hashes: addresses.map((address) => unitPath(idOf(address))),
  }),
  read: ({ facts, address, look }, desired) =>
    observeMount(idOf(address), { look, facts, wanted: desired !== undefined }),
  compare: compareMount,
  expected: (desired) => ({
    tag: shareOf(desired).tag,
    type: desired.type,
    writable: desired.writable,
    unitHash: sha256(unitText(desired)),
    sides: { target: desired.target, state: "same" },
  }),
  refusal: (_world, desired) =>
    desired.sourceMissing ? `its source ${desired.source} is not there` : undefined,
  creation: (desired) => ({
    effect: effectOf("mounts", "remount"),
    reason: `${desired.type} of ${desired.source}`,
  }),
  change: (desired, { step }) => ({
    what: `Mounting ${desired.target}`,
    claimed: { [step.address]: { target: desired.target } },
    ops: mountOps(desired.target, unitText(desired), "restart"),
  }),
  undoing: ({ step }) => ({
    what: `Unmounting ${idOf(step.address)}`,
    ops: unmountOps(idOf(step.address)),
    forgotten: [step.address],
  }),
  alone: true,
});

const TOLD = { which: "remount", isTold: true } as const;

function compareMount(desired: WantedMount, observed: FoundMount): readonly Change[] {
  const found = new Differences();
  const path = `mounts[${desired.target}]`;
  if (observed.tag === undefined) {
    found.add(path, "not mounted", "mounted", { key: "mounts", ...TOLD });
  } else {
    // Whether QEMU needs a new share for it, and with it a restart, is said by the VM's own line.
    found.compare(`${path}.type`, observed.type, desired.type, { which: "remount" });
    found.compare(`${path}.writable`, observed.writable, desired.writable, { which: "remount" });
    if (observed.tag !== shareOf(desired).tag) {
      found.add(`${path}.source`, "another folder", desired.source, TOLD);
    }
  }
  if (observed.unitHash !== sha256(unitText(desired))) {
    found.add(`${path}.options`, "another mount unit", "ours", { isTold: true });
  }
  if (observed.sides?.state === "differs") {
    found.add(`${path}.source`, "shows something else", desired.source, {
      ...TOLD,
      note: observed.sides.reason,
    });
  }
  return found.changes;
}

function observeMount(
  target: string,
  { look, facts, wanted }: { readonly look: Look; readonly facts: GuestFacts; readonly wanted: boolean },
): Observed<FoundMount> {
  const mountinfo = facts.file(MOUNTINFO);
  if (mountinfo.state !== "present") {
    return { state: "unknown", reason: mountinfo.state === "unknown" ? mountinfo.reason : `no ${MOUNTINFO}` };
  }
  const unit = wanted ? facts.file(unitPath(target)) : { state: "absent" as const };
  if (unit.state === "unknown") return unit;
  const row = mountAt(mountinfo.value.text, target);
  const unitHash = unit.state === "present" ? unit.value.sha256 : undefined;
  if (wanted && !row && unitHash === undefined) return { state: "absent" };
  const sides = look.guest.state === "facts" ? look.guest.mounts.find((m) => m.target === target) : undefined;
  if (row && sides?.state === "unknown") {
    return { state: "unknown", reason: `cannot look into it: ${sides.reason}` };
  }
  return {
    state: "present",
    owned: true,
    value: {
      tag: row?.source,
      type: row?.type,
      writable: row?.writable ?? false,
      unitHash,
      sides: row && sides,
    },
  };
}

/**
 * The mount's unit. It is wanted by multi-user.target and ordered before the daemons whose containers bind it,
 * but needed by nothing: a folder that is gone on the host must not keep the guest from booting.
 */
function unitText(mount: Mount): string {
  const options = {
    trans: "virtio",
    version: "9p2000.L",
    msize: "512000", // the kernel's cap for virtio
    cache: "mmap",
    ...mount.options,
  };
  const words = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  if (!mount.writable) words.push("ro");
  // In a unit file "%" starts a specifier (systemd.unit(5)).
  const where = mount.target.replaceAll("%", "%%");
  return [
    "[Unit]",
    `Description=machine: host folder ${where}`,
    "DefaultDependencies=no",
    "After=local-fs.target",
    "Before=containerd.service docker.service umount.target",
    "Conflicts=umount.target",
    "[Mount]",
    `What=${shareOf(mount).tag}`,
    `Where=${where}`,
    "Type=9p",
    `Options=${words.join(",")}`,
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}
