import assert from "node:assert/strict";
import fc from "fast-check";
import { EXIT } from "../../../lib/host/errors.ts";
import { EFFECTS, worstEffect } from "../../../lib/plan/effects.ts";
import type { Effect } from "../../../lib/plan/types.ts";
import type { Interruptions } from "../host.ts";
import { machineFile } from "../machines.ts";
import { failureText, type FileKeys } from "../simulation.ts";
import type { Property } from "./property.ts";

/** What each effect may interrupt, by what was counted. */
function within(effect: Effect, before: Interruptions, after: Interruptions): string[] {
  const worst = EFFECTS.indexOf(effect);
  const limits = {
    engineStops: "service",
    boots: "restart",
    systemDisks: "recreate",
    lostDisks: "data-loss",
  };
  return Object.entries(limits).flatMap(([name, needed]) => {
    const key = name as keyof Interruptions;
    return after[key] > before[key] && worst < EFFECTS.indexOf(needed as Effect) ? [`${key}: ${needed}`] : [];
  });
}

export const approval: Property<readonly [FileKeys, FileKeys, Effect]> = {
  name: "approval",
  says: "an apply interrupts no more than was agreed to, in all of its rounds",
  samples: fc.tuple(machineFile, machineFile, fc.constantFrom(...EFFECTS)),
  async holds(simulation, [from, to, agreed]) {
    await simulation.reach(await simulation.load(from));
    const before = simulation.host.interruptions();
    const allowed = EFFECTS.slice(0, EFFECTS.indexOf(agreed) + 1);
    const course = await simulation.apply(await simulation.load(to), { allowed });
    assert.ok(course.ended);
    const { outcome, events } = course.value;
    assert.ok(
      [EXIT.done, EXIT.needsPerson, EXIT.partial].some((code) => code === outcome.exitCode),
      failureText(outcome, events),
    );
    assert.deepEqual(within(agreed, before, simulation.host.interruptions()), []);
    if (outcome.exitCode !== EXIT.needsPerson) return;
    assert.match(outcome.reason ?? "", /was not agreed to/);
    assert.deepEqual(course.trace, [], "something was done although nobody had agreed");
  },
};

export const prediction: Property<readonly [FileKeys, FileKeys]> = {
  name: "prediction",
  says: "a plan says how much will be interrupted, not less and not more",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    await simulation.reach(await simulation.load(from));
    const before = simulation.host.interruptions();
    const loaded = await simulation.load(to);
    const plan = await simulation.diff(loaded);
    const worst = worstEffect(plan);
    await simulation.reach(loaded);
    const after = simulation.host.interruptions();
    assert.deepEqual(within(worst, before, after), [], `"${worst}" was said`);
    if (worst === "restart") assert.ok(after.boots > before.boots, "no restart");
    if (worst === "recreate") assert.ok(after.systemDisks > before.systemDisks, "no new disk");
    if (worst === "data-loss") assert.ok(after.lostDisks > before.lostDisks, "nothing was lost");
  },
};

export const protection: Property<readonly [FileKeys, FileKeys]> = {
  name: "protection",
  says: "a protected machine keeps its disks whatever its file says",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    await simulation.reach(await simulation.load({ ...from, protect: true }));
    const before = simulation.host.interruptions();
    const loaded = await simulation.load({ ...to, protect: true });
    await simulation.apply(loaded);
    assert.deepEqual(within("restart", before, simulation.host.interruptions()), []);
  },
};

export const keptDisks: Property<FileKeys> = {
  name: "kept-disks",
  says:
    "a kept disk that comes back smaller is named as lost at once, and is not touched before that is agreed to",
  samples: machineFile,
  async holds(simulation, keys) {
    const withDisk = (sizes: readonly string[]) => ({
      ...keys,
      vm: { dataDisk: "1GiB", disks: sizes.map((size) => ({ name: "more", size, target: "/mnt/one" })) },
    });
    for (const sizes of [["512MiB"], []]) await simulation.reach(await simulation.load(withDisk(sizes)));
    const smaller = await simulation.load(withDisk(["256MiB"]));
    const line = (await simulation.diff(smaller)).changes.find(({ address }) => address === "disk:more");
    assert.deepEqual([line?.action, line?.effect], ["recreate", "data-loss"]);
    const { lostDisks } = simulation.host.interruptions();
    await simulation.apply(smaller, { allowed: ["live", "service", "restart", "recreate"] });
    assert.equal(simulation.host.interruptions().lostDisks, lostDisks);
    await simulation.reach(smaller);
    assert.equal(simulation.host.interruptions().lostDisks, lostDisks + 1);
    const larger = await simulation.load(withDisk(["512MiB"]));
    for (const wanted of [await simulation.load(withDisk([])), larger]) await simulation.reach(wanted);
    assert.equal(
      simulation.host.interruptions().lostDisks,
      lostDisks + 1,
      "one that comes back larger is kept",
    );
  },
};
