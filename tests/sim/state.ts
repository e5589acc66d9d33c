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
  readonly owned: { readonly files: readonly string[]; readonly applied: readonly string[] };
  readonly sizes: Readonly<Record<string, readonly [number, number]>>;
  readonly vm: unknown;
  /** What the agent keeps alive. */
  readonly agent: unknown;
}

const OWN = "/var/lib/machine/";

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
    dockerd: guest.systemd.dockerd.inForce,
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
  const lines = path === "/etc/passwd" || path === "/etc/group" ? content.split("\n").sort() : undefined;
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

/** The state without what is meant to outlive a change: homes, data, what commands of the user did. */
export function withoutWhatStays({ entries, ...state }: MachineState): unknown {
  const stays = /^\/home\/|^\/opt\/did/;
  return {
    ...state,
    entries: Object.fromEntries(Object.entries(entries).filter(([path]) => !stays.test(path))),
  };
}
