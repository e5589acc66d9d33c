import type { Json } from "../../lib/config/types.ts";
import type { SimGuest } from "./guest.ts";
import type { FileKeys } from "./simulation.ts";
import { unitName } from "../../lib/resources/mount_units.ts";

/** Something that somebody does in the guest by hand, and the lines of the plan that have to show it. */
export interface HandEdit {
  readonly name: string;
  /** The addresses that differ afterwards; none when there is nothing to be edited in such a machine. */
  shows(keys: FileKeys): readonly string[];
  edit(guest: SimGuest, keys: FileKeys): void;
}

type Entry = { readonly [key: string]: Json };

function list(keys: FileKeys, key: string): readonly Entry[] {
  return keys[key] as readonly Entry[];
}

function user(keys: FileKeys): Entry {
  return keys["user"] as Entry;
}

function firstFile(keys: FileKeys): string | undefined {
  return list(keys, "files")[0]?.["path"] as string | undefined;
}

function lastFile(keys: FileKeys): string | undefined {
  return list(keys, "files").at(-1)?.["path"] as string | undefined;
}

function ofFile(find: (keys: FileKeys) => string | undefined): HandEdit["shows"] {
  return (keys) => {
    const path = find(keys);
    return path === undefined ? [] : [`file:${path}`];
  };
}

function parameter(keys: FileKeys): string | undefined {
  return Object.keys(keys["sysctl"] as Entry)[0];
}

function firstDisk(keys: FileKeys): Entry | undefined {
  return ((keys["vm"] as Entry)["disks"] as readonly Entry[])[0];
}

function daemon(keys: FileKeys): Entry {
  return ((keys["runtime"] as Entry)["docker"] as Entry)["daemon"] as Entry;
}

function hasEnv(keys: FileKeys): readonly string[] {
  return Object.keys(keys["env"] as Entry).length > 0 ? ["env"] : [];
}

function editEntry(
  guest: SimGuest,
  path: string,
  parts: { readonly mode?: string; readonly owner?: string },
) {
  const entry = guest.view.get(path);
  if (entry?.kind === "file") guest.view.set(path, { ...entry, ...parts });
}

const SHELLS = { "/bin/bash": "/bin/sh", "/bin/sh": "/bin/bash" } as const;

