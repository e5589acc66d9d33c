import type { MachineFolder } from "../../lib/host/paths.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { diskFile, diskId } from "../../lib/resources/disk_names.ts";
import type { SimGuest } from "./guest.ts";
import type { SimHost } from "./host.ts";
import { LOG } from "./scripts.ts";
import type { Entry } from "./tree.ts";

/** Everything of a machine that can be seen, without what differs from one machine to the next: keys, UUIDs, times. */
export interface MachineState {
  readonly entries: Readonly<Record<string, unknown>>;
  readonly packages: readonly string[];
  readonly modules: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly mounts: readonly string[];
  readonly units: readonly string[];
  readonly dockerd: unknown;
  /** What services get that start. */
  readonly environment: string;
  readonly containerd: unknown;
  readonly owned: { readonly files: readonly string[]; readonly applied: readonly string[] };
  readonly sizes: Readonly<Record<string, readonly [number, number]>>;
  readonly vm: unknown;
  /** What the agent keeps alive. */
  readonly agent: unknown;
}

const OWN = "/var/lib/machine/";
/** Files in which several have lines, in the order in which they came. */
const UNORDERED = new Set(["/etc/environment", "/etc/group", "/etc/passwd"]);

/** The machine as it is now. */
export function stateOf(host: SimHost, folder: MachineFolder): MachineState {
  const guest = host.guestOf(folder);
  const spec = host.specOf(folder)!;
  // Of disks that the VM has: the files of others are kept for the day when they come back.
  const files = new Set(host.pluggedInto(folder).map((id) => fileOf(folder, id)));
  const sizes = Object.entries(host.diskSizes()).filter(([path]) => files.has(path))
    .map(([path, size]) => [path.slice(folder.root.length), size] as const);
  return {
    entries: entriesOf(guest),
    packages: guest.apt.installed(),
    modules: guest.kernel.modules,
    parameters: Object.fromEntries([...guest.kernel.parameters].sort()),
    hostname: guest.kernel.hostname,
    mounts: guest.view.mounts.map(({ target, type, writable }) => `${target} ${type} ${writable}`).sort(),
    units: guest.systemd.active(),
    containerd: guest.systemd.isActive("containerd.service") ? guest.systemd.containerd.inForce : undefined,
    dockerd: guest.systemd.isActive("docker.service") ? guest.systemd.dockerd.inForce : undefined,
    environment: guest.systemd.environment,
    owned: ownedBy(guest),
    sizes: Object.fromEntries(sizes),
    agent: { ...host.agentConfig(folder), root: undefined },
    vm: {
      cpus: spec.cpus,
      memoryMiB: spec.memoryMiB,
      disks: [...host.pluggedInto(folder)].sort(),
    },
  };
}

function fileOf(folder: MachineFolder, id: string): string {
  if (id === "system") return folder.disk;
  return id === "data" ? folder.dataDisk : diskFile(folder, id.slice(diskId("").length));
}

/** What is on the system disk, and in the homes, which are mounted over it. */
function entriesOf(guest: SimGuest): Record<string, unknown> {
  const paths = [...guest.view.root.entries.keys(), ...guest.view.below("/home")];
  const shown = [...new Set(paths)].filter((path) => !path.startsWith(OWN) && path !== LOG).sort();
  return Object.fromEntries(shown.map((path) => [path, plain(path, guest.view.get(path))]));
}

function plain(path: string, entry: Entry | undefined): unknown {
  if (entry?.kind !== "file") return entry;
  const { content, mode, owner } = entry;
  if (path.endsWith("/.docker/config.json")) return { content: JSON.parse(content), mode, owner };
  const lines = UNORDERED.has(path) ? content.split("\n").sort() : undefined;
  const text = content.replace(/ssh-ed25519 \S+/g, "KEY").replace(/by-uuid\/\S+/g, "by-uuid/UUID");
  return { content: lines ?? text, mode, owner };
}

function ownedBy(guest: SimGuest): MachineState["owned"] {
  const list = JSON.parse(guest.text(OWNED_FILE) ?? "{}") as Record<string, Record<string, unknown>>;
  return {
    files: Object.keys(list["files"] ?? {}).sort(),
    // Where a check says that nothing is to be done, the mark of a step depends on when it was asked.
    applied: Object.keys(list["applied"] ?? {}).filter((name) => !name.startsWith("provision:")).sort(),
  };
}

/**
 * The state without what is meant to outlive a change: homes, data, what commands of the user did, and the places of
 * the data disk, which is mounted there until the next boot.
 */
export function withoutWhatStays({ entries, ...state }: MachineState): unknown {
  const stays = /^\/home\/|^\/opt\/did|^\/var\/lib\/(?:buildkit|cni|nerdctl)$/;
  return {
    ...state,
    entries: Object.fromEntries(Object.entries(entries).filter(([path]) => !stays.test(path))),
  };
}
