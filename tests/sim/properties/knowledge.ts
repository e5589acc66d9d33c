import assert from "node:assert/strict";
import fc from "fast-check";
import { makeWorld } from "../../../lib/apply/world.ts";
import { isActionable } from "../../../lib/plan/effects.ts";
import { equal } from "../../../lib/plan/equal.ts";
import { KINDS } from "../../../lib/resources/registry.ts";
import { machineFile, quiet } from "../machines.ts";
import { type FileKeys, linesOf, NAME } from "../simulation.ts";
import type { Property } from "./property.ts";

interface Blind {
  readonly from: FileKeys;
  readonly to: FileKeys;
  /** Whether the file was edited since. */
  readonly isEdited: boolean;
  /** Which of the facts cannot be told. */
  readonly hidden: readonly number[];
  readonly share: number;
}

export const unknown: Property<Blind> = {
  name: "unknown",
  says: "what could not be looked at is neither made nor changed nor removed",
  samples: fc.record({
    from: machineFile.map(quiet),
    to: machineFile.map(quiet),
    isEdited: fc.boolean(),
    hidden: fc.array(fc.nat(99), { minLength: 50, maxLength: 50 }),
    share: fc.constantFrom(2, 10, 50),
  }),
  async holds(simulation, { from, to, isEdited, hidden, share }) {
    await simulation.reach(await simulation.load(from));
    const loaded = await simulation.load(isEdited ? to : from);
    const guest = simulation.host.guestOf(simulation.folder);
    const open = await simulation.diff(loaded);
    for (const [index, name] of [...guest.asked].sort().entries()) {
      if (hidden[index % hidden.length]! < share) guest.hidden.add(name);
    }
    const blind = await simulation.diff(loaded);
    for (const line of blind.changes.filter(isActionable)) {
      const seen = open.changes.find(({ address }) => address === line.address);
      assert.ok(
        seen !== undefined && equal({ ...line, interrupts: [] }, { ...seen, interrupts: [] }),
        `${[...guest.hidden].join(", ")} hidden: ${linesOf(blind).join("\n")}`,
      );
    }
    for (const line of open.changes.filter(isActionable)) {
      const now = blind.changes.find(({ address }) => address === line.address);
      // What is owned and no longer wanted is not known of where the guest's own list is hidden.
      assert.ok(
        now?.action !== "none",
        `${line.address} does not differ any more: ${linesOf(blind).join("\n")}`,
      );
    }
    if (isEdited) return;
    assert.deepEqual(blind.changes.filter(isActionable), []);
    const course = await simulation.apply(loaded);
    assert.deepEqual(course.trace.filter((name) => name.startsWith("guest ")), []);
  },
};

export const expected: Property<FileKeys> = {
  name: "expected",
  says: "each kind says what it finds after it was applied",
  samples: machineFile,
  async holds(simulation, keys) {
    const loaded = await simulation.load(keys);
    await simulation.reach(loaded);
    const world = await makeWorld(NAME, loaded.machine, simulation.host.platform);
    for (const kind of KINDS) {
      for (const [address, desired] of await kind.desired(world)) {
        const changes = kind.compare(desired, kind.expected(desired));
        const told = kind.kind === "disk" ? changes.filter(({ path }) => !path.endsWith(".target")) : changes;
        assert.deepEqual(told, [], address);
      }
    }
  },
};
