import assert from "node:assert/strict";
import type { Action, Change, Effect, Plan, PlannedChange } from "../../lib/plan/types.ts";
import { planJson } from "../../lib/ui/plan_json.ts";
import { planText } from "../../lib/ui/plan_text.ts";
import { PLAIN, styleFor } from "../../lib/ui/style.ts";

function line(address: string, action: Action, more: Partial<PlannedChange> = {}): PlannedChange {
  return { address, phase: 1, action, effect: "live", paths: [], dependsOn: [], ...more };
}

function change(path: string, before: unknown, after: unknown, more: Partial<Change> = {}): Change {
  return { path, before, after, effect: "live", ...more };
}

function planOf(changes: PlannedChange[], complete = true): Plan {
  return { machine: "dev", changes, complete };
}

const OPTIONS = {
  style: PLAIN,
  verbose: false,
  positionOf: (path: string) => path === "runtime.docker.context" ? "machine.yaml:31:5" : undefined,
};

Deno.test("planText() shows changes, creations and what is blocked", () => {
  const plan = planOf([
    line("vm", "none"),
    line("engine:docker", "update", {
      reason: "dockerd reloads; web, db keep running",
      paths: [change("daemon.registry-mirrors", ["https://a"], ["https://b"])],
    }),
    line("mount:/src", "create"),
    line("context:docker", "blocked", {
      reason: '"machine-dev" exists and is not ours',
      path: "runtime.docker.context",
    }),
  ]);
  assert.equal(
    planText(plan, OPTIONS),
    `~ engine:docker   update   live      dockerd reloads; web, db keep running
    daemon.registry-mirrors   ["https://a"] → ["https://b"]
+ mount:/src      create   live
! context:docker  blocked  "machine-dev" exists and is not ours  machine.yaml:31:5
Plan: 1 to add, 1 to change, 0 to remove, 1 blocked. Worst effect: live.
`,
  );
});

Deno.test("planText() marks the path that forces the worst effect, and changes made outside", () => {
  const plan = planOf([
    line("disk:system", "recreate", {
      effect: "recreate",
      interrupts: ["web", "db"],
      paths: [
        change("vm.disk", 40960, 20480, { effect: "recreate" }),
        change("hostname", "odd", "dev", { note: "changed outside" }),
      ],
    }),
    line("file:/old", "delete", { effect: "service" }),
    line("mount:/src", "deferred", { reason: "known after vm" }),
  ], false);
  assert.equal(
    planText(plan, OPTIONS),
    `± disk:system  recreate  recreate
    vm.disk   40960 → 20480  # forces recreate
    hostname   odd → dev  # changed outside
    interrupts web, db
- file:/old    delete    service
? mount:/src   deferred  known after vm
Plan: 0 to add, 0 to change, 1 to recreate, 1 to remove, 0 blocked, 1 known later. Worst effect: recreate. Not complete: more may follow once these are done.
`,
  );
});

Deno.test("planText() says it when there is nothing, and shows what is equal only when asked", () => {
  const plan = planOf([line("vm", "none"), line("hostname", "none")]);
  assert.equal(planText(plan, OPTIONS), "No differences.\n");
  assert.equal(
    planText(plan, { ...OPTIONS, verbose: true }),
    "= vm        none\n= hostname  none\nNo differences.\n",
  );
  assert.doesNotMatch(planText(planOf([], false), OPTIONS), /No differences/);
});

Deno.test("planText() says what the plan was limited to", () => {
  const targets = ["mount:/src", "user"];
  assert.match(
    planText({ ...planOf([line("mount:/src", "create")]), targets }, OPTIONS),
    /Worst effect: live\. Limited to mount:\/src, user and what that needs\.\n$/,
  );
  assert.equal(
    planText({ ...planOf([line("user", "none")]), targets }, OPTIONS),
    "No differences. Limited to mount:/src, user and what that needs.\n",
  );
});

Deno.test("planText() shows addresses with the machine's name where there are several", () => {
  const plan = planOf([line("vm", "create"), line("mount:/src", "blocked", { reason: "no" })]);
  assert.equal(
    planText(plan, { ...OPTIONS, prefix: "dev/" }),
    `+ dev/vm          create   live
! dev/mount:/src  blocked  no
Plan: 1 to add, 0 to change, 0 to remove, 1 blocked. Worst effect: live.
`,
  );
});

Deno.test("planText() masks secrets and cuts long values", () => {
  const long = "x".repeat(100);
  const plan = planOf([
    line("network", "update", {
      paths: [
        change("network.proxy.http", "http://ada:hunter2@proxy.test:3128", undefined),
        change("registry.password", "old-secret", "new-secret"),
        change("daemon", { mirrors: [], "auth-token": "t0ps3cret" }, { size: long }),
      ],
    }),
  ]);
  const text = planText(plan, OPTIONS);
  assert.doesNotMatch(text, /hunter2|old-secret|new-secret|t0ps3cret/);
  assert.match(text, /http:\/\/ada:\*\*\*@proxy\.test:3128.* → \(none\)/);
  assert.match(text, /registry\.password {3}\*\*\* → \*\*\*/);
  assert.ok(text.includes("x…") && !text.includes(long));
  assert.ok(planText(plan, { ...OPTIONS, verbose: true }).includes(long));
});

Deno.test("planText() lets no text from elsewhere draw on the terminal", () => {
  const plan = planOf([
    line("vm", "update", {
      reason: "a\x1b[2Jb",
      paths: [change("p", "\x1b]0;t\x07", "x")],
      interrupts: ["\x1b[31mweb"],
    }),
  ]);
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  assert.doesNotMatch(planText(plan, OPTIONS), /[\x00-\x09\x0b-\x1f]/);
});

Deno.test("planText() has colours on a terminal only, unless they are turned off", () => {
  const plan = planOf([line("vm", "create")]);
  const colored = (isTerminal: boolean, noColor: boolean, noColorVariable?: string) =>
    planText(plan, { ...OPTIONS, style: styleFor({ isTerminal }, { noColor, noColorVariable }) }).includes(
      "\x1b[",
    );
  assert.equal(colored(true, false), true);
  assert.equal(colored(false, false), false);
  assert.equal(colored(true, true), false);
  assert.equal(colored(true, false, "1"), false);
  assert.equal(colored(true, false, ""), true);
});

Deno.test("planJson() has every field of its format, secrets masked", () => {
  const plan = planOf([
    line("vm", "none"),
    line("engine:docker", "update", {
      effect: "service",
      reason: "dockerd restarts",
      interrupts: ["web"],
      paths: [change("daemon.debug", undefined, true, { effect: "service" }), change("a.token", "x", "y")],
    }),
    line("mount:/src", "deferred"),
  ], false);
  assert.deepEqual(planJson(plan, { verbose: false }), {
    formatVersion: "1",
    machine: "dev",
    targets: [],
    changes: [
      {
        address: "engine:docker",
        action: "update",
        effect: "service",
        reason: "dockerd restarts",
        interrupts: ["web"],
        paths: [
          { path: "daemon.debug", before: null, after: true, effect: "service", note: null },
          { path: "a.token", before: "***", after: "***", effect: "live", note: null },
        ],
      },
      { address: "mount:/src", action: "deferred", effect: "live", reason: null, interrupts: [], paths: [] },
    ],
    complete: false,
    summary: {
      add: 0,
      change: 1,
      recreate: 0,
      remove: 0,
      deferred: 1,
      blocked: 0,
      unchanged: 1,
      worstEffect: "service" satisfies Effect,
    },
  });
  assert.equal(planJson(plan, { verbose: true }).changes.length, 3);
});
