import assert from "node:assert/strict";
import { join } from "node:path";
import { runApply } from "../../lib/cli/apply.ts";
import type { ApplyCommand } from "../../lib/cli/command.ts";
import { runDiff } from "../../lib/cli/diff.ts";
import { pruneMachine } from "../../lib/cli/prune.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { ensurePrivateDir, exists, writeAtomic } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { writeContext } from "../../lib/resources/docker/client_config.ts";
import { planOutput } from "../../lib/ui/plan_schema.ts";
import { APPLY, fakeContext, GLOBALS } from "./cli_fixture.ts";
import { namesIn } from "./folder_fixture.ts";
import { MACHINE, RECORD, withHome } from "./resources_fixture.ts";

const DRY_RUN: ApplyCommand = { ...APPLY, dryRun: true };

const DIFF = {
  ...GLOBALS,
  kind: "diff" as const,
  targets: [],
  refreshOnly: false,
  out: undefined,
  from: undefined,
  asYaml: false,
};

const TWO = "name: beta\nmounts: []\n---\nname: alpha\nmounts: []\n";

/** A home with a file of two machines, neither of which was made. */
function withFile(work: (file: string, home: string) => Promise<void>): Promise<void> {
  return withHome(async (home) => {
    const file = join(home, "machine.yaml");
    await Deno.writeTextFile(file, TWO);
    await work(file, home);
  });
}

async function writeRecord(name: string, origin: string, parts: Record<string, unknown> = {}): Promise<void> {
  const folder = machineFolder(name);
  await ensurePrivateDir(folder.root);
  const machine = { ...MACHINE, name };
  await writeAtomic(
    folder.record,
    JSON.stringify({ ...RECORD, name, origin, machine, stopped: true, ...parts }),
  );
}

Deno.test("runApply() shows the plan of every machine of the file under its name", () =>
  withFile(async (file) => {
    const { context, written } = fakeContext();
    assert.equal(await runApply({ ...DRY_RUN, file }, context), EXIT.differences);
    assert.match(
      written.out,
      /^Machine beta\n(\+ beta\/.*\n)+Plan: .*\nNothing was done\.\nMachine alpha\n(\+ alpha\/.*\n)+Plan: /,
    );
    const one = fakeContext();
    await runApply({ ...DRY_RUN, file, machine: "alpha" }, one.context);
    assert.match(one.written.out, /^\+ image /);
  }));

Deno.test("runApply() names the machine in every line of JSON", () =>
  withFile(async (file) => {
    const { context, written } = fakeContext();
    await runApply({ ...DRY_RUN, file, output: "json", quiet: true }, context);
    const lines = written.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ kind, machine }) => `${machine} ${kind}`), [
      "beta plan",
      "beta outcome",
      "alpha plan",
      "alpha outcome",
    ]);
    for (const line of lines) if (line.kind === "plan") planOutput.parse(line.plan);
  }));

Deno.test("runApply() keeps to the machines that a target names", () =>
  withFile(async (file) => {
    const { context, written } = fakeContext();
    await runApply({ ...DRY_RUN, file, targets: ["alpha/image"] }, context);
    assert.match(written.out, /^Machine alpha\n|^\+ alpha\/image /);
    assert.doesNotMatch(written.out, /beta\/|alpha\/vm/);
  }));

Deno.test("runApply() refuses to try several machines at once", () =>
  withFile(async (file) => {
    await assert.rejects(
      runApply({ ...DRY_RUN, file, dryRun: false, tryMs: 60_000 }, fakeContext().context),
      (error) =>
        error instanceof UserError && error.exitCode === EXIT.invalid && /-m beta/.test(error.hint ?? ""),
    );
  }));

Deno.test("runApply() and runDiff() name the machines that left the file, and a dry run of --prune deletes none", () =>
  withFile(async (file) => {
    await writeRecord("old", file);
    const note = /Machine "old" is no longer in this file; apply --prune deletes it/;
    const [apply, diff] = [fakeContext(), fakeContext()];
    await runApply({ ...DRY_RUN, file }, apply.context);
    await runDiff({ ...DIFF, file }, diff.context);
    assert.match(apply.written.err, note);
    assert.match(diff.written.err, note);
    const one = fakeContext();
    await runDiff({ ...DIFF, file, machine: "alpha" }, one.context);
    assert.doesNotMatch(one.written.err, note);
    const dry = fakeContext();
    assert.equal(await runApply({ ...DRY_RUN, file, prune: true }, dry.context), EXIT.differences);
    assert.match(dry.written.err, /Machine "old" is no longer in this file and would be deleted/);
    assert.ok(await exists(machineFolder("old").record));
  }));

