import type { Path } from "./path.ts";
import type { Json, Position } from "./types.ts";

/** What a tag says about merging: stand alone, or go back to the default. */
export type MergeTag = "!override" | "!reset";

interface Place {
  /** Where its key begins; of an entry of a list, where the entry begins. */
  readonly key: Position;
  /** Where the value itself begins; of an alias, where the alias stands. */
  readonly at: Position;
  readonly tag?: MergeTag;
}

/** A text, number, boolean or null, with its spelling in the file without quotes. */
export type ScalarNode = Place & {
  readonly kind: "scalar";
  readonly value: null | boolean | number | string;
  readonly source?: string;
};
export type MapNode = Place & { readonly kind: "map"; readonly entries: ReadonlyMap<string, SourceNode> };
export type ListNode = Place & { readonly kind: "list"; readonly items: readonly SourceNode[] };

/** A value together with where each part of it was said; parts of one tree may stand in several files. */
export type SourceNode = ScalarNode | MapNode | ListNode;

/** A document as plain values, with the place of each of them. */
export interface SourceDocument {
  readonly root: SourceNode;
  readonly value: Json;
  readonly valueAt: (path: Path) => Position | undefined;
  readonly keyAt: (path: Path) => Position | undefined;
  /** How a scalar is spelled in its file. */
  readonly sourceAt: (path: Path) => string | undefined;
}

/** Gives a tree as a document. */
export function documentOf(root: SourceNode): SourceDocument {
  return {
    root,
    value: plainValue(root),
    valueAt: (path) => nodeAt(root, path)?.at,
    keyAt: (path) => nodeAt(root, path)?.key,
    sourceAt: (path) => {
      const node = nodeAt(root, path);
      return node?.kind === "scalar" ? node.source : undefined;
    },
  };
}

/** The node at a path; `undefined` where there is none. */
export function nodeAt(root: SourceNode, path: Path): SourceNode | undefined {
  let node: SourceNode | undefined = root;
  for (const step of path) node = node && stepInto(node, step);
  return node;
}

/** The value without its places. */
export function plainValue(node: SourceNode): Json {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plainValue);
    case "map":
      return Object.fromEntries([...node.entries].map(([key, child]) => [key, plainValue(child)]));
  }
}

function stepInto(node: SourceNode, step: string | number): SourceNode | undefined {
  if (node.kind === "map") return typeof step === "string" ? node.entries.get(step) : undefined;
  return node.kind === "list" && typeof step === "number" ? node.items[step] : undefined;
}
