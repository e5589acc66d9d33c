import { basename, normalize } from "node:path";
import { messageOf } from "../host/errors.ts";
import { kindOf } from "../host/input.ts";
import { type Finding, show } from "./finding.ts";
import { nearest } from "./nearest.ts";
import { SYSTEM_FOLDERS } from "./guest_places.ts";
import type { DeclaredMount, NormalForm } from "./normal.ts";
import type { Path } from "./path.ts";

/** Says where a path stands in the file, as `machine.yaml:4:5`. */
export type PlaceOf = (path: Path) => string;

/** Checks every mount: its source on this computer, its target in the guest, its options. */
export async function checkMounts(form: NormalForm, placeOf: PlaceOf): Promise<Finding[]> {
  const reserved = [...SYSTEM_FOLDERS, form.machine.user.home];
  const sources = await Promise.all(form.declaredMounts.map(checkSource));
  return [
    ...sources.flat(),
    ...form.declaredMounts.flatMap((entry) => checkTarget(entry, reserved)),
    ...checkTwice(form.declaredMounts, placeOf),
    ...form.declaredMounts.flatMap(checkOptions),
  ];
}

async function checkSource({ mount, path }: DeclaredMount): Promise<Finding[]> {
  const at = [...path, "source"];
  try {
    const kind = await kindOf(mount.source);
    if (kind === "folder" || (kind === "missing" && mount.optional)) return [];
    if (kind !== "missing") {
      const message = `"${mount.source}" is not a folder`;
      return [{ path: at, message, remedy: "Mount the folder that it is in" }];
    }
    return [{
      path: at,
      message: `The folder "${mount.source}" does not exist`,
      remedy: 'Make it, correct the path, or write "optional: true" to go on without it',
    }];
  } catch (error) {
    return [{ path: at, message: `Cannot look at "${mount.source}": ${messageOf(error)}` }];
  }
}

function checkTarget({ mount, path, isTargetGiven }: DeclaredMount, reserved: readonly string[]): Finding[] {
  const { target } = mount;
  const at = [...path, isTargetGiven ? "target" : "source"];
  if (!target.startsWith("/")) {
    const remedy = target.startsWith("~")
      ? 'Leave "target" out to get the same path as on the host'
      : `Write "/${target.replace(/^(\.*\/)+/, "")}"`;
    return [{ path: at, message: `Must be an absolute path, but is ${show(target)}`, remedy }];
  }
  if (normalize(target) !== target) {
    return [{
      path: at,
      message: `${show(target)} is not in its shortest form`,
      remedy: `Write "${normalize(target)}"`,
    }];
  }
  if (/\p{Cc}/u.test(target)) {
    return [{ path: at, message: `${show(target)} holds a control character`, remedy: "Remove it" }];
  }
  const within = reserved.find((folder) => target === folder || target.startsWith(`${folder}/`));
  const above = reserved.find((folder) => target === "/" || folder.startsWith(`${target}/`));
  if (within === undefined && above === undefined) return [];
  const message = within === undefined
    ? `Mounting on "${target}" would hide the guest's "${above}"`
    : `Mounting on "${target}" would hide what the guest needs in "${within}"`;
  return [{
    path: at,
    message,
    remedy: `${isTargetGiven ? "Choose another" : "Give another"} target, e.g. "/mnt/${
      basename(mount.source) || "host"
    }"`,
  }];
}

/** The same entry twice is one mount; two different folders cannot be in one place. */
function checkTwice(entries: readonly DeclaredMount[], placeOf: PlaceOf): Finding[] {
  const first = new Map<string, DeclaredMount>();
  return entries.flatMap((entry): Finding[] => {
    const other = first.get(entry.mount.target);
    if (!other) {
      first.set(entry.mount.target, entry);
      return [];
    }
    if (JSON.stringify(other.mount) === JSON.stringify(entry.mount)) return [];
    return [{
      path: [...entry.path, entry.isTargetGiven ? "target" : "source"],
      message: `"${entry.mount.target}" is also the target of another mount, at ${placeOf(other.path)}`,
      remedy: "Give one of them another target, or remove it",
    }];
  });
}

/** What 9p's `cache` may be (Documentation/filesystems/9p.rst); fscache needs a daemon that the guest has not. */
const CACHE_MODES = ["none", "readahead", "mmap", "loose"];
/** Of virtio's 9p; the kernel takes larger ones without a word and uses this. */
const MOST_MSIZE = 512000;
const LEAST_MSIZE = 4096;

function checkOptions({ mount, type, path }: DeclaredMount): Finding[] {
  if (type !== "9p" && type !== "auto") return [];
  return Object.entries(mount.options).flatMap(([name, value]): Finding[] => {
    const at = [...path, "options", name];
    if (name === "cache") {
      if (CACHE_MODES.includes(value)) return [];
      const list = CACHE_MODES.map((mode) => `"${mode}"`).join(", ");
      return [{ path: at, message: `Must be one of ${list}, but is ${show(value)}` }];
    }
    if (name === "msize") {
      const bytes = /^\d+$/.test(value) ? Number(value) : NaN;
      if (bytes >= LEAST_MSIZE && bytes <= MOST_MSIZE) return [];
      const message = `Must be a number of bytes from ${LEAST_MSIZE} to ${MOST_MSIZE}, but is ${show(value)}`;
      return [{ path: at, message, remedy: `Write ${MOST_MSIZE}` }];
    }
    const near = nearest(name, ["cache", "msize"]);
    const remedy = near === undefined ? 'Options of 9p are "cache" and "msize"' : `Did you mean "${near}"?`;
    return [{ path: at, at: "key", message: `Unknown option "${name}" of a 9p mount`, remedy }];
  });
}
