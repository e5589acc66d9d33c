import { maskedAddress } from "../host/proxy.ts";
import type { Path } from "./path.ts";

/** Something wrong at a path of the value; it becomes a `Problem` once the path's place in the file is known. */
export interface Finding {
  readonly path: Path;
  /** What to point at: the key (unknown, not supported) or, when left out, its value. */
  readonly at?: "key";
  readonly message: string;
  readonly remedy?: string;
  /** Something is missing, which a file that extends this one may say. */
  readonly isIncomplete?: true;
}

/** A value in a message: texts in quotes, without the password of an address, long ones cut, maps and lists by their kind. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value !== "string") return String(value);
  const text = maskedAddress(value);
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}
