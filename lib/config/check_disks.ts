import { normalize } from "node:path";
import { findTwice } from "./check_guest.ts";
import type { PlaceOf } from "./check_mounts.ts";
import type { Declared } from "./declared.ts";
import { type Finding, show } from "./finding.ts";
import { DATA_FOLDERS, isWithin, SYSTEM_FOLDERS } from "./guest_places.ts";
import type { NormalForm } from "./normal.ts";
import { formatSize } from "./size.ts";
import type { ExtraDisk, Machine } from "./types.ts";

const LEAST_DISK_MIB = 2048;
const LEAST_DATA_DISK_MIB = 256;
/** Below this little is left beside the filesystem's own tables. */
const LEAST_FURTHER_DISK_MIB = 16;
/** Above this it is a slip of the unit; sparse files take what is in them, so free space is no limit. */
const MOST_DISK_MIB = 64 * 2 ** 20;

/** As many as there are free places for them in the virtual computer. */
const MOST_FURTHER_DISKS = 8;

/** What the machine calls its own two disks. */
const OWN_NAMES = ["system", "data"];

/** Checks sizes of all disks, and names and places of the further ones. */
export function checkDisks(form: NormalForm, placeOf: PlaceOf): Finding[] {
  const { machine, declaredDisks } = form;
  const { vm } = machine;
  return [
    ...checkSize(["vm", "disk"], vm.diskMiB, LEAST_DISK_MIB),
    ...(vm.dataDiskMiB === undefined
      ? []
      : checkSize(["vm", "dataDisk"], vm.dataDiskMiB, LEAST_DATA_DISK_MIB)),
    ...declaredDisks.flatMap(({ value, path }) =>
      checkSize([...path, "size"], value.sizeMiB, LEAST_FURTHER_DISK_MIB)
    ),
    ...declaredDisks.flatMap(checkName),
    ...declaredDisks.flatMap((entry) => checkTarget(entry, machine)),
    ...declaredDisks.slice(MOST_FURTHER_DISKS).map(({ path }): Finding => ({
      path,
      message: `A machine has at most ${MOST_FURTHER_DISKS} further disks, but this is one more`,
      remedy: "Take one out, or make another one larger",
    })),
    ...findTwice(declaredDisks, { key: "name", what: "disk" }, placeOf),
    ...checkOverlap(declaredDisks, placeOf),
  ];
}

function checkSize(path: Finding["path"], sizeMiB: number, leastMiB: number): Finding[] {
  const size = formatSize(sizeMiB);
  if (sizeMiB < leastMiB) {
    const remedy = `Write at least ${formatSize(leastMiB)}`;
    return [{ path, message: `${size} is too small for this disk`, remedy }];
  }
  if (sizeMiB <= MOST_DISK_MIB) return [];
  const remedy = `Write at most ${formatSize(MOST_DISK_MIB)}`;
  return [{ path, message: `${size} is more than a disk can hold`, remedy }];
}

function checkName({ value: { name }, path }: Declared<ExtraDisk>): Finding[] {
  if (!OWN_NAMES.includes(name)) return [];
  return [{
    path: [...path, "name"],
    message: `"${name}" is a disk that every machine has`,
    remedy: `Choose another name; its size is vm.${name === "system" ? "disk" : "dataDisk"}`,
  }];
}

function checkTarget({ value, path }: Declared<ExtraDisk>, machine: Machine): Finding[] {
  const { target } = value;
  const at = [...path, "target"];
  if (!target.startsWith("/")) {
    const remedy = `Write "/${target.replace(/^([.~]*\/)+/, "")}"`;
    return [{ path: at, message: `Must be an absolute path, but is ${show(target)}`, remedy }];
  }
  if (normalize(target) !== target) {
    const remedy = `Write "${normalize(target)}"`;
    return [{ path: at, message: `${show(target)} is not in its shortest form`, remedy }];
  }
  if (/\p{Cc}/u.test(target)) {
    return [{ path: at, message: `${show(target)} holds a control character`, remedy: "Remove it" }];
  }
  const remedy = `Choose another target, e.g. "/mnt/${value.name}"`;
  const folder = [...SYSTEM_FOLDERS, ...DATA_FOLDERS].find((it) =>
    isWithin(target, it) || isWithin(it, target)
  );
  if (folder !== undefined) {
    return [{ path: at, message: `A disk at "${target}" would hide what is in "${folder}"`, remedy }];
  }
  const mount = machine.mounts.find((it) => isWithin(target, it.target) || isWithin(it.target, target));
  if (!mount) return [];
  const message = mount.target === target
    ? `"${target}" is also the target of a mount`
    : `A disk at "${target}" and the mount at "${mount.target}" are one inside of the other`;
  return [{ path: at, message, remedy }];
}

/** Two disks in one place, or one inside of the other: then the outer one could not be taken out. */
function checkOverlap(disks: readonly Declared<ExtraDisk>[], placeOf: PlaceOf): Finding[] {
  return disks.flatMap(({ value, path }, index): Finding[] => {
    const other = disks.slice(0, index).find(({ value: { target } }) =>
      isWithin(value.target, target) || isWithin(target, value.target)
    );
    if (!other) return [];
    return [{
      path: [...path, "target"],
      message: value.target === other.value.target
        ? `"${value.target}" is also the target of another disk, at ${placeOf(other.path)}`
        : `"${value.target}" and the target of another disk, at ${
          placeOf(other.path)
        }, are one inside of the other`,
      remedy: "Give one of them another target",
    }];
  });
}
