import type { z } from "zod";
import type { HostPaths } from "./host_path.ts";
import { identityOf } from "./identity.ts";
import type { ListNode, MapNode, SourceNode } from "./node.ts";
import { machineFile } from "./schema/machine.ts";
import { below, fieldOf } from "./schema/walk.ts";

/** What the schema says of the values that meet. */
interface Level {
  readonly schema: z.core.$ZodType | undefined;
  readonly paths: HostPaths;
}

/**
 * Lays one file over another, key by key as the schema says: maps deep, lists by identity, as sets, or as a whole.
 * Every part keeps the place where it was said last. The tags of the upper file are followed.
 */
export function mergeFiles(lower: SourceNode, upper: SourceNode, paths: HostPaths): SourceNode {
  return merge(lower, upper, { schema: machineFile, paths });
}

/** The file alone: a key that is reset is not there, and `!override` says nothing more. */
export function withoutTags(node: SourceNode): SourceNode {
  const { tag: _, ...place } = node;
  switch (place.kind) {
    case "scalar":
      return place;
    case "list":
      return { ...place, items: place.items.map(withoutTags) };
    case "map": {
      const kept = [...place.entries].filter(([, child]) => child.tag !== "!reset");
      return { ...place, entries: new Map(kept.map(([key, child]) => [key, withoutTags(child)])) };
    }
  }
}

function merge(lower: SourceNode, upper: SourceNode, level: Level): SourceNode {
  if (upper.tag === "!override") return withoutTags(upper);
  const field = fieldOf(level.schema);
  const rule = field?.merge ?? "deep";
  if (rule === "deep") {
    const [under, over] = [asMap(lower, field?.shortFor), asMap(upper, field?.shortFor)];
    if (under && over) return mergeMaps(under, over, level);
  }
  if (lower.kind === "list" && upper.kind === "list") {
    if (rule === "unite") return unite(lower, upper);
    if (rule === "by-identity") return mergeEntries(lower, upper, level);
  }
  return withoutTags(upper);
}

/** `runtime: docker` and `runtime: {docker: …}` are both maps. */
function asMap(node: SourceNode, shortFor: string | undefined): MapNode | undefined {
  if (node.kind === "map") return node;
  if (shortFor === undefined || node.kind !== "scalar" || typeof node.value !== "string") return undefined;
  return { kind: "map", key: node.key, at: node.at, entries: new Map([[shortFor, node]]) };
}

function mergeMaps(lower: MapNode, upper: MapNode, { schema, paths }: Level): MapNode {
  const entries = new Map(lower.entries);
  for (const [key, child] of upper.entries) {
    const childSchema = schema && below(schema, key);
    for (const other of fieldOf(childSchema)?.insteadOf ?? []) {
      if (!upper.entries.has(other)) entries.delete(other);
    }
    const under = entries.get(key);
    if (child.tag === "!reset") entries.delete(key);
    else entries.set(key, under ? merge(under, child, { schema: childSchema, paths }) : withoutTags(child));
  }
  return { kind: "map", key: upper.key, at: upper.at, entries };
}

/** Both lists as one set; what both say stands where the upper file says it. */
function unite(lower: ListNode, upper: ListNode): ListNode {
  const items = [...lower.items];
  for (const item of upper.items) {
    const same = items.findIndex((other) => isSameScalar(other, item));
    if (same < 0) items.push(withoutTags(item));
    else items[same] = withoutTags(item);
  }
  return { kind: "list", key: upper.key, at: upper.at, items };
}

function isSameScalar(one: SourceNode, other: SourceNode): boolean {
  return one.kind === "scalar" && other.kind === "scalar" && one.value === other.value;
}

/** Entry by entry, in the order of the lower file, with new ones behind. */
function mergeEntries(lower: ListNode, upper: ListNode, { schema, paths }: Level): ListNode {
  const field = fieldOf(schema);
  if (!schema || !field) throw new Error("A list with an identity has no field");
  const items = [...lower.items];
  const indexes = new Map<string, number>();
  for (const [index, item] of lower.items.entries()) {
    const identity = identityOf(item, { schema, field }, paths);
    if (identity !== undefined && !indexes.has(identity)) indexes.set(identity, index);
  }
  for (const item of upper.items) {
    const identity = identityOf(item, { schema, field }, paths);
    const index = identity === undefined ? undefined : indexes.get(identity);
    const under = index === undefined ? undefined : items[index];
    if (identity === undefined || index === undefined || under === undefined) {
      items.push(withoutTags(item));
      continue;
    }
    items[index] = merge(under, item, { schema: below(schema, 0), paths });
    // The same entry twice in one file is a mistake to be shown, not a second merge
    indexes.delete(identity);
  }
  return { kind: "list", key: upper.key, at: upper.at, items };
}
