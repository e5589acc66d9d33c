import assert from "node:assert/strict";
import fc from "fast-check";
import { limitTo, nearAddresses } from "../../lib/plan/target.ts";
import type { Action, Address, Plan, PlannedChange } from "../../lib/plan/types.ts";

function line(
  address: Address,
  dependsOn: readonly Address[] = [],
  action: Action = "update",
): PlannedChange {
  return { address, phase: 1, action, effect: "live", paths: [], dependsOn };
}

const PLAN: Plan = {
  machine: "dev",
  complete: true,
  changes: [
    line("image", [], "none"),
    line("disk:system", ["image"]),
    line("disk:data"),
    line("vm", ["disk:system"]),
    line("mount:/src", ["vm"], "create"),
    line("mount:/data", ["vm", "disk:data"]),
    line("mounts"),
    line("engine:docker", ["vm"]),
    line("context:docker", ["engine:docker", "sshd"]),
  ],
};

/** What is left of the plan, or the unknown targets. */
function limited(
  targets: readonly Address[],
  plan = PLAN,
): readonly string[] | { unknown: readonly string[] } {
  const result = limitTo(plan, targets);
  return "unknown" in result ? result : result.changes.map(({ address }) => address);
}

const ROWS: readonly (readonly [targets: readonly string[], kept: readonly string[]])[] = [
  [["image"], ["image"]],
  [["vm"], ["image", "disk:system", "vm"]],
  [["context:docker"], ["image", "disk:system", "vm", "engine:docker", "context:docker"]],
  [["mount:/src"], ["image", "disk:system", "vm", "mount:/src"]],
  [["mount"], ["image", "disk:system", "disk:data", "vm", "mount:/src", "mount:/data"]],
  [["mounts"], ["mounts"]],
  [["disk"], ["image", "disk:system", "disk:data"]],
  [["mounts", "disk:data"], ["disk:data", "mounts"]],
];

Deno.test("limitTo() keeps what is named and all that it depends on, in the plan's order", () => {
  for (const [targets, kept] of ROWS) assert.deepEqual(limited(targets), kept, targets.join(" "));
});

Deno.test("limitTo() gives the targets that name nothing", () => {
  assert.deepEqual(limited(["vm", "mount:/sr", "moun", "engine:podman"]), {
    unknown: ["mount:/sr", "moun", "engine:podman"],
  });
});

Deno.test("limitTo() says in the plan what it was limited to, and whether the rest is complete", () => {
  const plan: Plan = {
    ...PLAN,
    complete: false,
    changes: [line("hostname"), line("engine:docker", [], "deferred")],
  };
  const one = limitTo(plan, ["hostname"]);
  const other = limitTo(plan, ["engine:docker"]);
  assert.ok(!("unknown" in one) && !("unknown" in other));
  assert.deepEqual([one.targets, one.complete], [["hostname"], true]);
  assert.deepEqual([other.targets, other.complete], [["engine:docker"], false]);
});

Deno.test("limitTo() removes what stands on something before it removes that", () => {
  const plan: Plan = {
    ...PLAN,
    changes: [
      line("context:docker", ["socket"], "delete"),
      line("socket", ["engine:docker"], "delete"),
      line("engine:docker", ["vm"], "delete"),
      line("user", ["engine:docker"]),
      line("vm", [], "none"),
    ],
  };
  assert.deepEqual(limited(["engine:docker"], plan), ["context:docker", "socket", "engine:docker", "vm"]);
});

Deno.test("limitTo() leaves no line without what it depends on, and keeps nothing that is neither named nor needed", () => {
  const plans = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 12 }).map((
    seeds,
  ): Plan => ({
    machine: "dev",
    complete: true,
    changes: seeds.map((parents, index) =>
      line(`thing:${index}`, index === 0 ? [] : parents.map((parent) => `thing:${parent % index}`))
    ),
  }));
  fc.assert(
    fc.property(plans, fc.nat(), (plan, pick) => {
      const target = plan.changes[pick % plan.changes.length]!.address;
      const result = limitTo(plan, [target]);
      assert.ok(!("unknown" in result));
      const kept = new Set(result.changes.map(({ address }) => address));
      for (const { dependsOn } of result.changes) for (const needed of dependsOn) assert.ok(kept.has(needed));
      const needed = new Set(result.changes.flatMap(({ dependsOn }) => dependsOn));
      for (const address of kept) assert.ok(address === target || needed.has(address), address);
    }),
  );
});

Deno.test("nearAddresses() names the kind's own, else what sounds alike, else everything", () => {
  assert.deepEqual(nearAddresses(PLAN, "mount:/sr"), ["mount:/src", "mount:/data"]);
  assert.deepEqual(nearAddresses(PLAN, "docker"), ["engine:docker", "context:docker"]);
  assert.deepEqual(nearAddresses(PLAN, "daemon:docker"), ["engine:docker", "context:docker"]);
  assert.deepEqual(nearAddresses(PLAN, "zzz").length, PLAN.changes.length);
});
