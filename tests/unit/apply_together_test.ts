import assert from "node:assert/strict";
import { desiredHash } from "../../lib/apply/applied.ts";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { itemsOf } from "../../lib/apply/items.ts";
import { openRound } from "../../lib/apply/job.ts";
import { runSteps, type StepResults } from "../../lib/apply/steps.ts";
import type { Machine } from "../../lib/config/types.ts";
import type { GuestOp, OpsResult } from "../../lib/guest/ops.ts";
import type { Plan } from "../../lib/plan/types.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import type { Look } from "../../lib/resources/contract.ts";
import { readRecord, RecordStore } from "../../lib/resources/record.ts";
import {
  factsOf,
  guestOf,
  listOf,
  lookOf,
  machineOf,
  opNames,
  platformOf,
  stepOf,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const MACHINE = machineOf({
  packages: { install: ["ed", "git", "jq"] },
  files: ["a", "b", "c"].map((name) => ({
    path: `/etc/${name}`,
    content: name,
    owner: "root:root",
    mode: "0644",
  })),
  sysctl: { "vm.a": "1", "vm.b": "2" },
  provision: ["one", "two"].map((name) => ({
    name,
    run: "true",
    as: "root" as const,
    when: "changed" as const,
  })),
});

/** A guest that has none of them yet. */
const NO_PACKAGES = { ed: null, git: null, jq: null };

interface Run {
  readonly results: StepResults;
  /** What the guest was asked, request by request, without our list. */
  readonly requests: readonly (readonly string[])[];
  readonly events: readonly string[];
  readonly fingerprintKey: string;
  readonly applied: Readonly<Record<string, string>>;
  readonly list: Readonly<Record<string, unknown>>;
}

interface Options {
  readonly answer?: (ops: readonly GuestOp[]) => Partial<OpsResult>;
  readonly machine?: Machine;
  readonly list?: string | null;
  readonly stop?: AbortController;
  readonly onEvent?: (event: ApplyEvent) => void;
  readonly look?: Look;
}

/** Runs steps on a guest that only answers. */
async function runPlan(steps: Plan["changes"], options: Options = {}): Promise<Run> {
  const { answer = (): Partial<OpsResult> => ({}), machine = MACHINE, stop = new AbortController() } =
    options;
  let list = options.list ?? null;
  const params = Object.fromEntries(["vm/a", "vm/b"].map((key) => [`/proc/sys/${key}`, "0\n"]));
  const guest = guestOf(
    () => factsOf({ ...params, [OWNED_FILE]: list }, {}, { packages: NO_PACKAGES }),
    (ops) => {
      const result = answer(ops);
      // As far as it came: the claims stand before the work, the rest behind it.
      const lists = ops.flatMap((op) =>
        op.op === "write" && op.files[0]?.path === OWNED_FILE ? [op.files[0]] : []
      );
      const written = result.ok === false ? lists[0] : lists.at(-1);
      if (written) list = String(written.content);
      return result;
    },
  );
  const connection = { ...guest, isOpen: true, async [Symbol.asyncDispose]() {} };
  const platform = platformOf({
    agents: { status: () => Promise.resolve(undefined) },
    connect: () => Promise.resolve(connection),
  });
  const world = worldOf({ machine, platform });
  const store = new RecordStore(world.folder, undefined);
  await store.ensure("dev", "/x/machine.yaml");
  await store.update({ sshPort: 40022, applied: { "package:old": "x", "file:/etc/old": "y" } });
  const events: string[] = [];
  const emit = (event: ApplyEvent) => {
    if ("address" in event) events.push(`${event.kind} ${event.address}`);
    options.onEvent?.(event);
  };
  const { look = UNREACHABLE } = options;
  const round = openRound({ world, look, store, emit, signal: new AbortController().signal });
  await using _door = round.guest;
  const items = await itemsOf(world, UNREACHABLE);
  const plan = { machine: "dev", changes: steps, complete: true };
  const results = await runSteps(plan, items, { ...round, stopSignal: stop.signal });
  const record = await readRecord(world.folder);
  assert.deepEqual(record, store.value, "what is known is on disk");
  return {
    results,
    events,
    applied: record!.applied,
    fingerprintKey: record!.fingerprintKey,
    list: list === null ? {} : JSON.parse(list).applied,
    requests: guest.requests.map((ops) => opNames(ops).filter((name) => !name.includes(OWNED_FILE))),
  };
}

const create = (address: string, dependsOn: readonly string[] = []) =>
  stepOf(address, { action: "create", dependsOn });
const remove = (address: string) => stepOf(address, { action: "delete" });
const PACKAGES = ["package:ed", "package:git", "package:jq"];
const FILES = ["file:/etc/a", "file:/etc/b", "file:/etc/c"];

/** Fails where something of a name is done. */
function failsAt(word: string): (ops: readonly GuestOp[]) => Partial<OpsResult> {
  return (ops) =>
    JSON.stringify(ops.filter((op) => op.op !== "write" || op.files[0]?.path !== OWNED_FILE)).includes(word)
      ? { ok: false, code: 100, output: `no ${word}` }
      : {};
}

Deno.test("runSteps() does neighbouring steps of a kind in one round trip, each with its own events", () =>
  withHome(async () => {
    const { results, requests, events } = await runPlan(
      [...PACKAGES, ...FILES].map((address) => create(address)),
    );
    assert.deepEqual(results, { done: [...PACKAGES, ...FILES], failed: [], skipped: [], interrupted: false });
    assert.deepEqual(requests, [
      ["install-packages ed git jq"],
      ["keep /etc/a", "keep /etc/b", "keep /etc/c", "write /etc/a /etc/b /etc/c"],
    ]);
    for (const address of [...PACKAGES, ...FILES]) {
      const own = events.filter((line) => line.endsWith(` ${address}`));
      assert.deepEqual(own, [`step-start ${address}`, `step-done ${address}`]);
    }
  }));

Deno.test("runSteps() writes down of a group what each was made equal to, and forgets what went", () =>
  withHome(async () => {
    const old = listOf({ "package:old": true, "package:older": true, "file:/etc/old": true });
    const steps = [
      remove("package:old"),
      remove("package:older"),
      ...PACKAGES.map((address) => create(address)),
    ];
    const { applied, fingerprintKey, list, requests } = await runPlan(steps, { list: old });
    assert.deepEqual(requests, [["remove-packages old older"], ["install-packages ed git jq"]]);
    assert.deepEqual(applied, {
      "file:/etc/old": "y",
      "package:ed": desiredHash("ed", fingerprintKey),
      "package:git": desiredHash("git", fingerprintKey),
      "package:jq": desiredHash("jq", fingerprintKey),
    });
    assert.deepEqual(Object.keys(list).sort(), ["file:/etc/old", ...PACKAGES]);
  }));

const GROUPS: readonly (readonly [string, Plan["changes"], readonly number[]])[] = [
  ["one alone", [create("package:ed")], [1]],
  ["one kind", PACKAGES.map((address) => create(address)), [3]],
  ["two kinds", [create("package:ed"), create("file:/etc/a"), create("file:/etc/b")], [1, 2]],
  ["another kind between them", [create("file:/etc/a"), create("package:ed"), create("file:/etc/b")], [
    1,
    1,
    1,
  ]],
  ["removals and additions", [remove("package:x"), remove("package:y"), create("package:ed")], [2, 1]],
  [
    "additions and updates are alike",
    [create("file:/etc/a"), stepOf("file:/etc/b", { action: "update" })],
    [2],
  ],
  ["one needs another", [create("file:/etc/a"), create("file:/etc/b", ["file:/etc/a"])], [1, 1]],
  ["what is not to be done parts nothing", [
    create("file:/etc/a"),
    stepOf("file:/etc/c", { action: "none" }),
    create("file:/etc/b"),
  ], [2]],
  ["a kind whose steps come one by one", [create("provision:one"), create("provision:two")], [1, 1]],
];

for (const [name, steps, sizes] of GROUPS) {
  Deno.test(`runSteps() groups steps: ${name}`, () =>
    withHome(async () => {
      const { results, events } = await runPlan(steps, {
        list: listOf({ "package:x": true, "package:y": true }),
      });
      assert.deepEqual(results.failed, []);
      const found: number[] = [];
      let open = 0;
      for (const line of events) {
        if (line.startsWith("step-start")) open++;
        if (line.startsWith("step-done") && open > 0) {
          found.push(open);
          open = 0;
        }
      }
      assert.deepEqual(found, sizes);
    }));
}

Deno.test("runSteps() after a group that failed does each on its own: one bad entry fails alone", () =>
  withHome(async () => {
    const steps = [
      ...PACKAGES.map((address) => create(address)),
      create("sysctl:vm.a"),
      create("sysctl:vm.b"),
    ];
    const { results, requests, applied, events } = await runPlan(steps, { answer: failsAt("git") });
    assert.deepEqual(results.done, ["package:ed", "package:jq", "sysctl:vm.a", "sysctl:vm.b"]);
    assert.deepEqual(results.failed.map(({ address, guestLost }) => [address, guestLost]), [[
      "package:git",
      false,
    ]]);
    assert.match(results.failed[0]!.error, /Installing git failed .* 100\nno git/);
    assert.deepEqual(requests.slice(0, 4), [
      ["install-packages ed git jq"],
      ["install-packages ed"],
      ["install-packages git"],
      ["install-packages jq"],
    ]);
    assert.deepEqual(
      Object.keys(applied).filter((address) => !address.includes("old")).sort(),
      results.done.toSorted(),
    );
    assert.equal(events.filter((line) => line === "step-failed package:git").length, 1);
    for (const address of ["package:ed", "package:jq"]) {
      assert.equal(events.filter((line) => line === `step-done ${address}`).length, 1, address);
    }
  }));

Deno.test("runSteps() skips what depends on the bad entry of a group, and nothing else", () =>
  withHome(async () => {
    const steps = [
      ...FILES.map((address) => create(address)),
      create("provision:one", ["file:/etc/b"]),
      create("provision:two", ["provision:one"]),
      create("sysctl:vm.a", ["file:/etc/a"]),
    ];
    const { results } = await runPlan(steps, { answer: failsAt("/etc/b") });
    assert.deepEqual(results.done, ["file:/etc/a", "file:/etc/c", "sysctl:vm.a"]);
    assert.deepEqual(results.failed.map(({ address }) => address), ["file:/etc/b"]);
    assert.deepEqual(results.skipped, ["provision:one", "provision:two"]);
  }));

Deno.test("runSteps() leaves out of a group what depends on something that failed before", () =>
  withHome(async () => {
    const steps = [
      create("package:git"),
      create("file:/etc/a", ["package:git"]),
      create("file:/etc/b"),
      create("file:/etc/c"),
    ];
    const { results, requests } = await runPlan(steps, { answer: failsAt("git") });
    assert.deepEqual([results.done, results.skipped], [["file:/etc/b", "file:/etc/c"], ["file:/etc/a"]]);
    assert.deepEqual(requests.at(-1), ["keep /etc/b", "keep /etc/c", "write /etc/b /etc/c"]);
  }));

Deno.test("runSteps() leaves what a failed group had claimed on the guest's list", () =>
  withHome(async () => {
    const { list, results } = await runPlan(PACKAGES.map((address) => create(address)), {
      answer: failsAt("e"),
    });
    assert.equal(results.done.length, 0);
    assert.deepEqual(Object.keys(list).sort(), PACKAGES);
  }));

Deno.test("runSteps() lets a running group finish after a stop, and starts no further one", () =>
  withHome(async () => {
    const stop = new AbortController();
    const { results, requests } = await runPlan(
      [...PACKAGES, ...FILES].map((address) => create(address)),
      {
        stop,
        onEvent: (event) => {
          if (event.kind === "step-start" && event.address === "package:git") stop.abort();
        },
      },
    );
    assert.deepEqual([results.done, results.failed, results.interrupted], [PACKAGES, [], true]);
    assert.equal(requests.length, 1);
  }));

Deno.test("runSteps() does not go through a failed group one by one after a stop", () =>
  withHome(async () => {
    const stop = new AbortController();
    const { results, requests } = await runPlan(PACKAGES.map((address) => create(address)), {
      stop,
      answer: () => {
        stop.abort();
        return { ok: false, code: 1 };
      },
    });
    assert.deepEqual([results.done, results.failed, results.interrupted], [[], [], true]);
    assert.equal(requests.length, 1);
  }));

const INTERRUPTING = stepOf("package:jq", { action: "create", effect: "restart" });

Deno.test("runSteps() finds out what is bound to fail before it interrupts anything", () =>
  withHome(async () => {
    const steps = [create("sysctl:vm.a"), create("package:ed"), create("package:git"), INTERRUPTING];
    const { results, requests, events } = await runPlan(steps, {
      look: lookOf(factsOf({}, {}, { packages: NO_PACKAGES })),
      answer: (ops) => ops[0]?.op === "check-packages" ? { ok: false, code: 1, output: "no git" } : {},
    });
    assert.deepEqual(requests, [["check-packages ed git jq"]]);
    assert.deepEqual([results.done, results.failed.map(({ address }) => address)], [[], PACKAGES]);
    assert.match(results.failed[0]!.error, /cannot install.*\nno git/);
    assert.ok(!events.some((line) => line.startsWith("step-start")), events.join("\n"));
  }));

Deno.test("runSteps() goes on where nothing is bound to fail, and does not ask where nothing is interrupted", () =>
  withHome(async () => {
    const asked = async (steps: Plan["changes"], look: Look) => {
      const { requests, results } = await runPlan(steps, { look });
      assert.deepEqual(results.failed, []);
      return requests.flat().some((name) => name.startsWith("check-packages"));
    };
    const there = lookOf(factsOf({}, {}, { packages: NO_PACKAGES }));
    assert.equal(await asked([create("package:ed"), INTERRUPTING], there), true);
    assert.equal(await asked(PACKAGES.map((address) => create(address)), there), false);
    assert.equal(await asked([create("package:ed"), INTERRUPTING], UNREACHABLE), false, "no guest to ask");
    const removal = stepOf("package:ed", { action: "delete", effect: "restart" });
    assert.equal(await asked([removal], there), false);
  }));

Deno.test("runSteps() of 300 files asks the guest once", () =>
  withHome(async () => {
    const files = Array.from({ length: 300 }, (_, index) => ({
      path: `/etc/x/${index}`,
      content: `${index}`,
      owner: "root:root",
      mode: "0644",
    }));
    const steps = files.map(({ path }) => create(`file:${path}`));
    const { requests, results } = await runPlan(steps, { machine: machineOf({ files }) });
    assert.equal(results.done.length, 300);
    assert.equal(requests.length, 1);
  }));
