import assert from "node:assert/strict";
import { readHistory } from "../../lib/apply/history.ts";
import { startMachine, stopMachine } from "../../lib/apply/power.ts";
import { beginTrial, startTrial } from "../../lib/apply/trial.ts";
import { confirmTry, revertTry } from "../../lib/apply/try.ts";
import type { Outcome } from "../../lib/apply/types.ts";
import type { Machine } from "../../lib/config/types.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { lock } from "../../lib/host/lock.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { readRecord, RecordStore } from "../../lib/resources/record.ts";
import { endTrial, readTrial, writeTrial } from "../../lib/resources/trial.ts";
import type { Effect } from "../../lib/plan/types.ts";
import { type AppliedMachine, makeApplied, PLAIN_MACHINE } from "./applied_fixture.ts";
import { MACHINE, RECORD, withHome } from "./resources_fixture.ts";

const TRIED: Machine = { ...PLAIN_MACHINE, hostname: "tried" };
const TRY_MS = 120_000;
const NOTHING: Outcome = { exitCode: EXIT.done, done: [], failed: [], skipped: [], open: [] };

function isUserError(exitCode: number, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, exitCode);
    assert.match(`${error.message}\n${error.hint ?? ""}`, text);
    return true;
  };
}

function trialTest(name: string, test: (it: AppliedMachine) => Promise<void>): void {
  Deno.test(name, () => withHome(async () => await test(await makeApplied())));
}

/** Lets the time of what is tried run out. */
async function expire({ folder }: AppliedMachine): Promise<void> {
  const { until: _until, ...trial } = (await readTrial(folder))!;
  await writeTrial(folder, { ...trial, until: new Date(Date.now() - 1).toISOString() });
}

function revert(it: AppliedMachine): Promise<Outcome> {
  return revertTry({ ...it.options(), name: "dev" });
}

/** How far a time is from now plus `ms`, in seconds. */
function offBySeconds(until: string | undefined, ms: number): number {
  return Math.abs(Date.parse(until ?? "") - Date.now() - ms) / 1000;
}

Deno.test("readTrial() gives what writeTrial() wrote, for the owner alone, until endTrial()", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await Deno.mkdir(folder.root, { recursive: true });
    assert.equal(await readTrial(folder), undefined);
    const until = "2026-11-22T12:00:00.000Z";
    await writeTrial(folder, { until, former: MACHINE });
    assert.deepEqual(await readTrial(folder), { formatVersion: 1, until, former: MACHINE });
    assert.equal((await Deno.stat(folder.trial)).mode! & 0o777, 0o600);
    await endTrial(folder);
    await endTrial(folder);
    assert.equal(await readTrial(folder), undefined);
  }));

Deno.test("readTrial() says of a damaged file what to do about it", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await Deno.mkdir(folder.root, { recursive: true });
    const others = ["", "{", "null", "[]", "1", '{"formatVersion":2,"until":"x","former":{}}'];
    for (const text of [...others, '{"formatVersion":1,"until":"x"}', '{"formatVersion":1,"former":{}}']) {
      await Deno.writeTextFile(folder.trial, text);
      await assert.rejects(readTrial(folder), isUserError(EXIT.failed, /is damaged.*\nRemove it/), text);
    }
  }));

Deno.test("beginTrial() needs a form to go back to", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    for (const record of [undefined, RECORD, { ...RECORD, attempted: MACHINE }]) {
      await assert.rejects(
        beginTrial(folder, record, TRY_MS),
        isUserError(EXIT.needsPerson, /no former form.*\nLeave --try out/),
      );
    }
  }));

trialTest("applyMachine() that cannot be tried asks nobody, and leaves no trace", async (it) => {
  await Deno.remove(it.folder.root, { recursive: true });
  const approval = { allowed: new Set<Effect>(), ask: () => Promise.reject(new Error("Somebody was asked")) };
  await assert.rejects(
    it.apply(TRIED, { tryMs: TRY_MS, approval }),
    isUserError(EXIT.needsPerson, /no former form/),
  );
  assert.equal(await readRecord(it.folder), undefined);
  assert.deepEqual(it.events, []);
});

trialTest("startTrial() leaves no trial where nothing was done", async ({ folder }) => {
  await beginTrial(folder, await readRecord(folder), TRY_MS);
  const refused = { ...NOTHING, exitCode: EXIT.needsPerson };
  assert.deepEqual(await startTrial(folder, TRIED, { tryMs: TRY_MS, outcome: refused }), refused);
  assert.equal(await readTrial(folder), undefined);
});

