import { safeParse, z } from "zod";
import { parsePath, type Path } from "../config/path.ts";
import { fieldOf, keysAt, schemaAt } from "../config/schema/walk.ts";
import { forms, unwrap } from "../config/schema/field.ts";
import { formatSize, parseSize } from "../config/size.ts";
import type { Machine } from "../config/types.ts";
import { equal } from "../plan/equal.ts";
import type { EntryStep, FileKeys, KeyPlace } from "../ui/as_yaml.ts";

type Entry = Readonly<Record<string, unknown>>;

/** The keys of the machine file, for a machine whose lists they go into. */
export function fileKeys(machine: Machine): FileKeys {
  return {
    place: (path) => placeOf(parsePath(path), machine),
    keysBelow: (steps) => keysAt(schemaAt(steps)),
  };
}

function placeOf(path: Path, machine: Machine): KeyPlace | undefined {
  const schema = schemaAt(path);
  if (path.length === 0 || schema === undefined || !isSupported(path)) return undefined;
  const steps: (string | EntryStep)[] = [];
  for (const [index, step] of path.entries()) {
    const key = identityAt(path.slice(0, index));
    if (key === undefined) steps.push(String(step));
    else {
      const declared = entriesAt(path.slice(0, index), machine).find((entry) => entry[key] === step);
      if (declared === undefined) return undefined;
      steps.push({ key, id: String(step), declared });
    }
  }
  const last = path.at(-1);
  const excludes = last === "content"
    ? ["source"]
    : last === "source" && path[0] === "files"
    ? ["content"]
    : [];
  const entry = steps.findLast((step) => typeof step !== "string");
  return {
    steps,
    excludes,
    // Of an entry it is known what is declared: a difference whose other side is something else is told in words.
    isOfKey: ({ after }) => entry === undefined || equal(written(path, after), entry.declared[String(last)]),
    write: (value) => written(path, value),
  };
}

/** The nearest key that the format describes decides; below a free map every key may stand. */
function isSupported(path: Path): boolean {
  for (let length = path.length; length > 0; length--) {
    const field = fieldOf(schemaAt(path.slice(0, length)));
    if (field) return field.support === "yes";
  }
  return false;
}

/** The key that tells the entries of a list apart; `undefined` where no such list is. */
function identityAt(path: Path): string | undefined {
  return path.length === 0 ? undefined : fieldOf(schemaAt(path))?.identity?.[0];
}

/** The entries of a list as the file would declare them. */
function entriesAt(list: Path, machine: Machine): readonly Entry[] {
  switch (list.join(".")) {
    case "mounts":
      return machine.mounts.map((mount) => ({ ...mount }));
    case "files":
      return machine.files.map((file) => ({ ...file }));
    case "provision":
      return machine.provision.map((step) => ({ ...step }));
    case "vm.disks":
      return machine.vm.disks.map(({ sizeMiB, ...disk }) => ({ ...disk, size: formatSize(sizeMiB) }));
    default:
      return [];
  }
}

/** A value in the form that its key accepts; `undefined` when there is none. */
function written(path: Path, value: unknown): unknown {
  const schema = schemaAt(path)!;
  const inner = unwrap(schema);
  const form = inner instanceof z.ZodType ? forms.get(inner) : undefined;
  const isSize = JSON.stringify(form?.json ?? "").includes("iB");
  if (isSize) {
    const size = typeof value === "number" ? { ok: true, sizeMiB: value } as const : parseSize(value);
    return size.ok ? formatSize(size.sizeMiB) : safeParse(schema, value).success ? value : undefined;
  }
  return safeParse(schema, value).success ? value : undefined;
}
