import type { SourceNode } from "./node.ts";
import { formatPath, type Path } from "./path.ts";
import type { Problem } from "./types.ts";

/** Tags that stand where they mean nothing. */
export function checkTags(root: SourceNode): Problem[] {
  if (root.tag === undefined) return findTags(root, []);
  const message = `The tag "${root.tag}" says nothing about a whole file`;
  return [{
    at: root.at,
    path: "",
    message,
    remedy: 'Write it before the value of a key, or leave "extends" out',
  }];
}

function findTags(node: SourceNode, path: Path): Problem[] {
  if (node.kind === "list") {
    return node.items.flatMap((item, index) => {
      if (item.tag !== "!reset") return findTags(item, [...path, index]);
      return [{
        at: item.at,
        path: formatPath([...path, index]),
        message: 'The tag "!reset" cannot take an entry out of a list',
        remedy: "Replace the whole list: write !override before it",
      }];
    });
  }
  if (node.kind !== "map") return [];
  return [...node.entries].flatMap(([key, child]) => {
    const below = [...path, key];
    if (child.tag !== "!reset" || isNothing(child)) return findTags(child, below);
    return [{
      at: child.at,
      path: formatPath(below),
      message: 'The tag "!reset" returns to the default, but a value stands behind it',
      remedy: "Write !reset null, or !override before a value that replaces the other",
    }];
  });
}

function isNothing(node: SourceNode): boolean {
  if (node.kind === "scalar") return node.value === null;
  return (node.kind === "map" ? node.entries.size : node.items.length) === 0;
}
