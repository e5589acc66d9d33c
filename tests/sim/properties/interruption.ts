import assert from "node:assert/strict";
import fc from "fast-check";
import type { ApplyEvent } from "../../../lib/apply/events.ts";
import { EXIT } from "../../../lib/host/errors.ts";
import type { Address } from "../../../lib/plan/types.ts";
import { readRecord } from "../../../lib/resources/record.ts";
import { machineFile, quiet } from "../machines.ts";
import { failureText, type FileKeys, linesOf, type Simulation } from "../simulation.ts";
import type { Property } from "./property.ts";

const twoFiles = fc.tuple(machineFile, machineFile)
  .map(([from, to]): [FileKeys, FileKeys] => [quiet(from), quiet(to)]);

interface Kill {
  readonly files: readonly [FileKeys, FileKeys];
  /** Whether there is a machine already, as the first file has it. */
  readonly isFirst: boolean;
  /** Where the apply is killed, as a share of its effects. */
  readonly at: number;
}

export const kill: Property<Kill> = {
  name: "kill",
  says: "an apply that is killed at any effect is finished by the next one, to the same end",
  samples: fc.record({
    files: twoFiles,
    isFirst: fc.boolean(),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
  async holds(simulation, { files: [from, to], isFirst, at }) {
    const before = isFirst ? [] : [from];
    const effects = await uninterrupted(simulation, before, to);
    const whole = simulation.state();
    await killedAt(simulation, { before, to, killAt: Math.floor(at * effects) });
    assert.deepEqual(simulation.state(), whole);
  },
};

/** Every effect of an apply in turn; as slow as it is thorough. */
export const killEverywhere: Property<readonly [FileKeys, FileKeys]> = {
  name: "kill-everywhere",
  says: "an apply that is killed at each of its effects in turn is finished by the next one, to the same end",
  samples: twoFiles,
  percent: 1,
  async holds(simulation, [from, to]) {
    const effects = await uninterrupted(simulation, [from], to);
    const whole = simulation.state();
    for (let killAt = 0; killAt < effects; killAt++) {
      await killedAt(simulation, { before: [from], to, killAt });
      assert.deepEqual(simulation.state(), whole, `killed at effect ${killAt} of ${effects}`);
    }
  },
};

/** The same machine, with every disk as small, or as large, as disks here are. */
function withDisks(keys: FileKeys, size: "small" | "large"): FileKeys {
  const sizes = size === "small" ? ["4GiB", "1GiB", "256MiB"] : ["6GiB", "2GiB", "512MiB"];
  const more = { name: "more", size: sizes[2]!, target: "/mnt/one" };
  return { ...keys, vm: { disk: sizes[0]!, dataDisk: sizes[1]!, disks: [more] } };
}

export const growth: Property<readonly [FileKeys, number | "between", number]> = {
  name: "growth",
  says: "disks grow with their filesystems, wherever it is cut off",
  samples: fc.tuple(
    machineFile.map(quiet),
    fc.oneof(fc.nat(60), fc.constant("between" as const)),
    fc.nat(2),
  ),
  async holds(simulation, [keys, killAt, which]) {
    const large = await simulation.load(withDisks(keys, "large"));
    const small = await simulation.load(withDisks(keys, "small"));
    await simulation.reach(small);
    if (killAt === "between") { // a disk and its filesystem
      const { trace } = await simulation.reach(large);
      const resized = trace.flatMap((name, index) => name.startsWith("host resize") ? [index] : []);
      killAt = resized[which]! + 1;
      await simulation.clear();
      await simulation.reach(small);
    }
    const { boots } = simulation.host.interruptions();
    await simulation.apply(large, {}, { killAt });
    await simulation.reach(large);
    assert.equal(simulation.host.interruptions().boots, boots, "growing has stopped the machine");
    assert.deepEqual(Object.values(simulation.state().sizes).sort(), [[2048, 2048], [512, 512], [
      6144,
      6144,
    ]]);
  },
};

export const killTwice: Property<Kill & { readonly again: number }> = {
  name: "kill-twice",
  says: "an apply that is killed, and killed again while it goes on, is finished by the next one",
  samples: fc.record({
    files: twoFiles,
    isFirst: fc.boolean(),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    again: fc.nat(60),
  }),
  async holds(simulation, { files: [from, to], isFirst, at, again }) {
    const before = isFirst ? [] : [from];
    const effects = await uninterrupted(simulation, before, to);
    const whole = simulation.state();
    await killedAt(simulation, { before, to, killAt: Math.floor(at * effects), again });
    assert.deepEqual(simulation.state(), whole);
  },
};

/** Applies file after file; gives how many effects the last one had. */
async function uninterrupted(
  simulation: Simulation,
  before: readonly FileKeys[],
  to: FileKeys,
): Promise<number> {
  await simulation.clear();
  for (const keys of before) await simulation.reach(await simulation.load(keys));
  return (await simulation.reach(await simulation.load(to))).trace.length;
}

async function killedAt(
  simulation: Simulation,
  { before, to, killAt, again }: {
    readonly before: readonly FileKeys[];
    readonly to: FileKeys;
    readonly killAt: number;
    readonly again?: number;
  },
): Promise<void> {
  await simulation.clear();
  for (const keys of before) await simulation.reach(await simulation.load(keys));
  const loaded = await simulation.load(to);
  const course = await simulation.apply(loaded, {}, { killAt });
  // How often dockerd is asked whether it has reloaded may differ from one run to the next.
  if (course.ended) assert.equal(course.value.outcome.exitCode, EXIT.done);
  if (again !== undefined) await simulation.apply(loaded, {}, { killAt: again });
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
}

export const failure: Property<{ readonly files: readonly [FileKeys, FileKeys]; readonly at: number }> = {
  name: "failure",
  says: "a step that fails is not done, nor is what needs it; the rest is, and the next apply goes on",
  samples: fc.record({
    files: twoFiles,
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
  async holds(simulation, { files: [from, to], at }) {
    await uninterrupted(simulation, [], from);
    const [source, loaded] = [await simulation.load(from), await simulation.load(to)];
    const { trace } = await simulation.reach(loaded);
    const guestEffects = trace.filter((name) => name.startsWith("guest "));
    const failing = guestEffects[Math.floor(at * guestEffects.length)];
    if (failing === undefined) return; // there is nothing to be done in the guest
    await simulation.clear();
    await simulation.reach(source);
    const course = await simulation.apply(loaded, {}, { failing: (name) => name === failing });
    assert.ok(course.ended);
    const { outcome, events } = course.value;
    if (outcome.exitCode === EXIT.done) return; // it did without: what may fail is no failure
    assert.ok(
      [EXIT.failed, EXIT.partial].some((code) => code === outcome.exitCode),
      failureText(outcome, events),
    );
    assert.ok(outcome.failed.length > 0, failureText(outcome, events));
    const undone = new Set<Address>([...outcome.failed.map(({ address }) => address), ...outcome.skipped]);
    const lines = (await simulation.diff(loaded)).changes;
    const done = doneAtLast(events);
    for (const { address, dependsOn } of lines) {
      const isDone = done.has(address) && !outcome.failed.some((one) => one.address === address);
      assert.ok(!(isDone && dependsOn.some((on) => undone.has(on))), `${address} was done on what failed`);
    }
    const record = await readRecord(simulation.folder);
    assert.notDeepEqual(record?.machine, loaded.machine, "the record says that all of it was applied");
    const differs = lines.filter(({ action }) => action !== "none").map(({ address }) => address);
    for (const { address } of outcome.failed) {
      // What was in the guest is gone with a disk that was made anew all the same.
      if (guestOnly(failing) || outcome.done.some((done) => done.startsWith("disk:"))) continue;
      assert.ok(differs.includes(address), `${address} has failed at "${failing}" and does not differ`);
    }
    await simulation.reach(loaded);
    assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
  },
};

/** What was made or changed in the last round: what failed then may have been well before, or after, what went. */
function doneAtLast(events: readonly ApplyEvent[]): ReadonlySet<Address> {
  const last = events.findLastIndex(({ kind }) => kind === "plan");
  const planned = events[last];
  const gone = planned?.kind === "plan"
    ? planned.plan.changes.flatMap(({ address, action }) => action === "delete" ? [address] : [])
    : [];
  const done = events.slice(last).flatMap((event) => event.kind === "step-done" ? [event.address] : []);
  return new Set(done.filter((address) => !gone.includes(address)));
}

/** The last act of a step may fail after everything that can be seen is done. */
function guestOnly(effect: string): boolean {
  return /^guest (?:write \/var\/lib\/machine|drop kept|unmark|mark|rmdir|keep|systemctl|join|set|modprobe|want|grow)/
    .test(effect);
}
