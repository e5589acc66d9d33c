import assert from "node:assert/strict";
import { z } from "zod";
import { EFFECTS } from "../../lib/plan/effects.ts";
import type { Action, Plan, PlannedChange } from "../../lib/plan/types.ts";
import { plansJson } from "../../lib/ui/plan_json.ts";
import { planOutput, renderPlanSchema } from "../../lib/ui/plan_schema.ts";
import { yamlText } from "../../lib/ui/yaml_text.ts";
import { parse } from "yaml";

const FILE = new URL("../../schemas/plan.v1.schema.json", import.meta.url);

const ACTIONS: readonly Action[] = ["none", "create", "update", "recreate", "delete", "deferred", "blocked"];

/** A plan with every action and effect, and values of every kind. */
function fullPlan(machine: string): Plan {
  const values = [undefined, null, true, 1, "text", ["a", { b: undefined }], { c: [1] }];
  const changes = ACTIONS.flatMap((action) =>
    EFFECTS.map((effect): PlannedChange => ({
      address: `${action}:${effect}`,
      phase: 1,
      action,
      effect,
      dependsOn: ["vm"],
      ...(effect === "live" ? {} : { reason: "why", interrupts: ["web"], path: "vm" }),
      paths: values.map((value, index) => ({
        path: `path${index}`,
        before: value,
        after: values[values.length - 1 - index],
        effect,
        ...(index === 0 ? { note: "changed outside" } : {}),
      })),
    }))
  );
  return { machine, changes, complete: false, targets: ["vm"] };
}

const OUTPUTS: readonly (readonly [what: string, output: unknown])[] = [
  [
    "an empty plan",
    plansJson([{ machine: "dev", changes: [], complete: true }], { verbose: false, isSeveral: false }),
  ],
  ["a full plan", plansJson([fullPlan("dev")], { verbose: true, isSeveral: false })],
  ["several plans", plansJson([fullPlan("a"), fullPlan("b")], { verbose: false, isSeveral: true })],
  [
    "one plan of a file with several machines",
    plansJson([fullPlan("a")], { verbose: false, isSeveral: true }),
  ],
  ["no plan of a file with several machines", plansJson([], { verbose: false, isSeveral: true })],
];

Deno.test("schemas/plan.v1.schema.json is what the code says", async () => {
  assert.equal(await Deno.readTextFile(FILE), renderPlanSchema());
});

Deno.test("plansJson() gives what both forms of the schema accept, as JSON and as YAML", () => {
  const schema = z.fromJSONSchema(JSON.parse(renderPlanSchema()));
  for (const [what, output] of OUTPUTS) {
    const printed: unknown = JSON.parse(JSON.stringify(output));
    assert.deepEqual(planOutput.safeParse(printed).error?.issues, undefined, what);
    assert.deepEqual(schema.safeParse(printed).error?.issues, undefined, what);
    assert.deepEqual(parse(yamlText(output)), printed, what);
  }
});

Deno.test("the plan's schema refuses what no plan is", () => {
  const schema = z.fromJSONSchema(JSON.parse(renderPlanSchema()));
  const plan = JSON.parse(JSON.stringify(plansJson([fullPlan("dev")], { verbose: true, isSeveral: false })));
  const wrong = [
    {},
    [plan],
    { ...plan, formatVersion: "2" },
    { ...plan, complete: "yes" },
    { ...plan, changes: [{ ...plan.changes[0], action: "explode" }] },
    { ...plan, changes: [{ ...plan.changes[0], effect: "none" }] },
    { ...plan, summary: { ...plan.summary, add: -1 } },
    { ...plan, summary: { ...plan.summary, worstEffect: undefined } },
    { formatVersion: "1", plans: [{ ...plan, machine: 1 }] },
  ];
  for (const output of wrong) {
    assert.equal(
      schema.safeParse(JSON.parse(JSON.stringify(output))).success,
      false,
      JSON.stringify(output).slice(0, 80),
    );
    assert.equal(planOutput.safeParse(output).success, false);
  }
});

Deno.test("the plan's schema lets fields of later versions pass, and the program writes none of its own accord", () => {
  const schema = z.fromJSONSchema(JSON.parse(renderPlanSchema()));
  const [, output] = OUTPUTS[1]!;
  const later = { ...JSON.parse(JSON.stringify(output)), novel: 1 };
  assert.equal(schema.safeParse(later).success, true);
  assert.equal(planOutput.safeParse(later).success, false);
});
