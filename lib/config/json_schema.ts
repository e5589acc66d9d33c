import { z } from "zod";
import { fields, forms } from "./schema/field.ts";
import { machineFile } from "./schema/machine.ts";

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Bounds that the library writes for every whole number, which say nothing to people. */
const NO_BOUNDS: readonly (number | undefined)[] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

/**
 * The JSON Schema of machine.yaml (draft 2020-12), for editors: what may be written, short forms too. Beside the
 * standard words it says what a change costs (`x-effect`), what works now (`x-support`), and how lists are merged.
 */
export function machineJsonSchema(): object {
  const schema = z.toJSONSchema(machineFile, {
    target: "draft-2020-12",
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => describe(zodSchema, jsonSchema),
  });
  const { $schema, ...rest } = schema;
  return {
    $schema,
    $id: "urn:machine:schema:v1",
    title: "machine.yaml, version 1",
    description: "A Linux machine for containers, as one file",
    ...rest,
  };
}

/** The text of schemas/machine.v1.schema.json. */
export function renderMachineSchema(): string {
  return `${JSON.stringify(machineJsonSchema(), null, 2)}\n`;
}

function describe(zodSchema: z.core.$ZodTypes, jsonSchema: JsonSchema): void {
  const form = zodSchema instanceof z.ZodType ? forms.get(zodSchema) : undefined;
  if (form) Object.assign(jsonSchema, form.json);
  if (NO_BOUNDS.includes(jsonSchema.minimum)) delete jsonSchema.minimum;
  if (NO_BOUNDS.includes(jsonSchema.maximum)) delete jsonSchema.maximum;
  if (isEmptyMap(jsonSchema.default)) delete jsonSchema.default;
  allowVariables(jsonSchema);
  const field = zodSchema instanceof z.ZodType ? fields.get(zodSchema) : undefined;
  if (!field) return;
  jsonSchema.description = field.support === "later"
    ? `${field.description} (not supported yet)`
    : field.description;
  jsonSchema["x-effect"] = field.effect;
  jsonSchema["x-support"] = field.support;
  if (field.supported) jsonSchema["x-supported"] = [...field.supported];
  if (field.defaultNote !== undefined) jsonSchema["x-default"] = field.defaultNote;
  if (field.merge !== "replace") jsonSchema["x-merge"] = field.merge;
  if (field.identity) jsonSchema["x-identity"] = [...field.identity];
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

const VARIABLE = "\\$\\{env:";

/** A text with `${env:NAME}` in it has its form only once it is expanded, which an editor cannot do. */
function allowVariables(jsonSchema: JsonSchema): void {
  for (const schema of [jsonSchema, ...(jsonSchema.anyOf ?? [])]) {
    if (typeof schema !== "object" || typeof schema.pattern !== "string") continue;
    if (!schema.pattern.includes(VARIABLE)) schema.pattern = `${schema.pattern}|${VARIABLE}`;
  }
}
