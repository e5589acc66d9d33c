import assert from "node:assert/strict";
import type { PlanJson } from "../../lib/ui/plan_schema.ts";
import type { Draft } from "./change_row.ts";
import { guestState, MADE_BY_STEPS } from "./guest_state.ts";
import { HAND_EDITS, type HandEdit, OUTSIDE } from "./hand_edits.ts";
import { randomOf, seedOf, shuffle } from "./random.ts";
import type { Sandbox } from "./sandbox.ts";
import { assertConverged } from "./converged.ts";

const NAME = "full";
const GROUPS = 4;

/** Things changed by hand in a guest, in random groups: each is told for what it is, and one apply heals them all. */
export async function drift(t: Deno.TestContext, sandbox: Sandbox, file: Draft): Promise<void> {
  const seed = seedOf("hand edits");
  await sandbox.write({ ...file });
  for (const [index, group] of groupsOf(seed).entries()) {
    await t.step(
      `${group.map(({ what }) => what).join(", ")} (seed ${seed}, group ${index + 1})`,
      async () => {
        const before = await guestState(sandbox, NAME, MADE_BY_STEPS);
        for (const { script } of group) await sandbox.inGuest(NAME, script);
        const plan = JSON.parse((await sandbox.expect(2, ["diff", "-o", "json"])).out) as PlanJson;
        assert.deepEqual(
          plan.changes.map(({ address }) => address).sort(),
          group.map(({ address }) => address).sort(),
        );
        for (const change of plan.changes) {
          const words = [change.reason, ...change.paths.map(({ note }) => note)].join("; ");
          assert.match(words, OUTSIDE, JSON.stringify(change));
        }
        await sandbox.expect(0, ["apply", "--yes"]);
        await assertConverged(sandbox);
        assert.deepEqual(await guestState(sandbox, NAME, MADE_BY_STEPS), before);
      },
    );
  }
}

/** Edits in random groups, none with two of the same thing. */
function groupsOf(seed: number): readonly (readonly HandEdit[])[] {
  const groups = Array.from({ length: GROUPS }, (): HandEdit[] => []);
  for (const edit of shuffle(HAND_EDITS, randomOf(seed))) {
    const free = groups.filter((group) => group.every(({ address }) => address !== edit.address));
    free.sort((a, b) => a.length - b.length)[0]?.push(edit);
  }
  return groups;
}
