import assert from "node:assert/strict";
import { join } from "node:path";
import { type AppliedForm, formAt, formBefore, noteApplied, readHistory } from "../../lib/apply/history.ts";
import type { Machine } from "../../lib/config/types.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import { namesIn } from "./folder_fixture.ts";
import { MACHINE, withHome } from "./resources_fixture.ts";

function form(hostname: string): Machine {
  return { ...MACHINE, hostname };
}

/** Notes forms with these host names, one after the other. */
async function noteAll(folder: MachineFolder, hostnames: readonly string[]): Promise<(number | undefined)[]> {
  const numbers: (number | undefined)[] = [];
  for (const hostname of hostnames) {
    numbers.push(
      await noteApplied(folder, {
        appliedAt: "2026-11-22T18:00:00.000Z",
        origin: "/x/machine.yaml",
        machine: form(hostname),
        changed: ["hostname"],
      }),
    );
  }
  return numbers;
}

function names(forms: readonly AppliedForm[]): string[] {
  return forms.map(({ number, machine }) => `${number} ${machine.hostname}`);
}

function isInvalid(text: RegExp) {
  return (error: unknown) =>
    error instanceof UserError && error.exitCode === EXIT.invalid &&
    text.test(`${error.message}; ${error.hint}`);
}

Deno.test("noteApplied() notes each new form once, for the owner alone", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    assert.deepEqual(await noteAll(folder, ["a", "a", "b", "b", "a"]), [1, undefined, 2, undefined, 3]);
    const { forms, damaged } = await readHistory(folder);
    assert.deepEqual(names(forms), ["1 a", "2 b", "3 a"]);
    assert.deepEqual(damaged, []);
    assert.deepEqual(await namesIn(folder.history), ["000001.json", "000002.json", "000003.json"]);
    assert.equal((await Deno.stat(folder.history)).mode! & 0o777, 0o700);
    assert.equal((await Deno.stat(join(folder.history, "000001.json"))).mode! & 0o777, 0o600);
    const { changed, origin, appliedAt } = forms[0]!;
    assert.deepEqual({ changed, origin, appliedAt }, {
      changed: ["hostname"],
      origin: "/x/machine.yaml",
      appliedAt: "2026-11-22T18:00:00.000Z",
    });
  }));

Deno.test("noteApplied() takes a key without a value for no key", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    const machine: Machine = { ...MACHINE, vm: { ...MACHINE.vm, dataDiskMiB: undefined } };
    const entry = { appliedAt: "2026-11-22T18:00:00.000Z", origin: "-", machine, changed: [] };
    assert.equal(await noteApplied(folder, entry), 1);
    assert.equal(await noteApplied(folder, entry), undefined);
    await assert.rejects(formBefore(folder, machine), isInvalid(/no earlier form/));
  }));

Deno.test("noteApplied() keeps the last ten and never gives a number twice", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await noteAll(folder, Array.from({ length: 14 }, (_, index) => `h${index + 1}`));
    const { forms } = await readHistory(folder);
    assert.deepEqual(forms.map(({ number }) => number), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert.equal((await namesIn(folder.history)).length, 10);
    assert.deepEqual(await noteAll(folder, ["new"]), [15]);
  }));

Deno.test("formBefore() does not pass over a damaged form, which may be the one that is meant", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await noteAll(folder, ["a", "b", "c"]);
    await Deno.writeTextFile(join(folder.history, "000002.json"), "{");
    await assert.rejects(
      formBefore(folder, form("c")),
      isInvalid(/000002\.json is damaged: .*machine rollback N/),
    );
    await Deno.writeTextFile(join(folder.history, "000001.json"), "{");
    await noteAll(folder, ["d"]);
    assert.equal((await formBefore(folder, form("d"))).number, 3);
  }));

Deno.test("readHistory() names damaged files, and the rest stands", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    assert.deepEqual(await readHistory(folder), { forms: [], damaged: [] });
    await noteAll(folder, ["a", "b", "c", "d", "e"]);
    const file = (number: number) => join(folder.history, `00000${number}.json`);
    await Deno.writeTextFile(file(2), '{"formatVersion": "1", "num');
    await Deno.writeTextFile(file(3), '{"formatVersion": "1", "number": 3}');
    await Deno.writeTextFile(file(4), '{"formatVersion": "9"}');
    await Deno.copyFile(file(1), file(6)); // another number than its name says
    await Deno.writeTextFile(join(folder.history, "notes.txt"), "mine");
    const { forms, damaged } = await readHistory(folder);
    assert.deepEqual(names(forms), ["1 a", "5 e"]);
    assert.deepEqual(damaged.map((entry) => entry.file), [file(2), file(3), file(4), file(6)]);
    assert.match(damaged[1]!.reason, /holds no applied form/);
    assert.match(damaged[2]!.reason, /another version of machine/);
    assert.deepEqual(await noteAll(folder, ["f"]), [7]);
    await assert.rejects(formAt(folder, 2), isInvalid(/000002\.json is damaged: .*There are 1, 5, 7/));
  }));

Deno.test("formAt() gives a form by its number, or says which there are", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await assert.rejects(formAt(folder, 1), isInvalid(/has no form 1 in its history; Nothing was noted yet/));
    await noteAll(folder, ["a", "b"]);
    assert.equal((await formAt(folder, 2)).machine.hostname, "b");
    await assert.rejects(
      formAt(folder, 3),
      isInvalid(/no form 3 in its history; There are 1, 2; machine history/),
    );
  }));

Deno.test("formBefore() gives the newest form that differs from the present one", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await noteAll(folder, ["a"]);
    await assert.rejects(formBefore(folder, form("a")), isInvalid(/no earlier form/));
    await noteAll(folder, ["b", "c"]);
    assert.equal((await formBefore(folder, form("c"))).number, 2);
    // After going back to "b" that is the newest form, and going back again leads to "c".
    await noteAll(folder, ["b"]);
    assert.equal((await formBefore(folder, form("b"))).number, 3);
    // Nothing was applied to its end: then the newest is the one before.
    assert.equal((await formBefore(folder, undefined)).number, 4);
  }));
