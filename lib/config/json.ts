import type { Path } from "./path.ts";
import type { Json } from "./types.ts";

/** `Array.isArray` that tells readonly lists from maps. */
export function isList(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

/** One step down in a value; `undefined` where there is nothing. */
export function childOf(value: Json | undefined, step: string | number): Json | undefined {
  if (value === null || typeof value !== "object") return undefined;
  if (isList(value)) return typeof step === "number" ? value[step] : undefined;
  return Object.hasOwn(value, step) ? value[step] : undefined;
}

/** The value at a path; `undefined` where there is none. */
export function valueAt(value: Json, path: Path): Json | undefined {
  let node: Json | undefined = value;
  for (const step of path) node = childOf(node, step);
  return node;
}

/** The same value with the keys of its maps in order, so that equal values are written alike. */
export function sortKeys(value: Json): Json {
  if (isList(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1).map((
      [key, child],
    ) => [key, sortKeys(child)]),
  );
}
