import type { z } from "zod";
import { variableAsSet } from "../host/environment.ts";
import { expandTexts } from "./expand.ts";
import { type HostPaths, withoutEndSlash } from "./host_path.ts";
import { childOf } from "./json.ts";
import { plainValue, type SourceNode } from "./node.ts";
import type { Field } from "./schema/field.ts";
import { below, defaultOf } from "./schema/walk.ts";
import type { Json } from "./types.ts";

/** A list whose entries are told apart by keys. */
export interface IdentityList {
  readonly schema: z.core.$ZodType;
  readonly field: Field;
}

/**
 * What tells an entry of a list from the others, as one text: of files their path, of mounts their target.
 * `undefined` where the entry does not say it.
 */
export function identityOf(entry: SourceNode, list: IdentityList, paths: HostPaths): string | undefined {
  const value = expandTexts(plainValue(entry), variableAsSet).value;
  const parts = (list.field.identity ?? []).map((key) => {
    const given = childOf(value, key);
    if (typeof given === "string") return key === "target" ? withoutEndSlash(given) : given;
    if (given !== undefined) return given === null ? undefined : JSON.stringify(given);
    return key === "target" ? targetLikeSource(entry, value, paths) : defaultText(list.schema, key);
  });
  if (parts.every((part) => part === undefined)) return undefined;
  return parts.length === 1 ? String(parts[0]) : JSON.stringify(parts.map((part) => part ?? null));
}

/** A mount that names no target is at the path of its source. */
function targetLikeSource(entry: SourceNode, value: Json, paths: HostPaths): string | undefined {
  const source = childOf(value, "source");
  const at = entry.kind === "map" ? entry.entries.get("source")?.at : undefined;
  return typeof source === "string" && at ? paths.resolve(source, at.file) : undefined;
}

function defaultText(list: z.core.$ZodType, key: string): string | undefined {
  const entry = below(list, 0);
  const schema = entry && below(entry, key);
  const value = schema && defaultOf(schema);
  return typeof value === "string" ? value : undefined;
}
