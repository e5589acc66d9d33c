import assert from "node:assert/strict";
import { makePlan } from "../../lib/plan/plan.ts";
import { planItem } from "../../lib/plan/rules.ts";
import { isConverged, worse, worstEffect } from "../../lib/plan/effects.ts";
import { equal } from "../../lib/plan/equal.ts";
import type { Change, Effect, Item, Plan } from "../../lib/plan/types.ts";

const OPTIONS = { machine: "dev", protect: false };

/** A thing that wants the text "a" and differs, with some effect, when another one was found. */
function item(parts: Partial<Item> & { effect?: Effect } = {}): Item {
  const { effect = "live", ...rest } = parts;
  return {
    address: "thing",
    phase: 1,
    realm: "guest",
    dependsOn: [],
    desired: "a",
    observed: { state: "present", value: "a", owned: true },
    compare: (desired, observed): readonly Change[] =>
      desired === observed ? [] : [{ path: "thing", before: observed, after: desired, effect }],
    ...rest,
  };
}

const present = (value: unknown, owned = true): Item["observed"] => ({ state: "present", value, owned });
const ABSENT: Item["observed"] = { state: "absent" };
const UNKNOWN: Item["observed"] = { state: "unknown", reason: "no answer" };
const LATER: Item["observed"] = { state: "unknown", reason: "known after start", until: "vm" };

const ROWS: readonly (readonly [string, Partial<Item> & { effect?: Effect }, string])[] = [
  ["creates what is absent", { observed: ABSENT }, "create live"],
  ["leaves what is equal", {}, "none live"],
  ["blocks what is unknown", { observed: UNKNOWN }, "blocked live no answer"],
  ["defers what is known later", { observed: LATER }, "deferred live known after start"],
  [
    "blocks what is not ours on the host",
    { realm: "host", observed: present("b", false) },
    "blocked live it exists and is not ours",
  ],
  [
    "blocks what is not ours on the host though it is equal",
    { realm: "host", observed: present("a", false) },
    "blocked live it exists and is not ours",
  ],
  ["replaces what is not ours in the guest", { observed: present("b", false) }, "update live"],
  ["deletes what is ours and no longer wanted", { desired: undefined }, "delete live"],
  [
    "leaves what is not ours and not wanted",
    { desired: undefined, observed: present("b", false) },
    "none live",
  ],
  ["leaves what is neither wanted nor there", { desired: undefined, observed: ABSENT }, "none live"],
  ["never deletes what is unknown", { desired: undefined, observed: UNKNOWN }, "blocked live no answer"],
  [
    "waits before it deletes what is known later",
    { desired: undefined, observed: LATER },
    "deferred live known after start",
  ],
  [
    "takes a refusal before all else",
    { refusal: "its source is gone", observed: ABSENT },
    "blocked live its source is gone",
  ],
  ["updates by a live change", { observed: present("b") }, "update live"],
  ["updates by a service", { observed: present("b"), effect: "service" }, "update service"],
  ["updates by a restart", { observed: present("b"), effect: "restart" }, "update restart"],
  ["makes anew", { observed: present("b"), effect: "recreate" }, "recreate recreate"],
  ["makes anew what loses data", { observed: present("b"), effect: "data-loss" }, "recreate data-loss"],
  [
    "says what creating means",
    { observed: ABSENT, creation: { effect: "service", reason: "new" } },
    "create service new",
  ],
  [
    "says what removing means",
    { desired: undefined, removal: { effect: "data-loss", reason: "gone" } },
    "delete data-loss gone",
  ],
];

for (const [name, parts, wanted] of ROWS) {
  Deno.test(`planItem() ${name}`, () => {
    const { action, effect, reason } = planItem(item(parts));
    assert.equal([action, effect, reason].filter((part) => part !== undefined).join(" "), wanted);
  });
}

/** A thing of two parts that differ each for itself. */
interface Parts {
  readonly a: number;
  readonly b: number;
}

function pair(desired: Parts, last: Parts | undefined, found: Parts): Item {
  const parts = (side: unknown) => side as Parts;
  return item({
    desired,
    observed: present(found),
    ...(last === undefined ? {} : { last }),
    compare: (want, have) =>
      (["a", "b"] as const).filter((path) => parts(want)[path] !== parts(have)[path]).map((path) => ({
        path,
        before: parts(have)[path],
        after: parts(want)[path],
        effect: "live",
      })),
  });
}

