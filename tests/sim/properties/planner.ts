import assert from "node:assert/strict";
import fc from "fast-check";
import { actionable, EFFECTS, isConverged, worstEffect } from "../../../lib/plan/effects.ts";
import { makePlan } from "../../../lib/plan/plan.ts";
import type { Address, Change, Effect, Item, Observed, Plan } from "../../../lib/plan/types.ts";
import type { AnyProperty } from "./property.ts";

/** A thing as simple as things can be: a number, and what changing it would cost. */
interface Thing {
  readonly value: number;
  readonly effect: Effect;
}

type ThingItem = Item<Thing, Thing>;

const effect = fc.constantFrom<Effect>(...EFFECTS);
const thing: fc.Arbitrary<Thing> = fc.record({ value: fc.integer({ min: 0, max: 3 }), effect });
const observed: fc.Arbitrary<Observed<Thing>> = fc.oneof(
  fc.record({ state: fc.constant("present" as const), value: thing, owned: fc.boolean() }),
  fc.constant({ state: "absent" as const }),
  fc.record({ state: fc.constant("unknown" as const), reason: fc.string() }),
  fc.record({ state: fc.constant("unknown" as const), reason: fc.string(), until: fc.constant("thing:0") }),
);

/** Things of which each depends only on some of earlier phases, as kinds of resources do. */
const items: fc.Arbitrary<readonly ThingItem[]> = fc.array(
  fc.record({
    phase: fc.integer({ min: 1, max: 17 }),
    realm: fc.constantFrom("host" as const, "machine" as const, "guest" as const),
    parents: fc.array(fc.nat(), { maxLength: 3 }),
    desired: fc.option(thing, { nil: undefined }),
    observed,
    unedited: fc.boolean(),
    refusal: fc.option(fc.constant("refused"), { nil: undefined, freq: 8 }),
    creation: effect,
    removal: effect,
  }),
  { maxLength: 12 },
).map((seeds) =>
  seeds.map(({ parents, refusal, creation, removal, ...seed }, index): ThingItem => ({
    ...seed,
    address: `thing:${index}`,
    dependsOn: dependencies(index, parents, seeds),
    compare: compareThings,
    creation: { effect: creation },
    removal: { effect: removal },
    ...(refusal === undefined ? {} : { refusal }),
  }))
);

function dependencies(
  index: number,
  parents: readonly number[],
  seeds: readonly { readonly phase: number }[],
): readonly Address[] {
  const earlier = seeds.flatMap(({ phase }, other) => phase < seeds[index]!.phase ? [other] : []);
  if (earlier.length === 0) return [];
  return [...new Set(parents.map((parent) => `thing:${earlier[parent % earlier.length]!}`))];
}

function compareThings(desired: Thing, found: Thing): readonly Change[] {
  if (desired.value === found.value) return [];
  return [{ path: "value", before: found.value, after: desired.value, effect: desired.effect }];
}

function planOf(things: readonly ThingItem[], options: { protect?: boolean; removing?: boolean } = {}): Plan {
  return makePlan(things as readonly Item[], { machine: "sim", protect: false, ...options });
}

function itemAt(things: readonly ThingItem[], address: Address): ThingItem {
  return things.find((item) => item.address === address)!;
}

/** Things in two orders. */
const shuffled = items.chain((list) =>
  fc.tuple(fc.constant(list), fc.shuffledSubarray([...list], { minLength: list.length }))
);

