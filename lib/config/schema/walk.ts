import { z } from "zod";
import type { Json } from "../types.ts";
import type { Path } from "../path.ts";
import { type Field, fields, unwrap } from "./field.ts";
import { machineFile } from "./machine.ts";

type Schema = z.core.$ZodType;

/** A key of the format, with its place in it; entries of lists are `[]`, keys of free maps `*`. */
export interface ListedField extends Field {
  readonly path: string;
}

/** The key's field, which is registered on the outermost schema: the one with the default. */
export function fieldOf(schema: Schema | undefined): Field | undefined {
  return schema instanceof z.ZodType ? fields.get(schema) : undefined;
}

/** The schema of one step below, as far as the schema says one; of a union, the map among its members. */
export function below(schema: Schema, step: string | number): Schema | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return inner.shape[step];
  if (inner instanceof z.ZodArray) return inner.element;
  if (inner instanceof z.ZodRecord) return inner.valueType;
  return inner instanceof z.ZodUnion ? firstOf(inner.options, (option) => below(option, step)) : undefined;
}

/** The keys that a map at this schema may have; empty where any key may stand. */
export function keysAt(schema: Schema | undefined): readonly string[] {
  const inner = schema && unwrap(schema);
  if (inner instanceof z.ZodObject) return Object.keys(inner.shape);
  if (inner instanceof z.ZodUnion) return inner.options.flatMap(keysAt);
  return [];
}

/** The schema at a path of a machine file. */
export function schemaAt(path: Path): Schema | undefined {
  let schema: Schema | undefined = machineFile;
  for (const step of path) schema = schema && below(schema, step);
  return schema;
}

/** The default that stands in the schema itself; `undefined` where there is none or the host decides. */
export function defaultOf(schema: Schema): Json | undefined {
  if (schema instanceof z.ZodOptional) return defaultOf(schema.def.innerType);
  const isDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  return isDefault ? schema.def.defaultValue as Json : undefined;
}

/** Every key of the format in the order of the reference. */
export function listFields(schema: Schema = machineFile, prefix = ""): ListedField[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray) return listFields(inner.element, `${prefix}[]`);
  if (inner instanceof z.ZodRecord) return listFields(inner.valueType, `${prefix}.*`);
  if (inner instanceof z.ZodUnion) {
    return inner.options.flatMap((option: Schema) => listFields(option, prefix));
  }
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape).flatMap(([key, child]) => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    const field = fieldOf(child);
    return [...(field ? [{ path, ...field }] : []), ...listFields(child, path)];
  });
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
