import type { z } from "zod";

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Says in words, for the reference, which values a JSON Schema accepts. */
export function valueWords(schema: JsonSchema): string {
  return choice(choicesOf(schema));
}

/** Tells a schema from what else may stand in its place: a boolean, a list, nothing. */
export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Words as alternatives: `a, b or c`. */
export function choice(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** A value as it is written in the file, in Markdown. */
export function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function choicesOf(schema: JsonSchema): string[] {
  if (schema.const !== undefined) return [code(schema.const)];
  if (schema.enum) return schema.enum.map(code);
  if (schema.anyOf) return schema.anyOf.filter(isSchema).flatMap(choicesOf);
  const types: readonly (string | undefined)[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.flatMap((type) => typeWords(type, schema));
}

function typeWords(type: string | undefined, schema: JsonSchema): string[] {
  const [example] = schema.examples ?? [];
  switch (type) {
    case "string":
      return [example === undefined ? "a text" : `a text such as ${code(example)}`];
    case "integer":
      return [`a whole number${boundsOf(schema)}`];
    case "number":
      return ["a number"];
    case "boolean":
      return ["`true`", "`false`"];
    case "array":
      return [`a list, each entry ${isSchema(schema.items) ? valueWords(schema.items) : "any value"}`];
    case "object":
      return [schema.properties ? "a map of the keys below" : `a map, each value ${mapWords(schema)}`];
    default:
      return ["any value"];
  }
}

function mapWords({ additionalProperties }: JsonSchema): string {
  return isSchema(additionalProperties) ? valueWords(additionalProperties) : "any value";
}

function boundsOf({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, at least ${minimum}`;
  return maximum === undefined ? "" : `, at most ${maximum}`;
}
