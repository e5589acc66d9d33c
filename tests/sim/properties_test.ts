import assert from "node:assert/strict";
import { PROPERTIES } from "./properties/all.ts";
import { PLANNER } from "./properties/planner.ts";

/** As many as are tried every time; `deno task sim` tries more, and others. */
const MACHINES = 200;
const SEED = 20261122;

Deno.test(`whole applies on ${MACHINES} random machines for each property`, async (t) => {
  const properties = PROPERTIES.filter((property) => !PLANNER.includes(property)); // those have tests of their own
  const words = [
    ...properties.flatMap(({ name }) => ["--property", name]),
    ...["--seed", String(SEED), "--machines", String(MACHINES)],
  ];
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("./run.ts", import.meta.url).pathname, ...words],
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  for (const { name, says, percent = 100 } of properties) {
    await t.step(`${name}: ${says}`, () => {
      const machines = Math.max(1, MACHINES * percent / 100);
      assert.match(said, new RegExp(`^holds  ${name} +${machines} machines, `, "m"), said);
    });
  }
});
