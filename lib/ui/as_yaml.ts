import type { Change, Plan, PlannedChange } from "../plan/types.ts";
import { equal } from "../plan/equal.ts";
import { printable } from "./style.ts";
import { formatValue, maskSecrets } from "./value.ts";
import { yamlText } from "./yaml_text.ts";

/** An entry of a list that is told from others by one of its keys. */
export interface EntryStep {
  readonly key: string;
  readonly id: string;
  /** The entry as it is declared now: what of it is not about the difference has to be said too. */
  readonly declared: Readonly<Record<string, unknown>>;
}

/** Where a key stands in the machine file, from the top. */
export interface KeyPlace {
  readonly steps: readonly (string | EntryStep)[];
  /** Keys beside it that cannot stand together with it. */
  readonly excludes: readonly string[];
  /** Whether the two sides of a difference are values of this key at all; else they tell something in words. */
  readonly isOfKey: (change: Change) => boolean;
  /** The value as the file writes it; `undefined` when the key cannot say it. */
  readonly write: (value: unknown) => unknown;
}

/** What is known of the keys of the machine file. */
export interface FileKeys {
  /** `undefined` when a path is no key. */
  readonly place: (path: string) => KeyPlace | undefined;
  /** The keys that may stand below some others, in the order in which they are written. */
  readonly keysBelow: (steps: readonly string[]) => readonly string[];
}

/** A part of the file while it is put together. */
type Tree = Map<string, unknown>;

/**
 * What is there now as the text of a machine file, where it differs from what is wanted: pasted over these keys, it
 * keeps what is there. What no key can say is told in comments. Ends with a line break.
 */
export function asYaml(plan: Plan, keys: FileKeys): string {
  const tree: Tree = new Map<string, unknown>([["apiVersion", "machine/v1"], ["name", plan.machine]]);
  const remarks: string[] = [];
  for (const line of plan.changes) {
    if (line.action === "none") continue;
    if (line.paths.length === 0) remarks.push(remarkOn(line));
    for (const change of line.paths) {
      const remark = put(tree, change, keys);
      if (remark !== undefined) remarks.push(`${line.address}: ${remark}`);
    }
  }
  const differs = tree.size > 2 || remarks.length > 0;
  return [
    `# ${differs ? "What is there now, where it differs from the file" : "Nothing differs from the file"}`,
    yamlText(plainOf(tree, [], keys)).trimEnd(),
    ...(remarks.length === 0 ? [] : ["# No key can say this:"]),
    ...remarks.map((remark) => `#   ${printable(remark).replaceAll("\n", " ")}`),
    "",
  ].join("\n");
}

/** Puts what is there into its place; gives what to say instead where it has none. */
function put(tree: Tree, change: Change, keys: FileKeys): string | undefined {
  const { path, before } = change;
  const now = `${path} is ${formatValue(path, before)}`;
  const place = keys.place(path);
  if (place === undefined) return now;
  if (change.isTold || equal(before, change.after) || !place.isOfKey(change)) return now;
  if (before === undefined) return `${path} is not there; leave it out`;
  if (
    isSecret(path, before) ||
    place.steps.some((step) => typeof step !== "string" && isSecret("", step.declared))
  ) {
    return `${path} differs, and there is a secret in it`;
  }
  const value = place.write(before);
  const last = place.steps.at(-1);
  if (value === undefined || typeof last !== "string") return now;
  const parent = place.steps.slice(0, -1).reduce(goDown, tree);
  for (const other of place.excludes) parent.delete(other);
  parent.set(last, value);
  return undefined;
}

function isSecret(path: string, value: unknown): boolean {
  return !equal(maskSecrets(path, value), value);
}

function goDown(
  parent: Tree,
  step: string | EntryStep,
  index: number,
  steps: readonly (string | EntryStep)[],
): Tree {
  if (typeof step !== "string") {
    const known = parent.get(step.id);
    return known instanceof Map ? known : made(parent, step.id, new Map(Object.entries(step.declared)));
  }
  const below = parent.get(step);
  if (below instanceof Map) return below;
  return made(parent, step, typeof steps[index + 1] === "object" ? new EntryList() : new Map());
}

function made(parent: Tree, key: string, child: Tree): Tree {
  parent.set(key, child);
  return child;
}

/** A list while its entries are still found by what tells them apart. */
class EntryList extends Map<string, unknown> {}

/** The finished value: keys in the order of the schema, entries in that of their names. */
function plainOf(value: unknown, steps: readonly string[], keys: FileKeys): unknown {
  if (value instanceof EntryList) {
    return [...value].sort(([a], [b]) => a < b ? -1 : 1).map(([id, entry]) =>
      plainOf(entry, [...steps, id], keys)
    );
  }
  if (!(value instanceof Map)) return literal(value);
  const order = keys.keysBelow(steps);
  const rank = (key: string) => order.includes(key) ? order.indexOf(key) : order.length;
  const entries = [...value as Tree].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, plainOf(child, [...steps, key], keys)]));
}

/** What stands in a text for itself: the file's variables begin with the same characters. */
function literal(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("${", () => "$${");
  if (Array.isArray(value)) return value.map(literal);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, literal(child)]));
}

function remarkOn({ address, action, reason }: PlannedChange): string {
  switch (action) {
    case "create":
      return `${address} is not there`;
    case "delete":
      return `${address} is there, and the file does not say it`;
    default:
      return `${address} is not known: ${reason ?? action}`;
  }
}
