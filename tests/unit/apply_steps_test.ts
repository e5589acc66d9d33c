import assert from "node:assert/strict";
import { join } from "node:path";
import { desiredHash } from "../../lib/apply/applied.ts";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { openRound } from "../../lib/apply/job.ts";
import { agree, refused } from "../../lib/apply/rounds.ts";
import { kindOf, runSteps, type StepResults } from "../../lib/apply/steps.ts";
import { EFFECTS } from "../../lib/plan/effects.ts";
import type { Effect, Item, Plan, PlannedChange } from "../../lib/plan/types.ts";
import { KINDS } from "../../lib/resources/registry.ts";
import { readRecord, RecordStore } from "../../lib/resources/record.ts";
import { factsOf, lookOf, MACHINE, RECORD, UNREACHABLE, withHome, worldOf } from "./resources_fixture.ts";

function step(address: string, parts: Partial<PlannedChange> = {}): PlannedChange {
  return { address, phase: 1, action: "create", effect: "live", paths: [], dependsOn: [], ...parts };
}

function planOf(...changes: PlannedChange[]): Plan {
  return { machine: "dev", changes, complete: true };
}

interface Run {
  readonly results: StepResults;
  readonly events: readonly string[];
  readonly store: RecordStore;
  readonly text: string;
}

/** Runs steps for real on a machine without a VM: its files on the host are all that they touch. */
async function runPlan(
  plan: Plan,
  signals: {
    readonly stop?: AbortController;
    readonly abort?: AbortController;
    readonly look?: typeof UNREACHABLE;
  } = {},
): Promise<Run> {
  const vm = { ...MACHINE.vm, dataDiskMiB: 256 };
  const world = worldOf({ machine: { ...MACHINE, vm } });
  const store = new RecordStore(world.folder, undefined);
  await store.ensure("dev", RECORD.origin);
  await store.update({ sshPort: 40022 });
  const items: Item[] = [];
  for (const kind of KINDS) {
    for (const [address, desired] of await kind.desired(world)) {
      const observed = { state: "absent" } as const;
      items.push({
        address,
        phase: 1,
        realm: kind.realm,
        dependsOn: [],
        desired,
        observed,
        compare: () => [],
      });
    }
  }
  const events: string[] = [];
  let text = "";
  const emit = (event: ApplyEvent) => {
    if ("address" in event) events.push(`${event.kind} ${event.address}`);
    if (event.kind === "step-failed") text += event.error;
  };
  const stop = signals.stop ?? new AbortController();
  const abort = signals.abort ?? new AbortController();
  const look = signals.look ?? UNREACHABLE;
  const round = openRound({ world, look, store, emit, signal: abort.signal });
  await using _door = round.guest;
  return { results: await runSteps(plan, items, { ...round, stopSignal: stop.signal }), events, store, text };
}

async function damageDockerConfig(home: string): Promise<void> {
  await Deno.mkdir(join(home, ".docker"));
  await Deno.writeTextFile(join(home, ".docker", "config.json"), "{");
}

Deno.test("runSteps() skips only what depends on a failed step, over several steps", () =>
  withHome(async (home) => {
    await damageDockerConfig(home);
    const { results, events, text } = await runPlan(planOf(
      step("context:docker"),
      step("sshconfig", { dependsOn: ["context:docker"] }),
      step("agent", { dependsOn: ["sshconfig"] }),
      step("disk:data"),
      step("hostname", { action: "blocked" }),
    ));
    assert.deepEqual(results.failed.map(({ address }) => address), ["context:docker"]);
    assert.deepEqual(results.skipped, ["sshconfig", "agent"]);
    assert.deepEqual(results.done, ["disk:data"]);
    assert.equal(results.interrupted, false);
    assert.match(text, /config\.json is not valid JSON\nRemedy: /);
    assert.deepEqual(events.filter((line) => !line.startsWith("progress")), [
      "step-start context:docker",
      "step-failed context:docker",
      "step-skipped sshconfig",
      "step-skipped agent",
      "step-start disk:data",
      "step-done disk:data",
    ]);
    await Deno.stat(worldOf().folder.dataDisk);
  }));

