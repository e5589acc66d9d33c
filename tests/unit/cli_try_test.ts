import assert from "node:assert/strict";
import { askToKeep } from "../../lib/cli/try.ts";
import type { ApplyCommand } from "../../lib/cli/command.ts";
import { runConfirm } from "../../lib/cli/confirm.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { ensurePrivateDir, writeAtomic } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { readTrial, writeTrial } from "../../lib/resources/trial.ts";
import { APPLY, fakeContext, GLOBALS } from "./cli_fixture.ts";
import { MACHINE, RECORD, withHome } from "./resources_fixture.ts";

const COMMAND: ApplyCommand = { ...APPLY, tryMs: 120_000 };

const LATER = new Date(Date.now() + 120_000).toISOString();
const SAID = /^Tried until \d\d:\d\d:\d\d, then the machine goes back; to keep it: machine confirm -m dev\n/;

Deno.test("askToKeep() says until when and how to keep it, where nobody can be asked", async () => {
  for (const output of ["text", "json"] as const) {
    const { context, written } = fakeContext(output === "json" ? "y" : undefined);
    await askToKeep({ name: "dev", until: LATER, isWhole: true, command: { ...COMMAND, output } }, context);
    assert.match(written.err, SAID);
    assert.doesNotMatch(written.err, /Keep it\?/);
    assert.equal(written.out, "");
  }
});

Deno.test("askToKeep() lets the time run out after a no", async () => {
  const { context, written, keyboard } = fakeContext("n");
  await askToKeep({ name: "dev", until: LATER, isWhole: true, command: COMMAND }, context);
  assert.match(written.err, /Keep it\? \[y\/N\] The machine goes back at \d\d:\d\d:\d\d\n$/);
  assert.equal(keyboard.isTaken(), false);
});

Deno.test("askToKeep() asks nobody to keep half a form", async () => {
  const { context, written } = fakeContext("y");
  await askToKeep({ name: "dev", until: LATER, isWhole: false, command: COMMAND }, context);
  assert.match(written.err, SAID);
  assert.doesNotMatch(written.err, /Keep it\?/);
});

Deno.test("askToKeep() keeps the form after a yes, and runConfirm() knows then that nothing is tried", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await ensurePrivateDir(folder.root);
    await writeAtomic(folder.record, JSON.stringify({ ...RECORD, machine: MACHINE }));
    await writeTrial(folder, { until: LATER, former: MACHINE });
    const { context, written } = fakeContext("yes");
    await askToKeep({ name: "dev", until: LATER, isWhole: true, command: COMMAND }, context);
    assert.equal(written.out, 'Machine "dev" keeps its present form.\n');
    assert.equal(await readTrial(folder), undefined);
    await assert.rejects(
      runConfirm({ ...GLOBALS, kind: "confirm", name: "dev", lockTimeoutMs: 0 }, fakeContext().context),
      (error) => error instanceof UserError && error.exitCode === EXIT.needsPerson,
    );
  }));

/** Reads a line as a terminal does at which nobody types. */
function waitForAbort(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
}

Deno.test("askToKeep() waits for an answer no longer than the form is tried", async () => {
  const until = new Date(Date.now() + 50).toISOString();
  const { context, written } = fakeContext("", { readLine: waitForAbort });
  await askToKeep({ name: "dev", until, isWhole: true, command: COMMAND }, context);
  assert.match(written.err, /\nNobody answered: the machine goes back at /);
});

Deno.test("askToKeep() takes Ctrl-C for no answer", async () => {
  const { context, written, keyboard } = fakeContext("", { readLine: waitForAbort });
  const asked = askToKeep({ name: "dev", until: LATER, isWhole: true, command: COMMAND }, context);
  keyboard.press();
  await asked;
  assert.match(written.err, /Nobody answered/);
  assert.equal(keyboard.isTaken(), false);
});