/** What is wanted, was wanted when it was applied last, and was found; and what the plan says of it. */
const THREE_WAYS: readonly (readonly [string, Parts, Parts | undefined, Parts, readonly string[]])[] = [
  ["only the file was edited", { a: 2, b: 1 }, { a: 1, b: 1 }, { a: 1, b: 1 }, ["a"]],
  ["only the guest was changed", { a: 1, b: 1 }, { a: 1, b: 1 }, { a: 7, b: 1 }, ["a changed outside"]],
  [
    "the file at one path, the guest at another",
    { a: 2, b: 1 },
    { a: 1, b: 1 },
    { a: 1, b: 7 },
    ["a", "b changed outside"],
  ],
  ["both at the same path", { a: 2, b: 1 }, { a: 1, b: 1 }, { a: 7, b: 1 }, ["a changed outside"]],
  ["the guest was made what the file says now", { a: 2, b: 1 }, { a: 1, b: 1 }, { a: 2, b: 1 }, []],
  ["both paths of the guest", { a: 1, b: 1 }, { a: 1, b: 1 }, { a: 7, b: 7 }, [
    "a changed outside",
    "b changed outside",
  ]],
  ["nobody knows what was applied last", { a: 1, b: 1 }, undefined, { a: 7, b: 1 }, ["a"]],
];

for (const [name, desired, last, found, wanted] of THREE_WAYS) {
  Deno.test(`planItem() tells an edit from a change outside: ${name}`, () => {
    const { paths } = planItem(pair(desired, last, found));
    assert.deepEqual(paths.map(({ path, note }) => note === undefined ? path : `${path} ${note}`), wanted);
    assert.deepEqual(paths.map(({ before }) => before), paths.map(({ path }) => found[path as keyof Parts]));
  });
}

Deno.test("planItem() leaves a kind's own words where it has some", () => {
  const compare = () => [{ path: "p", before: 1, after: 2, effect: "live" as const, note: "own words" }];
  assert.equal(planItem(item({ observed: present("b"), last: "a", compare })).paths[0]?.note, "own words");
});

Deno.test("planItem() says 'removed outside' of what was applied and is gone", () => {
  const reasonOf = (parts: Partial<Item>) => planItem(item({ observed: ABSENT, ...parts })).reason;
  assert.equal(reasonOf({ last: "a" }), "removed outside");
  assert.equal(reasonOf({}), undefined);
  const creation = { effect: "live", reason: "mounted on /x" } as const;
  assert.equal(reasonOf({ last: "a", creation }), "removed outside; mounted on /x");
  assert.equal(reasonOf({ creation }), "mounted on /x");
});

Deno.test("planItem() points at the path in the file", () => {
  assert.equal(planItem(item({ path: "mounts" })).path, "mounts");
});

for (const effect of ["recreate", "data-loss"] as const) {
  Deno.test(`makePlan() of a protected machine refuses ${effect}`, () => {
    const plan = makePlan([
      item({ observed: present("b"), effect }),
      item({ address: "other", observed: present("b"), effect: "restart" }),
      item({ address: "old", desired: undefined, removal: { effect } }),
    ], { ...OPTIONS, protect: true });
    assert.deepEqual(actions(plan), { old: "blocked", other: "update", thing: "blocked" });
    assert.match(find(plan, "thing").reason ?? "", /"protect: true" refuses/);
    assert.equal(worstEffect(plan), "restart");
  });
}

Deno.test("makePlan() blocks what depends on something blocked, over several steps, and nothing else", () => {
  const plan = makePlan([
    item({ address: "vm", phase: 3, observed: UNKNOWN }),
    item({ address: "engine", phase: 12, dependsOn: ["vm"], observed: present("b"), effect: "service" }),
    item({ address: "socket", phase: 16, dependsOn: ["engine"], observed: ABSENT }),
    item({ address: "same", phase: 16, dependsOn: ["engine"] }),
    item({ address: "old", phase: 16, dependsOn: ["engine"], desired: undefined }),
    item({ address: "image", phase: 1, observed: ABSENT }),
  ], OPTIONS);
  assert.deepEqual(actions(plan), {
    engine: "blocked",
    image: "create",
    old: "delete",
    same: "none",
    socket: "blocked",
    vm: "blocked",
  });
  assert.match(find(plan, "socket").reason ?? "", /needs engine, which is blocked/);
  assert.equal(find(plan, "engine").effect, "live");
});

Deno.test("makePlan() defers what depends on something that is known later", () => {
  const plan = makePlan([
    item({ address: "engine", observed: LATER }),
    item({ address: "socket", dependsOn: ["engine"], observed: ABSENT }),
  ], OPTIONS);
  assert.deepEqual(actions(plan), { engine: "deferred", socket: "deferred" });
});

for (const effect of ["recreate", "data-loss"] as const) {
  Deno.test(`makePlan() looks again at what stands on a thing that is made anew (${effect})`, () => {
    const plan = makePlan([
      item({ address: "disk", phase: 2, observed: present("b"), effect }),
      item({ address: "vm", phase: 3, dependsOn: ["disk"] }),
      item({ address: "hostname", phase: 5, dependsOn: ["vm"], observed: present("b") }),
      item({ address: "image", phase: 1, observed: ABSENT }),
    ], OPTIONS);
    assert.deepEqual(actions(plan), { disk: "recreate", hostname: "deferred", image: "create", vm: "none" });
    assert.equal(find(plan, "hostname").reason, "known after disk");
    assert.equal(plan.complete, false);
  });
}

