import { safeParse, type z } from "zod";
import type { Finding } from "./finding.ts";
import type { Path } from "./path.ts";
import { machineFile } from "./schema/machine.ts";
import { below, fieldOf } from "./schema/walk.ts";
import type { Json } from "./types.ts";

/**
 * What the value asks for that the format has and this version has not: refused instead of ignored, because a
 * key without effect would be a promise that is not kept.
 */
export function findUnsupported(
  value: Json,
  schema: z.core.$ZodType = machineFile,
  path: Path = [],
): Finding[] {
  const field = fieldOf(schema);
  if (field?.support === "later") {
    const remedy = path.length === 1 ? "Remove this block" : "Remove this key";
    return [{ path, at: "key", message: "Is not supported yet", remedy }];
  }
  if (typeof value === "string") return findUnsupportedText(value, schema, path);
  if (value === null || typeof value !== "object") return [];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([step, child]) => {
    const childSchema = below(schema, step);
    return childSchema ? findUnsupported(child, childSchema, [...path, step]) : [];
  });
}

function findUnsupportedText(value: string, schema: z.core.$ZodType, path: Path): Finding[] {
  const supported = fieldOf(schema)?.supported;
  if (!supported || supported.includes(value) || !isAccepted(value, schema)) return [];
  const choice = supported.map((text) => `"${text}"`).join(" or ");
  return [{ path, message: `"${value}" is not supported yet`, remedy: `Use ${choice}` }];
}

/** A text that the format does not have at all is for the type check to report. */
function isAccepted(value: string, schema: z.core.$ZodType): boolean {
  return safeParse(schema, value).success;
}