trialTest("applyMachine() writes down what it goes back to before it does anything", async (it) => {
  let atWork: Awaited<ReturnType<typeof readTrial>>;
  it.trouble.of = () => {
    atWork ??= JSON.parse(Deno.readTextFileSync(it.folder.trial));
    return undefined;
  };
  const outcome = await it.apply(TRIED, { tryMs: TRY_MS });
  assert.deepEqual([outcome.exitCode, outcome.done, it.state.hostname], [0, ["hostname"], "tried"]);
  // A killed command comes to no end: then the time for the longest apply counts too.
  assert.ok(offBySeconds(atWork?.until, TRY_MS + 30 * 60_000) < 10, atWork?.until);
  assert.equal(atWork?.former.hostname, "dev");
  const trial = await readTrial(it.folder);
  assert.ok(offBySeconds(trial?.until, TRY_MS) < 10, trial?.until);
  assert.deepEqual([trial?.former.hostname, trial?.until], ["dev", outcome.triedUntil]);
});

trialTest(
  "applyMachine() goes back to what another command has made while it waited for the lock",
  async (it) => {
    const held = await lock(it.folder.lock, { command: "machine apply", timeoutMs: 0 });
    let wait: () => void = () => {};
    const waits = new Promise<void>((resolve) => wait = resolve);
    const applying = it.apply(TRIED, {
      tryMs: TRY_MS,
      lockTimeoutMs: 10_000,
      emit: ({ kind }) => kind === "waiting" && wait(),
    });
    await waits;
    const other = { ...PLAIN_MACHINE, hostname: "other" };
    await new RecordStore(it.folder, await readRecord(it.folder)).update({ machine: other });
    held[Symbol.dispose]();
    assert.equal((await applying).exitCode, EXIT.done);
    assert.equal((await readTrial(it.folder))?.former.hostname, "other");
  },
);

trialTest("applyMachine() that fails on its way is tried, too", async (it) => {
  it.trouble.of = () => ({ ok: false, code: 1, output: "no" });
  const outcome = await it.apply(TRIED, { tryMs: TRY_MS });
  assert.deepEqual([outcome.exitCode, outcome.failed.length], [EXIT.failed, 1]);
  assert.equal((await readTrial(it.folder))?.until, outcome.triedUntil);
});

trialTest("applyMachine() with nothing to do tries nothing", async (it) => {
  assert.equal((await it.apply(PLAIN_MACHINE, { tryMs: TRY_MS })).triedUntil, undefined);
  assert.equal(await readTrial(it.folder), undefined);
});

trialTest("applyMachine() does not try one form on top of another", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  const before = await readTrial(it.folder);
  await assert.rejects(
    it.apply({ ...TRIED, hostname: "more" }, { tryMs: TRY_MS }),
    isUserError(EXIT.needsPerson, /is being tried already, until .*\nmachine confirm -m dev/),
  );
  assert.deepEqual(await readTrial(it.folder), before);
  assert.equal(it.state.hostname, "tried");
});

trialTest("applyMachine() of another form ends what was tried: it is not taken back any more", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  await it.apply({ ...TRIED, hostname: "chosen" });
  assert.equal(await readTrial(it.folder), undefined);
  assert.deepEqual(await revert(it), NOTHING);
  assert.equal(it.state.hostname, "chosen");
});

trialTest("confirmTry() keeps the form, once", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  const options = { ...it.options(), name: "dev" };
  assert.match((await confirmTry(options)).reason ?? "", /keeps its present form/);
  assert.deepEqual(await revert(it), NOTHING);
  assert.equal(it.state.hostname, "tried");
  await assert.rejects(
    confirmTry(options),
    isUserError(EXIT.needsPerson, /Nothing is tried.*\n.*history -m dev/),
  );
});

trialTest("revertTry() does nothing before its time, not even a look", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  it.events.length = 0;
  const look = () => Promise.reject(new Error("Nobody looks"));
  const platform = { ...it.platform, vm: { ...it.platform.vm, look } };
  assert.deepEqual(await revertTry({ ...it.options(), platform, name: "dev" }), NOTHING);
  assert.deepEqual([it.events, it.state.hostname], [[], "tried"]);
  assert.ok(await readTrial(it.folder));
});

