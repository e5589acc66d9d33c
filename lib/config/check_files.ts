import { normalize } from "node:path";
import { messageOf } from "../host/errors.ts";
import { kindOf, readUpTo, sizeOf } from "../host/input.ts";
import { findTwice } from "./check_guest.ts";
import type { PlaceOf } from "./check_mounts.ts";
import type { Declared } from "./declared.ts";
import { type Finding, show } from "./finding.ts";
import { fixedFolders, isWithin, managingKey } from "./guest_places.ts";
import type { NormalForm } from "./normal.ts";
import { formatSize } from "./size.ts";
import type { FileSpec, Machine } from "./types.ts";

/** A file goes to the guest in one piece, and is compared at every look. */
const MOST_SOURCE_MIB = 16;

/** Filesystems in memory: what is written there is gone at the next start. */
const MEMORY_FOLDERS = ["/proc", "/sys", "/dev", "/run", "/var/run", "/var/lock"];

/** Checks every file: its path in the guest, and its source on this computer. */
export async function checkFiles(form: NormalForm, placeOf: PlaceOf): Promise<Finding[]> {
  const { declaredFiles, machine } = form;
  const sources = await Promise.all(declaredFiles.map(checkSource));
  return [
    ...sources.flat(),
    ...declaredFiles.flatMap((entry) => checkPath(entry, machine)),
    ...findTwice(declaredFiles, { key: "path", what: "file" }, placeOf),
    ...checkInside(declaredFiles, placeOf),
  ];
}

async function checkSource({ value: { source }, path }: Declared<FileSpec>): Promise<Finding[]> {
  if (source === undefined) return [];
  const at = [...path, "source"];
  try {
    const kind = await kindOf(source);
    if (kind === "missing") {
      const remedy = 'Make it, correct the path, or write its text as "content"';
      return [{ path: at, message: `The file "${source}" does not exist`, remedy }];
    }
    if (kind !== "file") {
      const remedy = kind === "folder" ? 'Use "mounts" for a folder' : "Name a file with content";
      return [{ path: at, message: `"${source}" is not a regular file`, remedy }];
    }
    if (await sizeOf(source) > MOST_SOURCE_MIB * 2 ** 20) {
      return [{
        path: at,
        message: `"${source}" is larger than ${formatSize(MOST_SOURCE_MIB)}`,
        remedy: 'Use "mounts" for the folder that it is in',
      }];
    }
    await readUpTo(source, 1);
    return [];
  } catch (error) {
    const remedy = "Make it readable for you";
    return [{ path: at, message: `Cannot read "${source}": ${messageOf(error)}`, remedy }];
  }
}

function checkPath({ value, path }: Declared<FileSpec>, machine: Machine): Finding[] {
  const at = [...path, "path"];
  const wrong = wrongPath(value.path, machine);
  return wrong ? [{ path: at, ...wrong }] : [];
}

interface Wrong {
  readonly message: string;
  readonly remedy: string;
}

function wrongPath(path: string, machine: Machine): Wrong | undefined {
  if (!path.startsWith("/")) {
    const remedy = path.startsWith("~")
      ? `Write "${machine.user.home}${path.slice(1)}"`
      : `Write "/${path.replace(/^(\.*\/)+/, "")}"`;
    return { message: `Must be an absolute path, but is ${show(path)}`, remedy };
  }
  if (/\p{Cc}/u.test(path)) {
    return { message: `${show(path)} holds a control character`, remedy: "Remove it" };
  }
  if (path.endsWith("/")) {
    return { message: `${show(path)} is a folder`, remedy: "Add the name of the file" };
  }
  if (normalize(path) !== path) {
    return { message: `${show(path)} is not in its shortest form`, remedy: `Write "${normalize(path)}"` };
  }
  const key = managingKey(path, machine);
  if (key !== undefined) {
    return { message: `"${path}" is written by machine itself`, remedy: `Use the key "${key}"` };
  }
  if (isWithin(path, "/var/lib/machine")) {
    return { message: `"${path}" is among machine's own notes`, remedy: "Choose another path" };
  }
  if (MEMORY_FOLDERS.some((folder) => isWithin(path, folder))) {
    return { message: `"${path}" would be gone at the next start`, remedy: "Choose a path on a disk" };
  }
  const mount = machine.mounts.find(({ target }) => isWithin(path, target) && path !== target);
  if (mount) {
    return {
      message: `"${mount.target}" is a folder of this computer`,
      remedy: `Write the file there, in "${mount.source}"`,
    };
  }
  if (!fixedFolders(machine).some((folder) => isWithin(folder, path))) return undefined;
  return { message: `"${path}" is a folder of the guest`, remedy: "Add the name of the file" };
}

/** A path cannot be a file and the folder of another file. */
function checkInside(files: readonly Declared<FileSpec>[], placeOf: PlaceOf): Finding[] {
  const byPath = new Map(files.map((entry) => [entry.value.path, entry]));
  return files.flatMap(({ value, path }): Finding[] => {
    const parts = value.path.split("/");
    for (let length = 2; length < parts.length; length++) {
      const outer = byPath.get(parts.slice(0, length).join("/"));
      if (!outer) continue;
      return [{
        path: [...path, "path"],
        message: `"${outer.value.path}" is a file too, at ${placeOf(outer.path)}, and no folder`,
        remedy: "Choose another path for one of them",
      }];
    }
    return [];
  });
}