Deno.test("pruneMachine() deletes only with a yes, and never what is protected", () =>
  withFile(async (file, home) => {
    const command = { ...DRY_RUN, dryRun: false, prune: true };
    await writeRecord("old", file);
    await Deno.writeTextFile(machineFolder("old").knownHosts, "x");
    await writeContext({
      name: "machine-dev",
      description: `machine old (${join(home, ".machine")})`,
      endpoint: `unix://${machineFolder("old").dockerSocket}`,
    });
    for (const output of ["text", "json"] as const) {
      await assert.rejects(
        pruneMachine("old", { ...command, output }, fakeContext(output === "json" ? "y" : undefined).context),
        (error) => error instanceof UserError && error.exitCode === EXIT.needsPerson,
      );
    }
    const no = await pruneMachine("old", command, fakeContext("n").context);
    assert.equal(no.exitCode, EXIT.needsPerson);
    assert.ok(await exists(machineFolder("old").knownHosts));
    const { context, written } = fakeContext();
    const yes = await pruneMachine("old", { ...command, yes: true }, context);
    assert.equal(yes.exitCode, EXIT.done);
    assert.match(written.out, /^Machine old, which is no longer in this file\n/);
    assert.equal(await exists(machineFolder("old").record), false);

    await writeRecord("dear", file, { machine: { ...MACHINE, name: "dear", protect: true } });
    const refused = await pruneMachine("dear", { ...command, yes: true }, fakeContext().context);
    assert.equal(refused.exitCode, EXIT.needsPerson);
    assert.ok(await exists(machineFolder("dear").record));
  }));

Deno.test("runDiff() gives the plans of several machines as one document that its schema knows", () =>
  withFile(async (file) => {
    const { context, written } = fakeContext();
    assert.equal(await runDiff({ ...DIFF, file, output: "json" }, context), EXIT.differences);
    const printed = JSON.parse(written.out);
    planOutput.parse(printed);
    assert.deepEqual(printed.plans.map(({ machine }: { machine: string }) => machine), ["beta", "alpha"]);
    const one = fakeContext();
    await runDiff({ ...DIFF, file, output: "json", machine: "alpha", targets: ["image"] }, one.context);
    const plan = JSON.parse(one.written.out);
    planOutput.parse(plan);
    assert.deepEqual([plan.machine, plan.targets], ["alpha", ["image"]]);
  }));

Deno.test("runDiff() saves a plan of one machine, which runApply() carries out only while it holds", () =>
  withFile(async (file, home) => {
    const { context, written } = fakeContext(undefined, { cwd: home });
    await assert.rejects(
      runDiff({ ...DIFF, file, out: "p.json" }, context),
      (error) => error instanceof UserError && /A saved plan is of one machine/.test(error.message),
    );
    assert.deepEqual(await namesIn(home), ["machine.yaml"]);
    await runDiff({ ...DIFF, file, out: "p.json", machine: "alpha" }, context);
    assert.match(written.err, /Saved; to carry it out: machine apply p\.json\n$/);
    const same = fakeContext(undefined, { cwd: home });
    assert.equal(await runApply({ ...DRY_RUN, plan: "p.json" }, same.context), EXIT.differences);
    assert.match(same.written.err, /^The plan of .* for machine "alpha", from .*machine\.yaml\n/);

    const saved = JSON.parse(await Deno.readTextFile(join(home, "p.json")));
    const moved = {
      ...saved,
      machine: { ...saved.machine, protect: true, vm: { ...saved.machine.vm, dataDiskMiB: undefined } },
    };
    await Deno.writeTextFile(join(home, "p.json"), JSON.stringify(moved));
    await assert.rejects(
      runApply(
        { ...DRY_RUN, dryRun: false, yes: true, plan: "p.json" },
        fakeContext(undefined, { cwd: home }).context,
      ),
      (error) =>
        error instanceof UserError && error.exitCode === EXIT.needsPerson &&
        /disk:data is no longer needed/.test(error.output ?? ""),
    );
    assert.equal(await exists(machineFolder("alpha").root), false);
  }));

Deno.test("runDiff() compares two files without looking at any machine", () =>
  withFile(async (file, home) => {
    const from = join(home, "old.yaml");
    await Deno.writeTextFile(from, "name: alpha\nmounts: []\nhostname: odd\n---\nname: gone\nmounts: []\n");
    const { context, written } = fakeContext();
    const code = await runDiff({ ...DIFF, file, from, output: "json", quiet: true }, context);
    const { plans } = JSON.parse(written.out);
    const actions = Object.fromEntries(
      plans.map((plan: { machine: string; changes: { action: string }[] }) => [
        plan.machine,
        [...new Set(plan.changes.map(({ action }) => action))],
      ]),
    );
    assert.deepEqual([code, actions], [2, { beta: ["create"], alpha: ["update"], gone: ["delete"] }]);
    const one = fakeContext();
    await runDiff({ ...DIFF, file, from, machine: "alpha", targets: ["hostname"] }, one.context);
    assert.match(one.written.out, /hostname {3}odd → alpha/);
    const same = fakeContext();
    assert.equal(await runDiff({ ...DIFF, file, from: file }, same.context), 0);
    await assert.rejects(
      runDiff({ ...DIFF, file, from, machine: "nobody" }, fakeContext().context),
      /Neither file declares the machine "nobody"/,
    );
    assert.deepEqual(await namesIn(home), ["machine.yaml", "old.yaml"]);
  }));