trialTest("revertTry() brings the former form back, and the second one finds nothing to do", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  await expire(it);
  const outcome = await revert(it);
  assert.deepEqual([outcome.exitCode, outcome.done], [EXIT.done, ["hostname"]]);
  assert.equal(it.state.hostname, "dev");
  assert.equal(await readTrial(it.folder), undefined);
  assert.equal((await readRecord(it.folder))?.machine?.hostname, "dev");
  const { forms } = await readHistory(it.folder);
  assert.deepEqual(forms.map(({ machine }) => machine.hostname), ["dev", "tried", "dev"]);
  assert.deepEqual(await revert(it), NOTHING);
});

trialTest("revertTry() ends also a trial that changed nothing of the form", async (it) => {
  it.state.hostname = "somebody-else"; // put right by the apply that is tried
  const outcome = await it.apply(PLAIN_MACHINE, { tryMs: TRY_MS });
  assert.deepEqual([outcome.done, it.state.hostname], [["hostname"], "dev"]);
  await expire(it);
  assert.deepEqual(await revert(it), NOTHING);
  assert.equal(await readTrial(it.folder), undefined, "otherwise the agent starts it every minute");
});

trialTest("revertTry() that fails keeps the trial, so that the agent starts it again", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  await expire(it);
  it.trouble.of = () => ({ ok: false, code: 1, output: "no" });
  assert.equal((await revert(it)).exitCode, EXIT.failed);
  assert.equal((await readTrial(it.folder))?.former.hostname, "dev");
  delete it.trouble.of;
  assert.equal((await revert(it)).exitCode, EXIT.done);
  assert.deepEqual([await readTrial(it.folder), it.state.hostname], [undefined, "dev"]);
});

trialTest("revertTry() leaves to a person what would make a disk anew", async (it) => {
  const former = { ...PLAIN_MACHINE, vm: { ...PLAIN_MACHINE.vm, diskMiB: MACHINE.vm.diskMiB / 2 } };
  await writeTrial(it.folder, { until: new Date(0).toISOString(), former });
  const outcome = await revert(it);
  assert.deepEqual([outcome.exitCode, outcome.done], [EXIT.needsPerson, []]);
  assert.match(outcome.reason ?? "", /"recreate", which was not agreed to/);
  assert.ok(await readTrial(it.folder));
});

for (
  const [name, meanwhile, hostname] of [
    ["is confirmed", (it: AppliedMachine) => endTrial(it.folder), "tried"],
    [
      "gives way to another trial",
      (it: AppliedMachine) =>
        writeTrial(it.folder, { until: new Date(Date.now() + TRY_MS).toISOString(), former: TRIED }),
      "tried",
    ],
    ["stays as it is", () => Promise.resolve(), "dev"],
  ] as const
) {
  trialTest(`revertTry() waits for its turn; what is tried ${name} meanwhile`, async (it) => {
    await it.apply(TRIED, { tryMs: TRY_MS });
    await expire(it);
    const held = await lock(it.folder.lock, { command: "machine apply", timeoutMs: 0 });
    let wait: () => void = () => {};
    const waits = new Promise<void>((resolve) => wait = resolve);
    const reverting = revertTry({
      ...it.options(),
      name: "dev",
      lockTimeoutMs: 10_000,
      emit: ({ kind }) => kind === "waiting" && wait(),
    });
    await waits;
    await meanwhile(it);
    const trial = await readTrial(it.folder);
    held[Symbol.dispose]();
    const outcome = await reverting;
    assert.equal(it.state.hostname, hostname);
    if (hostname === "tried") assert.deepEqual([outcome, await readTrial(it.folder)], [NOTHING, trial]);
  });
}

trialTest("a stop and a start leave a form only tried", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  const trial = await readTrial(it.folder);
  const options = { ...it.options(), name: "dev" };
  assert.equal((await stopMachine(options)).exitCode, EXIT.done);
  assert.deepEqual(await readTrial(it.folder), trial);
  const started = await startMachine(options);
  assert.deepEqual([started.exitCode, it.state.isUp, it.state.hasAgent], [EXIT.done, true, true]);
  assert.deepEqual(await readTrial(it.folder), trial);
  await expire(it);
  await revert(it);
  assert.equal(it.state.hostname, "dev");
});

trialTest("revertTry() of a machine that was deleted says that there is none", async (it) => {
  await it.apply(TRIED, { tryMs: TRY_MS });
  await expire(it);
  await Deno.remove(it.folder.root, { recursive: true });
  await assert.rejects(revert(it), isUserError(EXIT.invalid, /There is no machine "dev"/));
});
