import assert from "node:assert/strict";
import type { GuestOp, OpsResult } from "../../lib/guest/ops.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import type { Machine } from "../../lib/config/types.ts";
import { readRecord } from "../../lib/resources/record.ts";
import { type AppliedMachine, makeApplied, PLAIN_MACHINE } from "./applied_fixture.ts";
import { withHome } from "./resources_fixture.ts";

function roundsTest(name: string, test: (it: AppliedMachine) => Promise<void>): void {
  Deno.test(name, () => withHome(async () => await test(await makeApplied())));
}

const PACKAGES = ["package:ed", "package:git", "package:jq"];
const MORE: Machine = { ...PLAIN_MACHINE, packages: { install: ["ed", "git", "jq"] } };
/** More memory needs a restart of the VM. */
const LARGER: Machine = { ...MORE, vm: { ...MORE.vm, memoryMiB: 2048 } };

/** Fails operations of a name that are about something. */
function failsAt(
  op: GuestOp["op"],
  word: string,
): (ops: readonly GuestOp[]) => Partial<OpsResult> | undefined {
  return (ops) =>
    ops.some((one) => one.op === op && JSON.stringify(one).includes(word))
      ? { ok: false, code: 100, output: `no ${word}` }
      : undefined;
}

function stepEvents({ events }: AppliedMachine): string[] {
  return events.flatMap((event) =>
    event.kind.startsWith("step-") && "address" in event ? [`${event.kind} ${event.address}`] : []
  );
}

roundsTest(
  "applyMachine() does nothing at all where what it would restart the VM for is bound to fail",
  async (it) => {
    const before = await readRecord(it.folder);
    it.trouble.of = failsAt("check-packages", "git");
    const outcome = await it.apply(LARGER);
    assert.deepEqual([outcome.exitCode, outcome.done, outcome.reason], [EXIT.failed, [], "A step failed"]);
    assert.deepEqual(outcome.failed.map(({ address }) => address), PACKAGES);
    assert.deepEqual(outcome.open.map(({ address }) => address), ["vm"]);
    assert.deepEqual([it.state.stops, it.state.packages, it.state.list], [0, {}, null]);
    assert.deepEqual(stepEvents(it), PACKAGES.map((address) => `step-failed ${address}`));
    const record = await readRecord(it.folder);
    assert.deepEqual([record?.applied, record?.machine], [before?.applied, before?.machine]);
    it.trouble.of = () => undefined;
    const again = await it.apply(LARGER);
    assert.deepEqual([again.exitCode, it.state.stops, it.state.memoryMiB], [EXIT.done, 1, 2048]);
    assert.deepEqual(Object.keys(it.state.packages), ["ed", "git", "jq"]);
  },
);

roundsTest(
  "applyMachine() says which entry of a group is bad; the others are done, and only it is left",
  async (it) => {
    it.trouble.of = failsAt("install-packages", "git");
    const outcome = await it.apply(MORE);
    assert.deepEqual([outcome.exitCode, outcome.done], [EXIT.partial, ["package:ed", "package:jq"]]);
    assert.deepEqual(outcome.failed.map(({ address }) => address), ["package:git"]);
    const record = await readRecord(it.folder);
    assert.deepEqual(PACKAGES.map((address) => address in record!.applied), [true, false, true]);
    assert.deepEqual([record?.machine?.packages.install, record?.attempted?.packages.install], [[], [
      "ed",
      "git",
      "jq",
    ]]);
    delete it.trouble.of;
    assert.deepEqual((await it.apply(MORE)).done, ["package:git"]);
    assert.deepEqual((await it.apply(MORE)).done, []);
  },
);

roundsTest(
  "applyMachine() after Ctrl-C ends the running group and names the rest, which the same command does",
  async (it) => {
    const stop = new AbortController();
    const wanted = { ...MORE, hostname: "other" };
    const outcome = await it.apply(wanted, {
      stopSignal: stop.signal,
      emit: (event) => event.kind === "step-start" && event.address === "hostname" && stop.abort(),
    });
    assert.deepEqual([outcome.exitCode, outcome.done, outcome.failed], [EXIT.partial, ["hostname"], []]);
    assert.deepEqual(outcome.open.map(({ address }) => address), PACKAGES);
    assert.match(outcome.reason ?? "", /^Interrupted; the same command goes on from here/);
    const record = await readRecord(it.folder);
    assert.deepEqual(PACKAGES.filter((address) => address in record!.applied), []);
    assert.equal(record?.machine?.hostname, "dev");
    assert.deepEqual((await it.apply(wanted)).done, PACKAGES);
  },
);

roundsTest("applyMachine() looks again, and goes on, where the guest went away under a step", async (it) => {
  let losses = 1;
  it.trouble.of = () => {
    if (losses-- > 0) throw new UserError("The guest closed the connection", { guestLost: true });
    return undefined;
  };
  const outcome = await it.apply({ ...PLAIN_MACHINE, hostname: "other" });
  assert.deepEqual([outcome.exitCode, outcome.done, it.state.hostname], [EXIT.done, ["hostname"], "other"]);
  assert.ok(it.events.some((event) => event.kind === "note" && /went away under a step/.test(event.text)));
});

roundsTest("applyMachine() gives up on a guest that goes away again and again", async (it) => {
  it.trouble.of = () => {
    throw new UserError("The guest closed the connection", { guestLost: true });
  };
  const outcome = await it.apply({ ...PLAIN_MACHINE, hostname: "other" });
  assert.deepEqual([outcome.exitCode, outcome.done], [EXIT.failed, []]);
  assert.equal(stepEvents(it).filter((line) => line === "step-failed hostname").length, 3);
});

roundsTest("applyMachine() names what still differs after it was applied, and stops", async (it) => {
  it.trouble.of = () => ({}); // said to be done, and nothing happens
  const outcome = await it.apply({ ...PLAIN_MACHINE, hostname: "other" });
  assert.deepEqual([outcome.exitCode, outcome.done.length], [EXIT.partial, 1]);
  assert.match(outcome.reason ?? "", /^Applied 4 times, these still differ: hostname$/);
  assert.notEqual((await readRecord(it.folder))?.machine?.hostname, "other");
});
