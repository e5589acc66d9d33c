import type { MountLook } from "../agent/api.ts";
import type { Mount } from "../config/types.ts";
import type { GuestFacts } from "../guest/query.ts";
import { quote } from "../guest/quote.ts";
import { exists, sha256 } from "../host/files.ts";
import type { Change, Observed } from "../plan/types.ts";
import { inGuest, type Kind, type Look } from "./contract.ts";
import { shareOf } from "./mount_share.ts";
import { OWNED_FILE, ownedOf } from "./owned.ts";

const MOUNTINFO = "/proc/self/mountinfo";
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
export const mountKind: Kind<WantedMount, FoundMount> = {
  kind: "mount",
  phase: 10,
  realm: "guest",
  path: () => "mounts",
  dependsOn: () => ["vm", "folders"],
  async desired({ machine }) {
    const mounts = await Promise.all((machine?.mounts ?? []).map(async (mount) => {
      return { ...mount, sourceMissing: !await exists(mount.source) };
    }));
    return new Map(mounts.map((mount) => [`${KIND}${mount.target}`, mount]));
  },
  query: (world) => ({
    files: [MOUNTINFO, OWNED_FILE, ...(world.machine?.mounts ?? []).map(({ target }) => unitPath(target))],
  }),
  observe(_world, look, desired) {
    const found = new Map<string, Observed<FoundMount>>();
    for (const [address, mount] of desired) {
      found.set(address, inGuest(look, (facts) => observeMount(mount.target, look, facts, true)));
    }
    for (const target of ownedTargets(look)) {
      const address = `${KIND}${target}`;
      if (!found.has(address)) {
        found.set(
          address,
          inGuest(look, (facts) => observeMount(target, look, facts, false)),
        );
      }
    }
    return Promise.resolve(found);
  },
  compare: compareMount,
  refusal: (_world, desired) =>
    desired.sourceMissing ? `its source ${desired.source} is not there` : undefined,
  creation: (_world, _look, desired) => ({ effect: "live", reason: `${desired.type} of ${desired.source}` }),
  async apply(job, desired) {
    const unit = unitName(desired.target);
    await job.owned.run({
      what: `Mounting ${desired.target}`,
      files: [{ path: unitPath(desired.target), content: unitText(desired), mode: "0644" }],
      after: [
        makeFolderScript(desired.target),
        `systemctl enable -q --no-reload ${quote(unit)}`,
        "systemctl daemon-reload",
        `systemctl restart ${quote(unit)} || { journalctl -q --no-pager -n 5 -u ${quote(unit)}; exit 1; }`,
      ],
      applied: { [job.step.address]: { target: desired.target } },
      signal: job.signal,
    });
  },
  async undo(job) {
    const target = job.step.address.slice(KIND.length);
    const unit = quote(unitName(target));
    await job.owned.run({
      what: `Unmounting ${target}`,
      before: [
        `if systemctl cat -- ${unit} >/dev/null 2>&1; then systemctl disable -q --no-reload --now ${unit}; fi`,
      ],
      removed: [unitPath(target)],
      after: ["systemctl daemon-reload", removeFolderScript(target)],
      forgotten: [job.step.address],
      signal: job.signal,
    });
  },
};

/** Where the guest remembers that a mount's folder was made for it. */
function madeMark(target: string): string {
  return quote(`/var/lib/machine/made/${unitName(target)}`);
}

/** Makes the folder to mount on, and remembers whether it was there before. */
export function makeFolderScript(target: string): string {
  const folder = quote(target);
  return `[ -d ${folder} ] || { mkdir -p /var/lib/machine/made; : >${
    madeMark(target)
  }; mkdir -p ${folder}; }`;
}

/**
 * Removes the folder if it was made for the mount and is empty. One that was there before stays: inside another
 * mount it is a folder of the host.
 */
export function removeFolderScript(target: string): string {
  const mark = madeMark(target);
  return `[ ! -e ${mark} ] || { rm -f ${mark}; rmdir ${quote(target)} 2>/dev/null || true; }`;
}

function compareMount(desired: WantedMount, observed: FoundMount): readonly Change[] {
  const changes: Change[] = [];
  const differ = (path: string, before: unknown, after: unknown, note?: string) =>
    changes.push({ path, before, after, effect: "live", ...(note ? { note } : {}) });
  if (observed.tag === undefined) {
    differ("mounts", "not mounted", "mounted");
  } else {
    if (observed.type !== desired.type) differ("mounts.type", observed.type, desired.type);
    if (observed.writable !== desired.writable) {
      differ("mounts.writable", observed.writable, desired.writable);
    }
    if (observed.tag !== shareOf(desired).tag) differ("mounts.source", "another folder", desired.source);
  }
  if (observed.unitHash !== sha256(unitText(desired))) {
    differ("mounts.options", "another mount unit", "ours");
  }
  if (observed.sides?.state === "differs") {
    differ("mounts.source", "shows something else", desired.source, observed.sides.reason);
  }
  return changes;
}

function observeMount(target: string, look: Look, facts: GuestFacts, wanted: boolean): Observed<FoundMount> {
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

function ownedTargets(look: Look): string[] {
  if (look.guest.state !== "facts") return [];
  const { applied } = ownedOf(look.guest.facts);
  return Object.keys(applied).flatMap((address) =>
    address.startsWith(KIND) ? [address.slice(KIND.length)] : []
  );
}

/** The uppermost mount at a path (proc_pid_mountinfo(5): fields 5, 6, and type and source after " - "). */
function mountAt(
  mountinfo: string,
  target: string,
): { readonly type: string; readonly source: string; readonly writable: boolean } | undefined {
  const encoded = target.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  let found;
  for (const line of mountinfo.split("\n")) {
    const fields = line.split(" ");
    const separator = fields.indexOf("-");
    if (fields[4] !== encoded || separator < 0) continue;
    const superOptions = fields[separator + 3]?.split(",") ?? [];
    found = {
      type: fields[separator + 1]!,
      source: fields[separator + 2]!,
      writable: !fields[5]!.split(",").includes("ro") && !superOptions.includes("ro"),
    };
  }
  return found;
}

/** systemd's name of the unit that mounts a path (systemd-escape(1), --path). */
export function unitName(target: string): string {
  const bytes = new TextEncoder().encode(target.replace(/^\/+|\/+$/g, ""));
  let name = "";
  for (const [index, byte] of bytes.entries()) {
    const char = String.fromCharCode(byte);
    if (char === "/") name += "-";
    else if (/[A-Za-z0-9:_]/.test(char) || char === "." && index > 0) name += char;
    else name += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `${name}.mount`;
}

function unitPath(target: string): string {
  return `/etc/systemd/system/${unitName(target)}`;
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