/** What holds for every plan of any things. */
export const PLANNER: readonly AnyProperty[] = [
  {
    name: "plan-order",
    says: "the same things in any order give the same plan",
    samples: fc.tuple(shuffled, fc.boolean()),
    holds(
      _simulation,
      [[list, other], protect]: readonly [[readonly ThingItem[], readonly ThingItem[]], boolean],
    ) {
      assert.deepEqual(planOf(other, { protect }), planOf(list, { protect }));
      return Promise.resolve();
    },
  },
  {
    name: "plan-whole",
    says: "each thing has its line, and only one",
    samples: items,
    holds(_simulation, list: readonly ThingItem[]) {
      const addresses = planOf(list).changes.map(({ address }) => address);
      assert.deepEqual([...addresses].sort(), list.map(({ address }) => address).sort());
      return Promise.resolve();
    },
  },
  {
    name: "plan-unknown",
    says: "what could not be looked at is never acted on",
    samples: fc.tuple(items, fc.boolean()),
    holds(_simulation, [list, removing]: readonly [readonly ThingItem[], boolean]) {
      for (const change of actionable(planOf(list, { removing }))) {
        assert.notEqual(itemAt(list, change.address).observed.state, "unknown");
      }
      for (const { address, action } of planOf(list, { removing }).changes) {
        const isUnknown = itemAt(list, address).observed.state === "unknown";
        assert.ok(!isUnknown || action === "blocked" || action === "deferred", `${address} ${action}`);
      }
      return Promise.resolve();
    },
  },
  {
    name: "plan-foreign",
    says: "what may not be touched, or is somebody else's on the host, is never acted on",
    samples: items,
    holds(_simulation, list: readonly ThingItem[]) {
      for (const change of actionable(planOf(list))) {
        const { refusal, realm, observed, desired } = itemAt(list, change.address);
        assert.equal(refusal, undefined);
        const foreign = observed.state === "present" && !observed.owned;
        assert.ok(!foreign || realm !== "host" && desired !== undefined);
      }
      return Promise.resolve();
    },
  },
  {
    name: "plan-blocked",
    says: "what needs something blocked is never created or changed",
    samples: fc.tuple(items, fc.boolean()),
    holds(_simulation, [list, protect]: readonly [readonly ThingItem[], boolean]) {
      const plan = planOf(list, { protect });
      const blocked = new Set(
        plan.changes.filter(({ action }) => action === "blocked").map((c) => c.address),
      );
      for (const change of actionable(plan)) {
        if (change.action === "delete") continue;
        for (const needed of change.dependsOn) {
          assert.ok(!blocked.has(needed), `${change.address}: ${needed}`);
        }
      }
      return Promise.resolve();
    },
  },
  {
    name: "plan-protect",
    says: "under protect nothing is destroyed",
    samples: fc.tuple(items, fc.boolean()),
    holds(_simulation, [list, removing]: readonly [readonly ThingItem[], boolean]) {
      const worst = worstEffect(planOf(list, { protect: true, removing }));
      assert.ok(worst !== "recreate" && worst !== "data-loss", worst);
      return Promise.resolve();
    },
  },
  {
    name: "plan-removal",
    says: "removals come first, in the reverse order of creation",
    samples: items,
    holds(_simulation, list: readonly ThingItem[]) {
      const fresh = list.map((item): ThingItem => ({
        ...withoutRefusal(item),
        desired: { value: 1, effect: "live" },
        observed: { state: "absent" },
      }));
      const gone = fresh.map((item): ThingItem => ({
        ...item,
        desired: undefined,
        observed: { state: "present", owned: true, value: { value: 1, effect: "live" } },
      }));
      const order = (things: readonly ThingItem[]) =>
        actionable(planOf(things)).map(({ address }) => address);
      assert.deepEqual(order(gone), order(fresh).reverse());
      const phases = actionable(planOf(list)).map(({ action }) => action === "delete" ? 0 : 1);
      assert.deepEqual(phases, [...phases].sort());
      return Promise.resolve();
    },
  },
  {
    name: "plan-rounds",
    says: "after everything that was planned is done nothing is to be done",
    samples: items,
    holds(_simulation, list: readonly ThingItem[]) {
      let world = list.map(withoutRefusal);
      // As an apply does: each round makes knowable what waited for it.
      for (let round = 0; round < 4; round++) world = carryOut(world);
      const plan = planOf(world);
      assert.deepEqual(actionable(plan), []);
      const stuck = plan.changes.some(({ action }) => action === "blocked");
      assert.ok(stuck || isConverged(plan), JSON.stringify(plan));
      return Promise.resolve();
    },
  },
  {
    name: "plan-worst",
    says: "the worst change of a thing is its effect",
    samples: items,
    holds(_simulation, list: readonly ThingItem[]) {
      for (const { action, effect, paths } of planOf(list).changes) {
        if (action !== "update" && action !== "recreate") continue;
        assert.deepEqual(paths.map((path) => path.effect), [effect]);
        assert.equal(action === "recreate", effect === "recreate" || effect === "data-loss");
      }
      return Promise.resolve();
    },
  },
];

function withoutRefusal({ refusal: _refusal, ...item }: ThingItem): ThingItem {
  return item;
}

/** A world in which applying something makes it so, and looking again after a step shows what was hidden. */
function carryOut(world: readonly ThingItem[]): ThingItem[] {
  const done = new Set(actionable(planOf(world)).map(({ address }) => address));
  return world.map((item): ThingItem => {
    if (done.has(item.address)) {
      return {
        ...item,
        observed: item.desired === undefined
          ? { state: "absent" }
          : { state: "present", owned: true, value: item.desired },
      };
    }
    const { observed } = item;
    return observed.state === "unknown" && observed.until !== undefined
      ? { ...item, observed: { state: "absent" } }
      : item;
  });
}
