import assert from "node:assert/strict";
import { itemsOf } from "../../lib/apply/items.ts";
import { restartMachine, startMachine, stopMachine } from "../../lib/apply/power.ts";
import { makeWorld } from "../../lib/apply/world.ts";
import { runStop } from "../../lib/cli/stop.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { makePlan } from "../../lib/plan/plan.ts";
import { agentKind } from "../../lib/resources/agent.ts";
import { dockerContextKind } from "../../lib/resources/docker/context.ts";
import { lookAround } from "../../lib/resources/look.ts";
import { readRecord, RecordStore } from "../../lib/resources/record.ts";
import { socketKind } from "../../lib/resources/sockets.ts";
import { type AppliedMachine, makeApplied, PLAIN_MACHINE } from "./applied_fixture.ts";
import { fakeContext, GLOBALS } from "./cli_fixture.ts";
import { RECORD, withHome } from "./resources_fixture.ts";

/** What a plan says now of what a stop takes down, line by line, as if nothing else were there. */
async function planLines({ platform }: AppliedMachine): Promise<string[]> {
  const world = await makeWorld("dev", PLAIN_MACHINE, platform);
  const look = await lookAround(world, { signal: new AbortController().signal, patienceMs: 0 });
  const items = await itemsOf(world, look, [agentKind, socketKind, dockerContextKind]);
  const { changes } = makePlan(items, { machine: "dev", protect: false });
  return changes.map(({ address, action, reason }) => `${address} ${action} ${reason ?? ""}`.trimEnd());
}

/** The reasons in the plans that were shown. */
function reasonsIn({ events }: AppliedMachine): string[] {
  return events.flatMap((event) =>
    event.kind === "plan" ? event.plan.changes.map(({ address, reason }) => `${address}: ${reason}`) : []
  );
}

Deno.test("stopMachine() says what was stopped and what was withdrawn, and removes nothing", () =>
  withHome(async () => {
    const it = await makeApplied();
    const outcome = await stopMachine({ ...it.options(), name: "dev" });
    assert.deepEqual([outcome.exitCode, outcome.done, it.state.isUp], [0, ["vm"], false]);
    const said = it.events.flatMap((event) =>
      event.kind === "step-done" ? [`${event.address} ${event.past}`] : []
    );
    assert.deepEqual(said, ["context:docker withdrawn", "vm stopped"]);
  }));

Deno.test("runStop() shows that the machine was stopped, not removed", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await new RecordStore(folder, undefined).ensure("dev", RECORD.origin);
    const { context, written } = fakeContext();
    const command = { ...GLOBALS, kind: "stop", name: "dev", lockTimeoutMs: 0 } as const;
    assert.equal(await runStop(command, context), 0);
    assert.match(written.err, /✓ context:docker {2}withdrawn {2}[^]*✓ vm {2}stopped {2}/);
    assert.doesNotMatch(written.err, /removed/);
  }));

Deno.test("a plan after a stop takes nothing that stop has ended for removed by somebody else", () =>
  withHome(async () => {
    const it = await makeApplied();
    await stopMachine({ ...it.options(), name: "dev" });
    const wanted = [
      "agent create keeps sockets and mounts alive",
      "socket:docker create",
      'context:docker create "machine-dev", made current',
    ];
    assert.deepEqual(await planLines(it), wanted);
    // The word of the stop is taken back once the VM runs, before everything is up again.
    const store = new RecordStore(it.folder, await readRecord(it.folder));
    await store.update({ stopped: undefined });
    assert.deepEqual(await planLines(it), wanted);
    assert.ok("hostname" in store.value!.applied, "what stays is still known");
  }));

Deno.test("a plan says of what somebody else has ended that it was removed outside", () =>
  withHome(async () => {
    const it = await makeApplied();
    it.state.hasAgent = false;
    assert.match((await planLines(it))[0]!, /^agent create removed outside; keeps/);
  }));

for (const how of ["stop and start", "restart"]) {
  Deno.test(`${how}: nothing that it has ended itself counts as removed outside, and all comes back`, () =>
    withHome(async () => {
      const it = await makeApplied();
      const options = { ...it.options(), name: "dev" };
      if (how === "restart") await restartMachine(options);
      else {
        await stopMachine(options);
        await startMachine(options);
      }
      assert.deepEqual(reasonsIn(it).filter((text) => text.includes("removed outside")), []);
      assert.deepEqual([it.state.isUp, it.state.hasAgent], [true, true]);
      it.events.length = 0;
      assert.deepEqual((await it.apply(PLAIN_MACHINE)).done, []);
    }));
}
