import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkExpected,
  fingerprint,
  movedLines,
  readSavedPlan,
  savedPlanOf,
  writeSavedPlan,
} from "../../lib/apply/saved_plan.ts";
import { limitPlan } from "../../lib/apply/targets.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import type { Plan, PlannedChange } from "../../lib/plan/types.ts";
import { inFolder, namesIn } from "./folder_fixture.ts";
import { MACHINE } from "./resources_fixture.ts";

function line(address: string, more: Partial<PlannedChange> = {}): PlannedChange {
  return { address, phase: 1, action: "update", effect: "live", paths: [], dependsOn: [], ...more };
}

const ENGINE = line("engine:docker", {
  paths: [
    { path: "runtime.docker.daemon.debug", before: { a: 1, b: undefined }, after: true, effect: "live" },
    { path: "runtime.docker.daemon.labels", before: undefined, after: ["x"], effect: "live" },
  ],
});
const PLAN: Plan = {
  machine: "dev",
  complete: true,
  changes: [line("vm", { action: "none" }), ENGINE, line("mount:/src", { action: "create" })],
};

function planOf(...changes: PlannedChange[]): Plan {
  return { ...PLAN, changes };
}

function saved(plan = PLAN) {
  return savedPlanOf({ origin: "/x/machine.yaml", machine: MACHINE, plan }, new Date("2026-11-22T18:00:00Z"));
}

function isUserError(exitCode: number, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, exitCode);
    assert.match(`${error.message}\n${error.output ?? ""}\n${error.hint ?? ""}`, text);
    return true;
  };
}

Deno.test("fingerprint() is the same for the same work, however it is written", () => {
  const [first, second] = ENGINE.paths;
  const same = [
    planOf(line("mount:/src", { action: "create" }), ENGINE),
    planOf(ENGINE, line("mount:/src", { action: "create", reason: "9p of /x", phase: 9, dependsOn: ["vm"] })),
    planOf(
      { ...ENGINE, paths: [second!, { ...first!, before: { a: 1 } }] },
      line("mount:/src", { action: "create" }),
    ),
    planOf(...PLAN.changes, line("hostname", { action: "blocked" }), line("user", { action: "deferred" })),
    JSON.parse(JSON.stringify(PLAN)) as Plan,
  ];
  for (const plan of same) assert.equal(fingerprint(plan), fingerprint(PLAN), JSON.stringify(plan));
});

Deno.test("fingerprint() differs where anything else would be done", () => {
  const [first, second] = ENGINE.paths;
  const create = line("mount:/src", { action: "create" });
  const others = [
    planOf(ENGINE),
    planOf(ENGINE, create, line("user")),
    planOf({ ...ENGINE, action: "recreate" }, create),
    planOf({ ...ENGINE, effect: "service" }, create),
    planOf({ ...ENGINE, paths: [first!] }, create),
    planOf({ ...ENGINE, paths: [first!, { ...second!, before: null }] }, create),
    planOf({ ...ENGINE, paths: [first!, { ...second!, after: ["y"] }] }, create),
    planOf({ ...ENGINE, address: "engine:podman" }, create),
  ];
  const prints = new Set([PLAN, ...others].map(fingerprint));
  assert.equal(prints.size, others.length + 1);
});

Deno.test("fingerprint() and checkExpected() leave out what passes by itself, wherever it was seen", () => {
  const starting = {
    path: "docker.service",
    before: "activating, enabled",
    after: "active, enabled",
    effect: "service",
    isPassing: true,
  } as const;
  const mount = line("mount:/src", { action: "create" });
  const wanted = { ...ENGINE, effect: "live" } as const;
  const pairs: readonly (readonly [Plan, Plan])[] = [
    [planOf(mount), planOf(line("engine:docker", { effect: "service", paths: [starting] }), mount)],
    [
      planOf(wanted, mount),
      planOf({ ...wanted, effect: "service", paths: [starting, ...ENGINE.paths] }, mount),
    ],
    [planOf(), planOf(line("engine:docker", { paths: [starting] }))],
  ];
  for (const [still, moving] of pairs) {
    assert.equal(fingerprint(still), fingerprint(moving));
    assert.deepEqual(movedLines(still, moving), []);
    checkExpected(moving, JSON.parse(JSON.stringify(still)));
    checkExpected(JSON.parse(JSON.stringify(still)), moving);
  }
  const { isPassing: _passes, ...stays } = starting;
  const stopped = planOf(line("engine:docker", { effect: "service", paths: [stays] }), mount);
  assert.throws(
    () => checkExpected(planOf(mount), stopped),
    isUserError(EXIT.needsPerson, /engine:docker is new/),
  );
});