/** Things that people do. Each shows at addresses that no other one shows at, so that any of them go together. */
export const HAND_EDITS: readonly HandEdit[] = [
  {
    name: "edits a file of ours",
    shows: ofFile(firstFile),
    edit: (guest, keys) => guest.put(firstFile(keys)!, "theirs\n"),
  },
  {
    name: "removes a file of ours",
    shows: ofFile(lastFile),
    edit: (guest, keys) => guest.view.delete(lastFile(keys)!),
  },
  {
    name: "changes a file's mode",
    shows: ofFile(firstFile),
    edit: (guest, keys) => editEntry(guest, firstFile(keys)!, { mode: "777" }),
  },
  {
    name: "changes a file's owner",
    shows: ofFile(firstFile),
    edit: (guest, keys) => editEntry(guest, firstFile(keys)!, { owner: "root:docker" }),
  },
  {
    name: "removes a package",
    shows: (keys) => {
      const names = (keys["packages"] as Entry)["install"] as readonly string[];
      if (names.length === 0) return [];
      const isZone = names[0] === "tzdata-legacy" && keys["timezone"] === "Asia/Calcutta";
      return [`package:${names[0]}`, ...(isZone ? ["timezone"] : [])]; // whose file came with it
    },
    edit: (guest, keys) => guest.apt.purge(((keys["packages"] as Entry)["install"] as readonly string[])[0]!),
  },
  {
    name: "sets a kernel parameter",
    shows: (keys) => parameter(keys) === undefined ? [] : [`sysctl:${parameter(keys)}`],
    edit: (guest, keys) => void guest.kernel.set(parameter(keys)!, "77"),
  },
  {
    name: "removes what sets a kernel parameter at boot",
    shows: (keys) => parameter(keys) === undefined ? [] : [`sysctl:${parameter(keys)}`],
    edit: (guest, keys) => guest.view.delete(`/etc/sysctl.d/90-machine-${parameter(keys)}.conf`),
  },
  {
    name: "unloads a module",
    shows: (keys) => (keys["modules"] as readonly string[]).includes("dummy") ? ["module:dummy"] : [],
    edit: (guest) => guest.kernel.unload("dummy"),
  },
  {
    name: "removes what loads a module at boot",
    shows: (keys) => (keys["modules"] as readonly string[]).includes("dummy") ? ["module:dummy"] : [],
    edit: (guest) => guest.view.delete("/etc/modules-load.d/machine-dummy.conf"),
  },
  {
    name: "writes /etc/environment anew",
    shows: hasEnv,
    edit: (guest) => guest.put("/etc/environment", "THEIRS=1\n"),
  },
  {
    name: "edits what login shells read",
    shows: hasEnv,
    edit: (guest) => guest.put("/etc/profile.d/machine.sh", "export THEIRS='1'\n"),
  },
  {
    name: "sets another time zone",
    shows: () => ["timezone"],
    edit: (guest) => {
      guest.put("/etc/timezone", "Asia/Tokyo\n");
      guest.view.set("/etc/localtime", { kind: "link", to: "/usr/share/zoneinfo/Asia/Tokyo" });
    },
  },
  {
    name: "links /etc/localtime elsewhere",
    shows: () => ["timezone"],
    edit: (guest) => guest.view.set("/etc/localtime", { kind: "link", to: "/usr/share/zoneinfo/Asia/Tokyo" }),
  },
  {
    name: "sets another host name",
    shows: () => ["hostname"],
    edit: (guest) => guest.kernel.hostname = "theirs",
  },
  {
    name: "edits /etc/hosts",
    shows: () => ["hostname"],
    edit: (guest) => guest.put("/etc/hosts", "127.0.0.1 localhost\n"),
  },
  {
    name: "gives the user another shell",
    shows: (keys) => [`user:${user(keys)["name"]}`],
    edit: (guest, keys) => {
      const shell = user(keys)["shell"] as keyof typeof SHELLS;
      guest.put(
        "/etc/passwd",
        guest.text("/etc/passwd")!.replaceAll(`guest:${shell}`, `guest:${SHELLS[shell]}`),
      );
    },
  },
  {
    name: "removes the user's key",
    shows: (keys) => [`user:${user(keys)["name"]}`],
    edit: (guest, keys) => guest.view.delete(`/etc/ssh/authorized_keys.d/${user(keys)["name"]}`),
  },
  {
    name: "turns the rule for sudo round",
    shows: (keys) => [`user:${user(keys)["name"]}`],
    edit: (guest, keys) => {
      if (user(keys)["sudo"]) guest.view.delete("/etc/sudoers.d/machine");
      else guest.put("/etc/sudoers.d/machine", "ALL ALL=(ALL) ALL\n");
    },
  },
  {
    name: "edits daemon.json",
    shows: () => ["engine:docker"],
    edit: (guest, keys) =>
      guest.put("/etc/docker/daemon.json", JSON.stringify({ ...daemon(keys), "debug": "?" })),
  },
  {
    name: "breaks daemon.json",
    shows: () => ["engine:docker"],
    edit: (guest) => guest.put("/etc/docker/daemon.json", "{ debug"),
  },
  {
    name: "stops dockerd",
    shows: () => ["engine:docker"],
    edit: (guest) => guest.systemd.stop("docker.service"),
  },
  {
    name: "disables docker's socket",
    shows: () => ["engine:docker"],
    edit: (guest) => guest.systemd.disable("docker.socket"),
  },
  {
    name: "takes the user out of the group docker",
    shows: () => ["engine:docker"],
    edit: (guest) => {
      const group = guest.text("/etc/group")!;
      guest.put("/etc/group", group.replace(/^docker:x:990:.*$/m, "docker:x:990:"));
    },
  },
  {
    name: "unmounts a disk",
    shows: (keys) => firstDisk(keys) === undefined ? [] : [`disk:${firstDisk(keys)!["name"]}`],
    edit: (guest, keys) => guest.systemd.stop(unitName(firstDisk(keys)!["target"] as string)),
  },
  {
    name: "edits the unit of a disk",
    shows: (keys) => firstDisk(keys) === undefined ? [] : [`disk:${firstDisk(keys)!["name"]}`],
    edit: (guest, keys) => {
      const path = `/etc/systemd/system/${unitName(firstDisk(keys)!["target"] as string)}`;
      guest.put(path, `${guest.text(path)}# theirs\n`);
    },
  },
  {
    name: "unmounts a folder of the host",
    shows: (keys) => {
      const [mount] = list(keys, "mounts");
      return mount === undefined ? [] : [`mount:${mount["target"]}`];
    },
    edit: (guest, keys) => guest.systemd.stop(unitName(list(keys, "mounts")[0]!["target"] as string)),
  },
  {
    name: "removes what ties the daemons to the data disk",
    shows: (keys) => (keys["vm"] as Entry)["dataDisk"] === "none" ? [] : ["folders"],
    edit: (guest) => guest.view.delete("/etc/systemd/system/docker.service.d/machine.conf"),
  },
];