Deno.test("runSteps() notes on disk what each step was made equal to, and forgets what it took away", () =>
  withHome(async () => {
    const { store } = await runPlan(planOf(step("disk:data"), step("sshconfig")));
    const record = await readRecord(worldOf().folder);
    assert.deepEqual(record, store.value);
    assert.deepEqual(Object.keys(record?.applied ?? {}).sort(), ["disk:data", "sshconfig"]);
    assert.ok(record);
    assert.equal(record.applied["disk:data"], desiredHash({ sizeMiB: 256 }, record.fingerprintKey));
    const again = await runPlan(planOf(step("sshconfig", { action: "delete" })));
    assert.deepEqual(again.results.done, ["sshconfig"]);
    assert.ok(!("sshconfig" in (again.store.value?.applied ?? {})));
  }));

Deno.test("runSteps() starts nothing after a stop", () =>
  withHome(async () => {
    const stop = new AbortController();
    stop.abort();
    const { results, events } = await runPlan(planOf(step("disk:data")), { stop });
    assert.deepEqual([results.done, results.interrupted, events], [[], true, []]);
  }));

Deno.test("runSteps() tells a time-out by its own words, and only a second Ctrl-C as an interruption", () =>
  withHome(async () => {
    const { folder } = worldOf();
    await Deno.mkdir(folder.root, { recursive: true, mode: 0o700 });
    const silent = Deno.listen({ transport: "unix", path: folder.qmpCommand });
    try {
      const plan = planOf(step("vm", { action: "update" }));
      const { results, text } = await runPlan(plan, { look: lookOf(factsOf({})) });
      assert.deepEqual(results.failed.map(({ address }) => address), ["vm"]);
      assert.match(text, /no answer in 1000 ms/);
    } finally {
      silent.close();
    }
  }));

Deno.test("kindOf() knows every kind by its addresses, and no other", () => {
  for (const kind of KINDS) assert.equal(kindOf(kind.kind), kind);
  assert.equal(kindOf("mount:/a:b").kind, "mount");
  assert.throws(() => kindOf("mountain"));
  assert.equal(new Set(KINDS.map(({ kind }) => kind)).size, KINDS.length);
});

Deno.test("desiredHash() does not depend on the order of keys, but on every value and on the key", () => {
  const hash = desiredHash({ a: 1, b: { c: [1, 2], d: null } }, "key");
  assert.equal(desiredHash({ b: { d: null, c: [1, 2] }, a: 1 }, "key"), hash);
  for (const other of [{ a: 2, b: { c: [1, 2], d: null } }, { a: 1, b: { c: [2, 1], d: null } }, { a: 1 }]) {
    assert.notEqual(desiredHash(other, "key"), hash);
  }
  assert.notEqual(desiredHash({ b: { d: null, c: [1, 2] }, a: 1 }, "other"), hash);
  assert.match(desiredHash(undefined, "key"), /^[0-9a-f]{64}$/);
});

function effects(...list: Effect[]): Plan {
  return planOf(...list.map((effect) => step(`thing:${effect}`, { effect })));
}

Deno.test("agree() needs every effect allowed, or a person", async () => {
  const safe = new Set<Effect>(["live", "service", "restart"]);
  const cases: readonly (readonly [Plan, boolean])[] = [
    [effects(), true],
    [effects("live", "restart"), true],
    [effects("live", "recreate"), false],
    [effects("data-loss"), false],
  ];
  for (const [plan, wanted] of cases) assert.equal(await agree({ allowed: safe }, plan, "live"), wanted);
  for (const answer of [true, false]) {
    let asked = 0;
    const ask = () => (asked++, Promise.resolve(answer));
    assert.equal(await agree({ allowed: new Set(), ask }, effects("live"), "live"), answer);
    assert.equal(asked, 1);
    assert.equal(await agree({ allowed: safe, ask }, effects("live"), "live"), true);
    assert.equal(asked, 1, "not asked for what is allowed");
  }
});

Deno.test("refused() names the effect and the option that allows it", () => {
  for (const effect of EFFECTS) {
    const flag = effect === "recreate" || effect === "data-loss" ? `--allow ${effect}` : "--yes";
    const { reason, exitCode } = refused([], [], effect);
    assert.ok(reason?.includes(`"${effect}"`) && reason.includes(flag), reason);
    assert.equal(exitCode, 4);
  }
  assert.equal(refused(["vm"], [], "live").exitCode, 5);
});
