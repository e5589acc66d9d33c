import type { Path } from "./path.ts";
import type { Shape } from "./shape.ts";

/** An entry of a list in its normal form, and where it stands in the file. */
export interface Declared<T> {
  readonly value: T;
  readonly path: Path;
}

/** Notes where an entry stands: the file's lists may have entries that were left out before. */
export function declaredAt<T>(shape: Shape, path: Path, value: T): Declared<T> {
  return { value, path: shape.originalPath(path) };
}

/** Sorted by a text, code unit by code unit: the same on every computer. */
export function sortBy<T>(items: readonly T[], textOf: (item: T) => string): T[] {
  return items.toSorted((a, b) => {
    const [one, other] = [textOf(a), textOf(b)];
    return one < other ? -1 : one > other ? 1 : 0;
  });
}
