import assert from "node:assert/strict";
import { join } from "node:path";
import { noteApplied } from "../../lib/apply/history.ts";
import { runHistory } from "../../lib/cli/history.ts";
import { remarkOnFile } from "../../lib/cli/rollback.ts";
import { readMachines } from "../../lib/cli/target.ts";
import type { Machine } from "../../lib/config/types.ts";
import { ensurePrivateDir, writeAtomic } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { fakeContext, GLOBALS } from "./cli_fixture.ts";
import { MACHINE, RECORD, withHome } from "./resources_fixture.ts";

function form(hostname: string): Machine {
  return { ...MACHINE, hostname, env: { API_TOKEN: "t0ps3cret" } };
}

/** A machine with three forms behind it, of which the second is the present one again. */
async function makeMachine(home: string) {
  const folder = machineFolder("dev");
  await ensurePrivateDir(folder.root);
  await writeAtomic(folder.record, JSON.stringify({ ...RECORD, machine: form("b") }));
  for (const [index, hostname] of ["a", "b", "c", "b"].entries()) {
    await noteApplied(folder, {
      appliedAt: `2026-11-2${index}T18:00:00.000Z`,
      origin: index === 0 ? "-" : join(home, "machine.yaml"),
      machine: form(hostname),
      changed: index === 0 ? ["vm", "hostname"] : ["hostname"],
    });
  }
  return folder;
}

Deno.test("runHistory() shows the forms as a table, the present one with a star", () =>
  withHome(async (home) => {
    const folder = await makeMachine(home);
    await Deno.writeTextFile(join(folder.history, "000003.json"), "{");
    const { context, written } = fakeContext();
    assert.equal(await runHistory({ ...GLOBALS, kind: "history", name: "dev" }, context), 0);
    assert.equal(
      written.out,
      `  N  WHEN (UTC)           FROM            CHANGED
  1  2026-11-20 18:00:00  standard input  vm, hostname
  2  2026-11-21 18:00:00  ~/machine.yaml  hostname
* 4  2026-11-23 18:00:00  ~/machine.yaml  hostname
`,
    );
    assert.match(written.err, /000003\.json is damaged and left out: /);
  }));

Deno.test("runHistory() gives every form as data, secrets masked", () =>
  withHome(async (home) => {
    await makeMachine(home);
    const { context, written } = fakeContext();
    await runHistory({ ...GLOBALS, kind: "history", name: "dev", output: "json" }, context);
    const { formatVersion, machine, forms, damaged } = JSON.parse(written.out);
    assert.deepEqual([formatVersion, machine, damaged], ["1", "dev", []]);
    assert.deepEqual(
      forms.map((it: { number: number; present: boolean; machine: Machine }) => [
        it.number,
        it.present,
        it.machine.hostname,
        it.machine.env.API_TOKEN,
      ]),
      [[1, false, "a", "***"], [2, false, "b", "***"], [3, false, "c", "***"], [4, true, "b", "***"]],
    );
    assert.ok(!written.out.includes("t0ps3cret"));
  }));

Deno.test("remarkOnFile() says it when the file does not say what was gone back to", () =>
  withHome(async (home) => {
    const file = join(home, "machine.yaml");
    const { context } = fakeContext(undefined, { cwd: home });
    await Deno.writeTextFile(file, "name: dev\nmounts: []\nhostname: now\n");
    const result = await readMachines(file, context);
    assert.ok(result.ok);
    const declared: Machine = JSON.parse(JSON.stringify(result.machines[0]!.machine));
    assert.equal(await remarkOnFile(file, declared, context), undefined);
    assert.match(
      await remarkOnFile(file, { ...declared, hostname: "before" }, context) ?? "",
      /^machine\.yaml still says otherwise: change it too, or the next apply follows it again$/,
    );
    assert.match(
      await remarkOnFile(file, { ...declared, name: "x" }, context) ?? "",
      /does not declare this machine/,
    );
    assert.match(await remarkOnFile(join(home, "gone.yaml"), declared, context) ?? "", /does not declare/);
    assert.match(await remarkOnFile("-", declared, context) ?? "", /standard input/);
  }));
