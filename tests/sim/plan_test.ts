import assert from "node:assert/strict";
import fc from "fast-check";
import { equal } from "../../lib/plan/equal.ts";
import { PLANNER } from "./properties/planner.ts";
import { tryOut } from "./try_out.ts";

for (const property of PLANNER) {
  Deno.test(`makePlan(): ${property.says}`, async () => {
    const tried = await tryOut(property, { machines: 600, seed: 1 });
    assert.ok(tried.holds, tried.holds ? "" : tried.failure);
  });
}

Deno.test("equal() is an equivalence that ignores the order of keys", () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(json, json, (a, b) => {
      assert.ok(equal(a, structuredClone(a)));
      assert.ok(equal(a, reversed(a)));
      assert.equal(equal(a, b), equal(b, a));
    }),
    { numRuns: 600 },
  );
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, entry]) => [key, reversed(entry)]));
}
