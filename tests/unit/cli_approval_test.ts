import assert from "node:assert/strict";
import { approvalFor, approvalQuestion, isYes, removalApproval } from "../../lib/cli/approval.ts";
import { EFFECTS } from "../../lib/plan/effects.ts";
import type { Effect, Plan } from "../../lib/plan/types.ts";

const HARMLESS = ["live"];
const COVERED = ["live", "service", "restart"];

/** yes, allow, somebody to ask → effects that need no question. */
const TABLE: readonly (readonly [yes: boolean, allow: Effect[], person: boolean, allowed: string[]])[] = [
  [false, [], false, HARMLESS],
  [true, [], false, COVERED],
  [false, ["recreate"], false, ["live", "recreate"]],
  [true, ["recreate"], false, [...COVERED, "recreate"]],
  [true, ["data-loss"], false, [...COVERED, "data-loss"]],
  [true, ["recreate", "data-loss"], false, [...EFFECTS]],
  [false, [], true, []],
  [true, [], true, COVERED],
  [false, ["data-loss"], true, ["data-loss"]],
  [true, ["recreate"], true, [...COVERED, "recreate"]],
];

Deno.test("approvalFor() allows what the command line said, and no more", () => {
  for (const [yes, allow, person, allowed] of TABLE) {
    const approval = approvalFor({ yes, allow }, person ? () => Promise.resolve("y") : undefined);
    assert.deepEqual(
      EFFECTS.filter((effect) => approval.allowed.has(effect)),
      allowed,
      JSON.stringify([yes, allow, person]),
    );
    assert.equal(approval.ask !== undefined, person);
  }
});

function planOf(...effects: Effect[]): Plan {
  const changes = effects.map((effect, index) => ({
    address: `thing:${index}`,
    phase: 3,
    action: "update" as const,
    effect,
    paths: [],
    dependsOn: [],
  }));
  return { machine: "dev", changes, complete: true };
}

Deno.test("approvalFor() takes only yes for yes", async () => {
  for (
    const [answer, agreed] of [["y", true], ["YES", true], [" y ", true], ["", false], ["n", false], [
      "yep",
      false,
    ]] as const
  ) {
    const approval = approvalFor({ yes: false, allow: [] }, () => Promise.resolve(answer));
    assert.equal(await approval.ask?.(planOf("live")), agreed, answer);
  }
  assert.equal(isYes(undefined), false);
});

Deno.test("approvalQuestion() names the worst effect and what causes it", () => {
  assert.equal(approvalQuestion(planOf("live", "service")), "Apply these changes? [y/N] ");
  assert.match(approvalQuestion(planOf("live", "restart")), /^The machine RESTARTS: thing:1\n/);
  assert.match(approvalQuestion(planOf("recreate", "restart")), /MADE ANEW, data disks stay: thing:0\n/);
  assert.match(
    approvalQuestion(planOf("recreate", "data-loss")),
    /^DATA IS LOST: thing:1\nApply these changes\? \[y\/N\] $/,
  );
});

Deno.test("removalApproval() lets nothing be deleted without a yes, not even what is harmless", async () => {
  const silent = removalApproval({ yes: false, allow: ["recreate"] }, undefined);
  assert.deepEqual([[...silent.allowed], silent.ask], [[], undefined]);
  const agreed = removalApproval({ yes: true, allow: [] }, undefined);
  assert.deepEqual(EFFECTS.filter((effect) => agreed.allowed.has(effect)), COVERED);
  let question = "";
  const person = removalApproval({ yes: false, allow: [] }, (asked) => {
    question = asked;
    return Promise.resolve("y");
  });
  assert.deepEqual([...person.allowed], []);
  assert.equal(await person.ask?.(planOf("live")), true);
  assert.equal(question, 'Delete machine "dev"? Its data disk is kept. [y/N] ');
});
