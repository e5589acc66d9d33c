import assert from "node:assert/strict";
import fc from "fast-check";
import { isConverged } from "../../../lib/plan/effects.ts";
import { machineFile, quiet } from "../machines.ts";
import { type FileKeys, linesOf, type Simulation } from "../simulation.ts";
import type { Property } from "./property.ts";

/** A file with some keys in another order, and lists whose order means nothing as well. */
const permuted = machineFile.chain((keys) =>
  fc.infiniteStream(fc.integer()).map((order) => ({ keys, text: shuffled(keys, order) as FileKeys }))
);

const UNORDERED = new Set(["files", "mounts", "modules", "install", "disks", "except"]);

function shuffled(value: unknown, order: Iterator<number>, key = ""): unknown {
  const inOrder = <T>(list: readonly T[]) =>
    list.map((entry) => ({ entry, place: order.next().value as number })).sort((a, b) => a.place - b.place)
      .map(({ entry }) => entry);
  if (Array.isArray(value)) {
    const entries = value.map((entry) => shuffled(entry, order));
    return UNORDERED.has(key) ? inOrder(entries) : entries;
  }
  if (typeof value !== "object" || value === null) return value;
  const rows = Object.entries(value).map(([name, entry]) => [name, shuffled(entry, order, name)] as const);
  return Object.fromEntries(inOrder(rows));
}

export const apply: Property<FileKeys> = {
  name: "apply",
  says: "after an apply nothing differs, and the next one does nothing",
  samples: machineFile,
  async holds(simulation, keys) {
    const loaded = await simulation.load(keys);
    await simulation.reach(loaded);
    const plan = await simulation.diff(loaded);
    assert.deepEqual(linesOf(plan), []);
    assert.ok(isConverged(plan));
    const still = await simulation.load(quiet(keys));
    await simulation.reach(still); // the record now holds the file without what runs every time
    const again = await simulation.reach(still);
    assert.deepEqual(again.trace, [], "an apply of what is there has side effects");
  },
};

export const change: Property<readonly [FileKeys, FileKeys]> = {
  name: "change",
  says: "any machine becomes any other in one apply, and equals one that was made so at first",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    await simulation.reach(await simulation.load(from));
    const loaded = await simulation.load(to);
    await simulation.reachAsFromNothing(loaded);
  },
};

export const order: Property<{ readonly keys: FileKeys; readonly text: FileKeys }> = {
  name: "order",
  says: "the order of keys, and of lists that have none, changes nothing",
  samples: permuted,
  async holds(simulation, { keys, text }) {
    const [plain, mixed] = [await simulation.load(keys), await simulation.load(text)];
    assert.deepEqual(mixed.machine, plain.machine);
    assert.deepEqual(await simulation.diff(mixed), await simulation.diff(plain));
    await simulation.reach(await simulation.load(quiet(keys)));
    const again = await simulation.reach(await simulation.load(quiet(text)));
    assert.deepEqual(again.trace, []);
  },
};

/** Where a machine may be when somebody looks at it. */
const states = ["never applied", "applied", "half applied", "stopped", "VM killed", "agent killed"] as const;

export const reading: Property<readonly [FileKeys, FileKeys, typeof states[number], number]> = {
  name: "reading",
  says: "a diff changes nothing, wherever the machine is",
  samples: fc.tuple(machineFile, machineFile, fc.constantFrom(...states), fc.nat(120)),
  async holds(simulation, [from, to, state, killAt]) {
    await bringInto(simulation, from, { state, killAt });
    const loaded = await simulation.load(to);
    const plan = await simulation.diff(loaded); // asserts that there are no side effects
    assert.deepEqual(linesOf(await simulation.diff(loaded)), linesOf(plan), "two looks differ");
  },
};

async function bringInto(
  simulation: Simulation,
  keys: FileKeys,
  { state, killAt }: { readonly state: typeof states[number]; readonly killAt: number },
): Promise<void> {
  const loaded = await simulation.load(keys);
  if (state === "never applied") return;
  if (state === "half applied") {
    await simulation.apply(loaded, {}, { killAt });
    return;
  }
  await simulation.reach(loaded);
  if (state === "stopped") await simulation.stop();
  if (state === "VM killed") simulation.host.killVm(simulation.folder);
  if (state === "agent killed") simulation.host.killAgent(simulation.folder);
}