Deno.test("makePlan() looks again at what stood on a thing that is taken away", () => {
  const plan = makePlan([
    item({ address: "disk", phase: 2, desired: undefined, removal: { effect: "data-loss" } }),
    item({ address: "vm", phase: 3, dependsOn: ["disk"], observed: present("b"), effect: "restart" }),
    item({ address: "folders", phase: 9, dependsOn: ["vm", "disk"], desired: undefined }),
  ], OPTIONS);
  assert.deepEqual(plan.changes.map(({ address, action }) => `${address} ${action}`), [
    "folders delete",
    "disk delete",
    "vm deferred",
  ]);
});

Deno.test("makePlan() works by phase and address, and takes away first and backwards", () => {
  const plan = makePlan([
    item({ address: "b", phase: 2, observed: ABSENT }),
    item({ address: "c", phase: 1, observed: ABSENT }),
    item({ address: "a", phase: 2, observed: ABSENT }),
    item({ address: "old:1", phase: 3, desired: undefined }),
    item({ address: "old:2", phase: 9, desired: undefined }),
  ], OPTIONS);
  assert.deepEqual(plan.changes.map(({ address }) => address), ["old:2", "old:1", "c", "a", "b"]);
});

Deno.test("makePlan() works within a phase by the order of the file where there is one", () => {
  const plan = makePlan([
    item({ address: "step:a", phase: 15, order: 1, observed: ABSENT }),
    item({ address: "step:z", phase: 15, order: 0, observed: ABSENT }),
    item({ address: "step:m", phase: 15, order: 10, observed: ABSENT }),
    item({ address: "step:b", phase: 15, order: 9, observed: ABSENT }),
    item({ address: "other", phase: 14, observed: ABSENT }),
  ], OPTIONS);
  assert.deepEqual(plan.changes.map(({ address }) => address), [
    "other",
    "step:z",
    "step:a",
    "step:b",
    "step:m",
  ]);
});

Deno.test("makePlan() that takes everything away runs backwards through all of it", () => {
  const gone = { desired: undefined };
  const plan = makePlan([
    item({ address: "disk", phase: 2, ...gone }),
    item({ address: "vm", phase: 3, dependsOn: ["disk"], ...gone }),
    item({ address: "context", phase: 17, dependsOn: ["vm"], ...gone }),
  ], { ...OPTIONS, removing: true });
  assert.deepEqual(plan.changes.map(({ address, action }) => `${address} ${action}`), [
    "context delete",
    "vm delete",
    "disk delete",
  ]);
});

Deno.test("makePlan() is complete when everything could be looked at", () => {
  assert.equal(makePlan([item({ observed: present("b") })], OPTIONS).complete, true);
  assert.equal(makePlan([item({ observed: LATER })], OPTIONS).complete, false);
  assert.equal(makePlan([item({ observed: present("b"), effect: "recreate" })], OPTIONS).complete, false);
});

Deno.test("isConverged() is true only when nothing is to do, blocked or unknown", () => {
  assert.equal(isConverged(makePlan([item()], OPTIONS)), true);
  for (const observed of [ABSENT, UNKNOWN, LATER, present("b")]) {
    assert.equal(isConverged(makePlan([item(), item({ address: "x", observed })], OPTIONS)), false);
  }
});

Deno.test("worse() gives the one that interrupts more", () => {
  assert.equal(worse("live", "service"), "service");
  assert.equal(worse("data-loss", "recreate"), "data-loss");
  assert.equal(worse("restart", "restart"), "restart");
});

Deno.test("equal() compares values, not spelling", () => {
  assert.ok(equal({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }));
  assert.ok(equal({ a: undefined }, {}));
  const others: readonly (readonly [unknown, unknown])[] = [
    [[1, 2], [2, 1]],
    [[], {}],
    [null, {}],
    [null, undefined],
    [{ a: 1 }, { a: "1" }],
    [[1], [1, 2]],
    [{ a: { b: 1 } }, { a: { b: 2 } }],
  ];
  for (const [a, b] of others) assert.ok(!equal(a, b), `${JSON.stringify(a)} and ${JSON.stringify(b)}`);
});

function actions(plan: Plan): Record<string, string> {
  const entries = plan.changes.map(({ address, action }) => [address, action] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
}

function find(plan: Plan, address: string) {
  const change = plan.changes.find((candidate) => candidate.address === address);
  assert.ok(change, `${address} is not in the plan`);
  return change;
}
