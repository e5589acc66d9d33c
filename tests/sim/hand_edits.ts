import { unitName } from "../../lib/resources/mount_units.ts";
import {
  editEntry,
  type Entry,
  firstDisk,
  firstFile,
  type HandEdit,
  hasEnv,
  ifProxy,
  lastFile,
  list,
  ofFile,
  parameter,
  SHELLS,
  user,
} from "./edited_keys.ts";
import { ENGINE_EDITS } from "./engine_edits.ts";

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
    shows: (keys) => [...hasEnv(keys), ...ifProxy("proxy")(keys)],
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
  ...ENGINE_EDITS,
];
