import { z } from "zod";
import { parseSize } from "../size.ts";
import type { Json } from "../types.ts";
import { forms } from "./field.ts";

const SIZE_PATTERN = "^[0-9]+(\\.[0-9]+)?(KiB|MiB|GiB|TiB)$";

/** What reading a value gave, or what is wrong with it. */
type Reading<T> = { readonly value: T } | { readonly message: string; readonly remedy: string };

/** A value that code reads; its JSON Schema stands beside it because a schema library cannot see into code. */
function readBy<T>(read: (value: unknown) => Reading<T>, json: object) {
  const schema = z.unknown().transform((value, context): T => {
    const reading = read(value);
    if ("value" in reading) return reading.value;
    context.addIssue({ code: "custom", message: reading.message, params: { remedy: reading.remedy } });
    return z.NEVER;
  });
  forms.add(schema, { json });
  return schema;
}

/** A size with its unit, read as MiB. */
export function size() {
  return readBy(readSize, { type: "string", pattern: SIZE_PATTERN, examples: ["4GiB"] });
}

/** A size with its unit, read as MiB, or the word "none". */
export function sizeOrNone() {
  return readBy<number | "none">(
    (value) => value === "none" ? { value } : readSize(value),
    { anyOf: [{ const: "none" }, { type: "string", pattern: SIZE_PATTERN, examples: ["60GiB"] }] },
  );
}

function readSize(value: unknown): Reading<number> {
  const result = parseSize(value);
  return result.ok ? { value: result.sizeMiB } : result;
}

/** A text of a certain form; `rule` completes the sentence "Must be …". */
export function text(pattern: RegExp, rule: string) {
  return z.string().regex(pattern, { error: `Must be ${rule}` });
}

/** A text that is not empty. */
export function word() {
  return z.string().min(1);
}

/** A port of the host; 0 is "chosen once and kept". */
export function keptPort() {
  return z.int().min(0).max(65535);
}

/** A port, or a range of ports such as `3000-3010`. */
export function ports() {
  return readBy(readPorts, {
    anyOf: [{ type: "integer", minimum: 1, maximum: 65535 }, {
      type: "string",
      pattern: "^[0-9]{1,5}(-[0-9]{1,5})?$",
    }],
  });
}

function readPorts(value: unknown): Reading<{ first: number; last: number }> {
  const parts = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value));
  const first = Number(parts?.[1]);
  const last = Number(parts?.[2] ?? parts?.[1]);
  const isRange = (typeof value === "number" || typeof value === "string") && parts !== null;
  if (isRange && first >= 1 && first <= last && last <= 65535) return { value: { first, last } };
  return {
    message: "Must be a port from 1 to 65535 or a range",
    remedy: "Write for example 8080 or 3000-3010",
  };
}

/** Any value that JSON can hold, handed on as it is. */
export function json() {
  return z.custom<Json>((value) => value !== undefined);
}

/** A map from texts to values of one kind. */
export function mapOf<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value);
}
