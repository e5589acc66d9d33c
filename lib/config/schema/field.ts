import { z } from "zod";

// A command parses one file: compiling parsers for many of them costs more than it gains.
z.config({ jitless: true });

/**
 * What changing a key costs. `none`: nothing by itself; `identity`: it names another machine. Where it depends on
 * the change, each case has its own, e.g. `{ grow: "live", shrink: "recreate" }`.
 */
export type KeyEffect = "none" | "identity" | "live" | "service" | "restart" | "recreate" | "data-loss";
export type EffectRule = KeyEffect | Readonly<Record<string, KeyEffect>>;

/** How a key of one file meets the same key of a file that it extends. */
export type MergeRule =
  /** The extending file's value stands alone. */
  | "replace"
  /** Map by map, key by key. */
  | "deep"
  /** Entry by entry, where entries with the same identity are merged. */
  | "by-identity"
  /** Both lists as one set. */
  | "unite";

/** What is known of a key beyond its type: the one source for refusals, the reference, and the JSON Schema. */
export interface Field {
  readonly description: string;
  readonly effect: EffectRule;
  /** `later`: part of the format, but this version refuses it. */
  readonly support: "yes" | "later";
  /** The texts that can be used now, where the type allows more. */
  readonly supported?: readonly string[];
  /** The default in words, where it depends on the host or on other keys. */
  readonly defaultNote?: string;
  readonly merge: MergeRule;
  /** The keys that tell one entry of a list from another. */
  readonly identity?: readonly string[];
  /** Keys of the same map that it takes the place of when files are merged. */
  readonly insteadOf?: readonly string[];
  /** A bare text stands for a map with this key alone. */
  readonly shortFor?: string;
}

/** Every key's field, by its schema. */
export const fields = z.registry<Field>();

/** The JSON Schema of values whose reading is code, e.g. sizes. */
export const forms = z.registry<{ readonly json: object }>();

/** What the keys of one block share. */
type BlockRule = Pick<Field, "effect" | "support">;

type KeyRule = Partial<Omit<Field, "description">>;

/** Gives a function that registers keys of one block, so that each says only what is its own. */
export function keysOf(
  block: BlockRule,
): <T extends z.ZodType>(schema: T, description: string, rule?: KeyRule) => T {
  return (schema, description, rule = {}) => {
    fields.add(schema, { merge: mergeRule(schema, rule), ...block, ...rule, description });
    return schema;
  };
}

function mergeRule(schema: z.ZodType, rule: KeyRule): MergeRule {
  if (rule.identity) return "by-identity";
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject || inner instanceof z.ZodRecord ? "deep" : "replace";
}

/** The schema inside of defaults and `optional`. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const isWrapper = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault;
  return isWrapper ? unwrap(schema.def.innerType) : schema;
}
