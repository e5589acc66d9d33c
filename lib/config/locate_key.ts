import type { HostPaths } from "./host_path.ts";
import { identityOf } from "./identity.ts";
import { type ListNode, nodeAt, type SourceDocument, type SourceNode } from "./node.ts";
import { normalModule } from "./normal_guest.ts";
import { parsePath, type Path } from "./path.ts";
import { fieldOf, schemaAt } from "./schema/walk.ts";
import type { Position } from "./types.ts";

/**
 * Gives a function that says where a key was said last, or the nearest key above it that is in the file. Entries of
 * lists are named by their index or by what tells them apart: `mounts[/src].type`, `packages.install[git]`.
 */
export function keyFinder(
  document: SourceDocument,
  paths: HostPaths,
): (path: string) => Position | undefined {
  const indexes = new Map<ListNode, ReadonlyMap<string, number>>();
  const indexOf = (list: ListNode, path: Path, step: string | number) => {
    const known = indexes.get(list) ?? indexEntries(list, path, paths);
    indexes.set(list, known);
    return known.get(path[0] === "modules" ? normalModule(String(step)) : String(step)) ??
      (typeof step === "number" ? step : undefined);
  };
  return (text) => {
    const path: (string | number)[] = [];
    for (const step of parsePath(text)) {
      const node = nodeAt(document.root, path);
      const next = node?.kind === "list" ? indexOf(node, path, step) : step;
      if (next === undefined || !nodeAt(document.root, [...path, next])) break;
      path.push(next);
    }
    return path.length === 0 ? undefined : document.keyAt(path);
  };
}

/** The index of each entry by what tells it from the others; of equal ones the first. */
function indexEntries(list: ListNode, path: Path, paths: HostPaths): ReadonlyMap<string, number> {
  const schema = schemaAt(path);
  const field = fieldOf(schema);
  const nameOf = (item: SourceNode) => {
    if (field?.merge === "by-identity" && schema) return identityOf(item, { schema, field }, paths);
    if (field?.merge !== "unite" || item.kind !== "scalar") return undefined;
    return path[0] === "modules" ? normalModule(String(item.value)) : String(item.value);
  };
  const indexes = new Map<string, number>();
  for (const [index, item] of list.items.entries()) {
    const name = nameOf(item);
    if (name !== undefined && !indexes.has(name)) indexes.set(name, index);
  }
  return indexes;
}
