import { z } from "zod";

/** The form of `-o json` plans, in one place: the types, the JSON Schema and the tests come from here. */

const EFFECTS = ["live", "service", "restart", "recreate", "data-loss"] as const;
const ACTIONS = ["none", "create", "update", "recreate", "delete", "deferred", "blocked"] as const;

const effect = z.enum(EFFECTS).describe("What making it costs, from harmless to worst");
const count = z.number().int().min(0);

const pathJson = z.strictObject({
  path: z.string().describe("The key of the machine file, or what was looked at where no key says it"),
  before: z.unknown().describe("What is there now; null where nothing is. Secrets are ***"),
  after: z.unknown().describe("What is wanted; null where nothing is"),
  effect,
  note: z.string().nullable().describe('Why it differs, e.g. "changed outside"'),
}).readonly();

const changeJson = z.strictObject({
  address: z.string().describe("kind or kind:id, as --target takes it"),
  action: z.enum(ACTIONS).describe("deferred: known after a first round; blocked: needs a person"),
  effect,
  reason: z.string().nullable(),
  interrupts: z.array(z.string()).readonly().describe("What stops working meanwhile, by name"),
  paths: z.array(pathJson).readonly(),
}).readonly().meta({ id: "change" });

const planJson = z.strictObject({
  formatVersion: z.literal("1").describe(
    "Changes when a field changes its meaning or goes; fields may be added",
  ),
  machine: z.string(),
  targets: z.array(z.string()).readonly().describe("What the plan was limited to; empty: the whole machine"),
  changes: z.array(changeJson).readonly().describe("In the order of work; what is equal only with -v"),
  complete: z.boolean().describe("False: more may follow once these changes are made"),
  summary: z.strictObject({
    add: count,
    change: count,
    recreate: count,
    remove: count,
    deferred: count,
    blocked: count,
    unchanged: count,
    worstEffect: effect,
  }).readonly(),
}).readonly().meta({ id: "plan" });

const plansJson = z.strictObject({
  formatVersion: z.literal("1"),
  plans: z.array(planJson).readonly().describe("A plan for each machine, in the order of the file"),
}).readonly();

/** What `machine diff -o json` prints: a plan, or all of them where the file declares several machines. */
export const planOutput = z.union([planJson, plansJson]);

/** A plan as programs read it. */
export type PlanJson = z.output<typeof planJson>;

/** One difference of a {@link PlanJson}. */
export type ChangeJson = z.output<typeof changeJson>;

/** The plans of a file with several machines. */
export type PlansJson = z.output<typeof plansJson>;

/** The JSON Schema of what `machine diff -o json` prints (draft 2020-12). */
export function planJsonSchema(): object {
  const { $schema, ...rest } = z.toJSONSchema(planOutput, { target: "draft-2020-12", override: forPeople });
  return {
    $schema,
    $id: "urn:machine:schema:plan:v1",
    title: "The output of machine diff -o json, version 1",
    description: "One plan, or, where the file declares several machines, all of their plans",
    ...rest,
  };
}

/** The text of schemas/plan.v1.schema.json. */
export function renderPlanSchema(): string {
  return `${JSON.stringify(planJsonSchema(), null, 2)}\n`;
}

/** Takes out what the library says and no reader needs; fields may be added, so a reader lets them pass. */
function forPeople({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  delete jsonSchema.readOnly;
  delete jsonSchema.additionalProperties;
}