Deno.test("checkExpected() names what is new, gone and changed, and lets the same pass", () => {
  checkExpected(PLAN, JSON.parse(JSON.stringify(PLAN)));
  const now = planOf({ ...ENGINE, effect: "service" }, line("hostname"));
  assert.deepEqual(movedLines(PLAN, now), [
    { address: "engine:docker", how: "changed" },
    { address: "hostname", how: "added" },
    { address: "mount:/src", how: "gone" },
  ]);
  assert.throws(
    () => checkExpected(PLAN, now),
    isUserError(
      EXIT.needsPerson,
      /nothing was done\n {2}engine:docker would change something else\n {2}hostname is new\n {2}mount:\/src is no longer needed\n/,
    ),
  );
});

Deno.test("writeSavedPlan() writes for the owner alone what readSavedPlan() reads", () =>
  inFolder("plan-", async (folder) => {
    const path = join(folder, "p.json");
    const limited: Plan = { ...PLAN, targets: ["engine:docker"] };
    await writeSavedPlan(path, saved());
    await writeSavedPlan(path, saved(limited)); // a saved plan may be replaced
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const read = await readSavedPlan(path);
    assert.deepEqual(read.targets, ["engine:docker"]);
    assert.deepEqual(read, JSON.parse(JSON.stringify(saved(limited))));
    assert.equal(fingerprint(read.plan), fingerprint(limited));
    assert.deepEqual(await namesIn(folder), ["p.json"]);
  }));

Deno.test("writeSavedPlan() overwrites nothing that is not a saved plan", () =>
  inFolder("plan-", async (folder) => {
    const texts = {
      "machine.yaml": "name: dev\n",
      "other.json": '{"kind":"other"}',
      "empty": "",
      "list": "[]",
    };
    for (const [name, text] of Object.entries(texts)) await Deno.writeTextFile(join(folder, name), text);
    await Deno.mkdir(join(folder, "folder"));
    await writeSavedPlan(join(folder, "p.json"), saved());
    await Deno.symlink(join(folder, "p.json"), join(folder, "link"));
    for (const name of [...Object.keys(texts), "folder", "link"]) {
      await assert.rejects(
        writeSavedPlan(join(folder, name), saved()),
        isUserError(EXIT.invalid, /exists and is not a saved plan/),
        name,
      );
    }
    for (const [name, text] of Object.entries(texts)) {
      assert.equal(await Deno.readTextFile(join(folder, name)), text);
    }
    assert.ok((await Deno.lstat(join(folder, "link"))).isSymlink);
    await assert.rejects(
      writeSavedPlan(join(folder, "none", "p.json"), saved()),
      isUserError(EXIT.failed, /cannot be written.*\n.*\n.*folder that you may write/),
    );
  }));

const WRONG: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ["a machine file", "name: dev\n", /is not a saved plan/],
  ["other JSON", '{"formatVersion": "1", "machine": "dev"}', /is not a saved plan/],
  ["half a file", JSON.stringify(saved()).slice(0, 200), /is not a saved plan/],
  [
    "a newer form",
    JSON.stringify({ ...saved(), formatVersion: "2", program: "9.0.0" }),
    /another version.*9\.0\.0.*2/,
  ],
  ["a missing machine", JSON.stringify({ ...saved(), machine: undefined }), /is damaged/],
  [
    "a plan of another machine",
    JSON.stringify({ ...saved(), plan: { ...PLAN, machine: "x" } }),
    /is damaged/,
  ],
  ["a changed line", JSON.stringify(saved()).replace('["x"]', '["y"]'), /is damaged: it was changed/],
  ["a line that is none", JSON.stringify({ ...saved(), plan: { ...PLAN, changes: [1] } }), /is damaged/],
];

Deno.test("readSavedPlan() says what is wrong with another file", () =>
  inFolder("plan-", async (folder) => {
    const path = join(folder, "p.json");
    for (const [what, text, message] of WRONG) {
      await Deno.writeTextFile(path, text);
      await assert.rejects(readSavedPlan(path), isUserError(EXIT.invalid, message), what);
    }
    await assert.rejects(
      readSavedPlan(join(folder, "dev")),
      isUserError(EXIT.invalid, /There is no saved plan .*dev\n\n.*a machine with -m/),
    );
    await assert.rejects(readSavedPlan(folder), isUserError(EXIT.invalid, /cannot be read/));
    await assert.rejects(readSavedPlan("/dev/zero"), isUserError(EXIT.invalid, /is not a saved plan/));
  }));

Deno.test("limitPlan() leaves a plan whole without targets, and refuses unknown ones with the near ones", () => {
  assert.equal(limitPlan(PLAN, undefined), PLAN);
  assert.equal(limitPlan(PLAN, []), PLAN);
  assert.deepEqual(limitPlan(PLAN, ["mount"]).changes.map(({ address }) => address), ["mount:/src"]);
  assert.throws(
    () => limitPlan(PLAN, ["vm", "mount:/sr"]),
    isUserError(
      EXIT.invalid,
      /^Nothing of machine "dev" has the address "mount:\/sr"\n\nNear it: mount:\/src; /,
    ),
  );
});
