import assert from "node:assert/strict";
import fc from "fast-check";
import type { Engine } from "../../../lib/config/types.ts";
import { equal } from "../../../lib/plan/equal.ts";
import { isActionable } from "../../../lib/plan/effects.ts";
import type { PlannedChange } from "../../../lib/plan/types.ts";
import type { HandEdit } from "../edited_keys.ts";
import { ENGINE_EDITS } from "../engine_edits.ts";
import { HAND_EDITS } from "../hand_edits.ts";
import { machineFile, quiet, withEngine } from "../machines.ts";
import { type FileKeys, linesOf, type Simulation } from "../simulation.ts";
import type { Property } from "./property.ts";

const edits = fc.uniqueArray(fc.nat(HAND_EDITS.length - 1), { minLength: 1, maxLength: 5 });
const choice = fc.uniqueArray(fc.nat(999), { minLength: 1, maxLength: 8 });

/** Does edits by hand; gives the addresses that they show at. */
function edit(simulation: Simulation, keys: FileKeys, chosen: readonly number[]): string[] {
  const guest = simulation.host.guestOf(simulation.folder);
  // In the order of the list: what one of them starts, a later one may stop.
  const inOrder = [...new Set(chosen)].sort((a, b) => a - b);
  const addresses = inOrder.flatMap((index) => {
    const one = HAND_EDITS[index]!;
    const shown = one.shows(keys);
    if (shown.length > 0) one.edit(guest, keys);
    return shown;
  });
  return [...new Set(addresses)].sort();
}

export const drift: Property<readonly [FileKeys, readonly number[]]> = {
  name: "drift",
  says: "what somebody has done in the guest is found, said to come from outside, and healed by one apply",
  samples: fc.tuple(machineFile, choice),
  holds: (simulation, [random, chosen]) =>
    isHealed(simulation, quiet(random), possible(HAND_EDITS, quiet(random), chosen)),
};

export const engineDrift: Property<readonly [FileKeys, Engine, readonly number[]]> = {
  name: "engine-drift",
  says: "the same of what somebody has done to an engine and what belongs to it",
  samples: fc.tuple(
    machineFile,
    fc.constantFrom<Engine>("docker", "containerd", "containerd", "none"),
    choice,
  ),
  holds(simulation, [random, engine, chosen]) {
    const keys = withEngine(quiet(random), engine);
    const there = ENGINE_EDITS.filter((one) => one.shows(keys).length > 0);
    return isHealed(
      simulation,
      keys,
      chosen.map((index) => HAND_EDITS.indexOf(there[index % there.length]!)),
    );
  },
};

/** Some of the edits that can be made in such a machine, by their places among all. */
function possible(all: readonly HandEdit[], keys: FileKeys, chosen: readonly number[]): readonly number[] {
  const there = all.filter((one) => one.shows(keys).length > 0);
  return chosen.map((index) => HAND_EDITS.indexOf(there[index % there.length]!));
}

async function isHealed(simulation: Simulation, keys: FileKeys, chosen: readonly number[]): Promise<void> {
  const loaded = await simulation.load(keys);
  await simulation.reach(loaded);
  const before = simulation.state();
  const addresses = edit(simulation, keys, chosen);
  const plan = await simulation.diff(loaded);
  const lines = plan.changes.filter(({ action }) => action !== "none");
  assert.deepEqual(lines.map(({ address }) => address).sort(), addresses, linesOf(plan).join("\n"));
  for (const line of lines) assert.ok(isFromOutside(line), `${linesOf(plan).join("\n")} does not say so`);
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
  assert.deepEqual(healed(simulation), healedOf(before));
}

/** What the machine wants; lines of others in shared files stay as they were put there. */
function healed(simulation: Simulation) {
  return healedOf(simulation.state());
}

function healedOf(state: ReturnType<Simulation["state"]>) {
  const { entries, dockerd: _dockerd, packages: _packages, owned, ...rest } = state;
  const shared = new Set(["/etc/environment", "/etc/hosts"]);
  const own = Object.entries(entries).filter(([path]) => !shared.has(path));
  // A package of the image that somebody has removed is ours once we have brought it back.
  const marks = owned.applied.filter((address) => !address.startsWith("package:"));
  return { ...rest, files: owned.files, marks, entries: Object.fromEntries(own) };
}

/** Every line and every path of it says why it differs. */
function isFromOutside({ action, reason, paths }: PlannedChange): boolean {
  if (action === "deferred" && paths.length === 0) return true; // it is told once it is made
  if (action === "create" || action === "delete") return /outside/.test(reason ?? "");
  return paths.length > 0 && paths.every(({ note }) => note !== undefined);
}

export const driftAndEdit: Property<readonly [FileKeys, FileKeys, readonly number[]]> = {
  name: "drift-and-edit",
  says: "an edit of the file and a change made in the guest are told apart",
  samples: fc.tuple(machineFile, machineFile, edits),
  async holds(simulation, [random, randomNext, chosen]) {
    const [keys, next] = [quiet(random), quiet(randomNext)];
    const [from, to] = [await simulation.load(keys), await simulation.load(next)];
    await simulation.reach(from);
    const edited = await simulation.diff(to);
    for (const line of linesOf(edited)) assert.doesNotMatch(line, /outside/, "nobody has touched the guest");
    const touched = new Set(edit(simulation, keys, chosen));
    const both = await simulation.diff(to);
    for (const line of both.changes) {
      const before = edited.changes.find(({ address }) => address === line.address);
      if (!touched.has(line.address)) {
        assert.ok(
          equal(says(line), before && says(before)),
          `${line.address} was not touched: ${linesOf(both).join("\n")}`,
        );
      } else if (before?.action === "none") {
        const isSeen = isActionable(line) || line.action === "deferred";
        assert.ok(isSeen && isFromOutside(line), linesOf(both).join("\n"));
      }
    }
    await simulation.reach(to);
    assert.deepEqual(linesOf(await simulation.diff(to)), []);
  },
};

/** A line without what it interrupts, which is asked of docker. */
function says({ interrupts: _interrupts, ...line }: PlannedChange): unknown {
  return line;
}

export const keptEdits: Property<FileKeys> = {
  name: "kept-edits",
  says: "a file of ours that somebody has changed stays when it leaves the machine file, and that is said",
  samples: machineFile.filter((keys) => (keys["files"] as readonly unknown[]).length > 0),
  async holds(simulation, random) {
    const keys = quiet(random);
    const [path] = (keys["files"] as readonly { readonly path: string }[]).map((file) => file.path);
    await simulation.reach(await simulation.load(keys));
    const guest = simulation.host.guestOf(simulation.folder);
    guest.put(path!, "theirs\n");
    const without = await simulation.load({ ...keys, files: [] });
    const line = (await simulation.diff(without)).changes.find(({ address }) => address === `file:${path}`);
    assert.equal(line?.action, "delete");
    assert.match(line.reason ?? "", /somebody has changed it/);
    await simulation.reach(without);
    assert.equal(simulation.host.guestOf(simulation.folder).text(path!), "theirs\n");
    assert.deepEqual(linesOf(await simulation.diff(without)), []);
  },
};
