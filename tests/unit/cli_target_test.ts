import assert from "node:assert/strict";
import { join } from "node:path";
import { loadTargets, nameTarget } from "../../lib/cli/target.ts";
import { runValidate } from "../../lib/cli/validate.ts";
import { orphanNote, orphansOf } from "../../lib/apply/prune.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { ensurePrivateDir, writeAtomic } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { fakeContext, GLOBALS } from "./cli_fixture.ts";
import { RECORD, withHome } from "./resources_fixture.ts";

const TWO = "name: beta\nmounts: []\n---\nname: alpha\nmounts: []\n";

/** A home with a file of two machines in it. */
function withFile(work: (file: string) => Promise<void>, text = TWO): Promise<void> {
  return withHome(async (home) => {
    const file = join(home, "machine.yaml");
    await Deno.writeTextFile(file, text);
    await work(file);
  });
}

function isInvalid(text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, EXIT.invalid);
    assert.match(`${error.message}; ${error.hint}`, text);
    return true;
  };
}

function names(machines: readonly { readonly machine: { readonly name: string } }[]): string[] {
  return machines.map(({ machine }) => machine.name);
}

Deno.test("loadTargets() gives every machine of the file in its order, or the one of -m", () =>
  withFile(async (file) => {
    const { context } = fakeContext();
    const all = await loadTargets({ file, machine: undefined }, context);
    assert.deepEqual([all.origin, names(all.machines), all.declared], [file, ["beta", "alpha"], [
      "beta",
      "alpha",
    ]]);
    const one = await loadTargets({ file, machine: "alpha" }, context);
    assert.deepEqual([names(one.machines), one.declared], [["alpha"], ["beta", "alpha"]]);
    await assert.rejects(
      loadTargets({ file, machine: "gamma" }, context),
      isInvalid(/declares the machines "beta", "alpha", not "gamma"; Give the file of that machine with -f/),
    );
  }));

Deno.test("loadTargets() says of a file with one machine which it is", () =>
  withFile(async (file) => {
    await assert.rejects(
      loadTargets({ file, machine: "gamma" }, fakeContext().context),
      isInvalid(/declares the machine "solo", not "gamma"/),
    );
  }, "name: solo\nmounts: []\n"));

Deno.test("nameTarget() asks for -m where the file declares several machines", () =>
  withFile(async (file) => {
    const { context } = fakeContext();
    await assert.rejects(
      nameTarget({ file, machine: undefined }, context),
      isInvalid(
        /^Which machine is meant\? .*machine\.yaml declares 2: beta, alpha; Name one with -m, e\.g\. -m beta$/,
      ),
    );
    assert.equal(await nameTarget({ file, machine: "alpha" }, context), "alpha");
  }));

Deno.test("runValidate() names every machine of the file, as text and as data", () =>
  withFile(async (file) => {
    const text = fakeContext(undefined, { cwd: join(file, "..") });
    assert.equal(await runValidate({ ...GLOBALS, kind: "validate", file }, text.context), 0);
    assert.equal(text.written.out, "machine.yaml is valid: machines beta, alpha\n");
    const json = fakeContext();
    await runValidate({ ...GLOBALS, kind: "validate", file, output: "json" }, json.context);
    assert.deepEqual(JSON.parse(json.written.out), {
      formatVersion: "1",
      valid: true,
      file,
      machine: null,
      machines: ["beta", "alpha"],
      problems: [],
    });
    const yaml = fakeContext();
    await runValidate({ ...GLOBALS, kind: "validate", file, output: "yaml", machine: "alpha" }, yaml.context);
    assert.match(yaml.written.out, /^machine: alpha\nmachines:\n {2}- alpha$/m);
  }));

Deno.test("runValidate() gives the problems of all documents as data", () =>
  withFile(async (file) => {
    const { context, written } = fakeContext();
    const code = await runValidate({ ...GLOBALS, kind: "validate", file, output: "json" }, context);
    const { valid, machines, problems } = JSON.parse(written.out);
    assert.deepEqual([code, valid, machines], [EXIT.invalid, false, []]);
    assert.deepEqual(problems.map((problem: { at: { line: number } }) => problem.at.line), [2, 5]);
  }, "name: a\nvm: {cpus: 0}\n---\nname: b\nvm: {cpus: no}\n"));

async function writeRecord(name: string, parts: Record<string, unknown>): Promise<void> {
  const folder = machineFolder(name);
  await ensurePrivateDir(folder.root);
  await writeAtomic(folder.record, JSON.stringify({ ...RECORD, name, ...parts }));
}

Deno.test("orphansOf() gives the machines that left the file, and none that is not known to be of it", () =>
  withFile(async (file) => {
    await writeRecord("alpha", { origin: file });
    await writeRecord("old", { origin: file });
    await writeRecord("older", { origin: file });
    await writeRecord("kept", { origin: file, dataKeptAt: "2026-11-22T18:00:00Z" });
    await writeRecord("other", { origin: "/elsewhere/machine.yaml" });
    await writeRecord("stdin", { origin: "-" });
    await ensurePrivateDir(machineFolder("broken").root);
    await writeAtomic(machineFolder("broken").record, "{");
    const notes: string[] = [];
    assert.deepEqual(await orphansOf(file, ["beta", "alpha"], (text) => notes.push(text)), ["old", "older"]);
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /^Whether machine "broken" was applied from this file is not known: .*damaged/);
    assert.deepEqual(await orphansOf("-", []), []);
    assert.match(orphanNote("old"), /^Machine "old" is no longer in this file; apply --prune deletes it/);
  }));
