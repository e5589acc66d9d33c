import assert from "node:assert/strict";
import type { ProvisionStep } from "../../lib/config/types.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import type { World } from "../../lib/resources/contract.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { provisionKind } from "../../lib/resources/provision.ts";
import { inFolderGuest, modeOf, textOf } from "./guest_folder_fixture.ts";
import {
  factsOf,
  guestOf,
  jobOf,
  linesOf,
  listOf,
  lookOf,
  machineOf,
  opNames,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

const STEP: ProvisionStep = { name: "tools", run: "make setup", as: "root", when: "changed" };
const PASSWD = "/etc/passwd";

function wanting(steps: readonly ProvisionStep[], parts: Partial<World> = {}): World {
  return worldOf({ machine: machineOf({ provision: steps }), ...parts });
}

async function hashOf(step: ProvisionStep): Promise<string> {
  return [...(await provisionKind.desired(wanting([step]))).values()][0]!.hash;
}

const HASH = await hashOf(STEP);
const RAN = listOf({ "provision:tools": HASH });
const BEGUN = listOf({ "provision:tools": { begun: true } });
const RAN_OTHER = listOf({ "provision:tools": "of other commands" });
const NONE = new Set<string>();
const THIS = new Set(["provision:tools"]);

/** What is wanted, what the guest's list says, what the check says, what this apply has done (none while looking). */
interface Case {
  readonly step?: Partial<ProvisionStep>;
  readonly list?: string | null;
  readonly passes?: boolean;
  readonly ran?: ReadonlySet<string>;
  readonly told: string;
}

const CASES: Readonly<Record<string, Case>> = {
  "never ran": { list: null, told: "create live" },
  "ran as it stands": { list: RAN, told: "none live" },
  "ran as it was before": { list: RAN_OTHER, told: "update live, provision[tools].run" },
  "with a check that fails, never ran": {
    step: { check: "c" },
    list: null,
    passes: false,
    told: "create live",
  },
  "with a check that succeeds, never ran": {
    step: { check: "c" },
    list: null,
    passes: true,
    told: "none live",
  },
  "with a check that succeeds, ran as it was before": {
    step: { check: "c" },
    list: RAN_OTHER,
    passes: true,
    told: "none live",
  },
  "with a check that fails, ran as it stands": {
    step: { check: "c" },
    list: RAN,
    passes: false,
    told: "update live, provision[tools].check",
  },
  "with a check that did not answer": {
    step: { check: "c" },
    list: RAN,
    told: "blocked live (the guest did not answer)",
  },
  "always, while looking": { step: { when: "always" }, list: RAN, told: "none live" },
  "always, while applying": {
    step: { when: "always" },
    list: RAN,
    ran: NONE,
    told: "update live, provision[tools].when: runs at every apply",
  },
  "always, after it ran in this apply": { step: { when: "always" }, list: RAN, ran: THIS, told: "none live" },
  "always, never ran, while applying": {
    step: { when: "always" },
    list: null,
    ran: NONE,
    told: "create live",
  },
  "always with a check that succeeds, while looking": {
    step: { when: "always", check: "c" },
    list: RAN,
    passes: true,
    told: "none live",
  },
  "always with a check that succeeds, while applying: the check decides alone": {
    step: { when: "always", check: "c" },
    list: RAN,
    passes: true,
    ran: NONE,
    told: "none live",
  },
  "always with a check that fails, while applying": {
    step: { when: "always", check: "c" },
    list: RAN,
    passes: false,
    ran: NONE,
    told: "update live, provision[tools].check",
  },
  "cut off while it ran": { list: BEGUN, told: "create live" },
  "cut off while it ran, with a check that fails": {
    step: { check: "c" },
    list: BEGUN,
    passes: false,
    told: "create live",
  },
  "cut off while it ran, with a check that succeeds": {
    step: { check: "c" },
    list: BEGUN,
    passes: true,
    told: "none live",
  },
  "not always, while applying": { list: RAN, ran: NONE, told: "none live" },
};

for (const [name, { step, list = null, passes, ran, told }] of Object.entries(CASES)) {
  Deno.test(`provision: ${name}`, async () => {
    const checks = passes === undefined ? {} : { tools: passes };
    const world = wanting([{ ...STEP, ...step }], ran === undefined ? {} : { ran });
    const look = lookOf(factsOf({ [OWNED_FILE]: list, [PASSWD]: "root:x:0:0\n" }, {}, { checks }));
    assert.deepEqual(await toldOf(provisionKind, { world, look }), [`provision:tools ${told}`]);
  });
}

Deno.test("provision: its hash is of its commands and of who runs them, and of nothing else", async () => {
  const others: readonly Partial<ProvisionStep>[] = [{ run: "make setup " }, { as: "user" }];
  for (const other of others) {
    assert.notEqual(await hashOf({ ...STEP, ...other }), HASH, JSON.stringify(other));
  }
  const same: readonly Partial<ProvisionStep>[] = [{ name: "x" }, { when: "always" }, { check: "true" }];
  for (const one of same) assert.equal(await hashOf({ ...STEP, ...one }), HASH, JSON.stringify(one));
  const [, second] = [...(await provisionKind.desired(wanting([{ ...STEP, name: "a" }, STEP]))).values()];
  assert.equal(second?.hash, HASH, "nor of its place");
});

Deno.test("provision: steps come in the order of the file, each after the one before it", async () => {
  const names = ["zeta", "alpha", "mid", "a10", "a9"];
  const world = wanting(names.map((name) => ({ ...STEP, name })));
  const look = lookOf(factsOf({ [OWNED_FILE]: null, [PASSWD]: "" }));
  const lines = await linesOf(provisionKind, { world, look });
  assert.deepEqual(lines.map(({ address }) => address), names.map((name) => `provision:${name}`));
  assert.deepEqual(
    lines.map(({ dependsOn }) => dependsOn.filter((address) => address.startsWith("provision:"))),
    [
      [],
      ["provision:zeta"],
      ["provision:alpha"],
      ["provision:mid"],
      ["provision:a10"],
    ],
  );
});

Deno.test("provision: a blocked step holds those behind it", async () => {
  const world = wanting([{ ...STEP, check: "c" }, { ...STEP, name: "next" }]);
  const look = lookOf(factsOf({ [OWNED_FILE]: null, [PASSWD]: "" }));
  assert.deepEqual(await toldOf(provisionKind, { world, look }), [
    "provision:tools blocked live (the guest did not answer)",
    "provision:next blocked live (it needs provision:tools, which is blocked)",
  ]);
});

Deno.test("provision: a step of the user depends on the user, and its check is asked as that login", async () => {
  const world = wanting([{ ...STEP, as: "user", check: "true" }, { ...STEP, name: "other", check: "false" }]);
  const desired = (await provisionKind.desired(world)).get("provision:tools");
  assert.ok(provisionKind.dependsOn("provision:tools", desired).includes("user:ada"));
  const query = await provisionKind.query?.(world, []);
  assert.deepEqual(query?.checks, [{ name: "tools", run: "true", as: "ada" }, {
    name: "other",
    run: "false",
  }]);
});

Deno.test("provision: a check as a login that is still to be made is known after it", async () => {
  const world = wanting([{ ...STEP, as: "user", check: "true" }]);
  const told = (passwd: string) =>
    toldOf(provisionKind, { world, look: lookOf(factsOf({ [OWNED_FILE]: null, [PASSWD]: passwd })) });
  assert.deepEqual(await told("root:x:0:0\nadam:x:1:1\n"), [
    "provision:tools deferred live (its login comes first)",
  ]);
  assert.deepEqual(await told("root:x:0:0\nada:x:1000:1000\n"), [
    "provision:tools blocked live (the guest did not answer)",
  ]);
});

Deno.test("provision: one that left the file is forgotten, and what it did stays", async () => {
  const world = wanting([]);
  const left = async (list: string) =>
    await toldOf(provisionKind, { world, look: lookOf(factsOf({ [OWNED_FILE]: list })) });
  const gone = "it is gone already; only its mark goes";
  assert.deepEqual(await left(RAN), ["provision:tools delete live (what it did stays; only its mark goes)"]);
  assert.deepEqual(await left(BEGUN), [`provision:tools delete live (${gone})`]);
  assert.deepEqual(await toldOf(provisionKind, { world, look: lookOf(factsOf({ [OWNED_FILE]: null })) }), []);
  const guest = guestOf(factsOf({ [OWNED_FILE]: RAN }));
  await provisionKind.undo(jobOf("provision:tools", guest));
  const folder = "/var/lib/machine/provision/tools";
  assert.deepEqual(opNames(guest.ops()), [
    `remove ${folder}`,
    `remove ${folder}.log`,
    `remove ${folder}.check`,
    `write ${OWNED_FILE}`,
  ]);
});

async function wantedOf(step: ProvisionStep) {
  return [...(await provisionKind.desired(wanting([step]))).values()][0]!;
}

Deno.test("provision: is claimed before and noted after it ran, and its check after that", async () => {
  const guest = guestOf(undefined, () => ({ output: "it said this" }));
  const said: string[] = [];
  const job = jobOf("provision:tools", guest, { output: (text) => said.push(text) });
  await provisionKind.apply(job, await wantedOf({ ...STEP, check: "test -e /x", as: "user" }));
  assert.deepEqual(opNames(guest.ops()), [
    `write ${OWNED_FILE}`,
    "make-folder /var/lib/machine/provision",
    "write /var/lib/machine/provision/tools /var/lib/machine/provision/tools.check",
    "run-file /var/lib/machine/provision/tools",
    "run-check /var/lib/machine/provision/tools.check",
    `write ${OWNED_FILE}`,
  ]);
  assert.deepEqual(said, ["it said this"]);
  const runs = guest.ops().filter((op): op is Extract<GuestOp, { op: "run-file" | "run-check" }> =>
    op.op === "run-file" || op.op === "run-check"
  );
  assert.deepEqual(runs.map(({ as }) => as), ["ada", "ada"]);
  const files = guest.ops().flatMap((op) => op.op === "write" ? op.files : []);
  assert.deepEqual(files.slice(1, 3).map(({ owner, mode }) => [owner, mode]), [
    ["ada:ada", "0700"],
    ["ada:ada", "0700"],
  ]);
  const lists = [files.at(0), files.at(-1)].map((file) => JSON.parse(String(file?.content)).applied);
  const { hash } = await wantedOf({ ...STEP, as: "user" });
  assert.deepEqual(lists, [{ "provision:tools": { begun: true } }, { "provision:tools": hash }]);
});

Deno.test("provision: steps run one by one, never together", () => {
  assert.equal(provisionKind.together, undefined);
});

Deno.test("provision: by a real shell, a step runs to its first failing command; its output is kept and comes back", () =>
  inFolderGuest(async (guest) => {
    const said: string[] = [];
    const apply = async (step: ProvisionStep) => {
      const job = jobOf("provision:tools", guest.control, {
        owned: guest.store(),
        output: (text) => said.push(text),
      });
      await provisionKind.apply(job, await wantedOf(step));
    };
    const done = guest.path("done");
    const failing = { ...STEP, run: `echo begins\nfalse\ntouch '${done}'` };
    await assert.rejects(apply(failing), (error) => {
      assert.match(`${error}`, /The provision step "tools" failed in the guest with exit code 1/);
      assert.equal(error instanceof Error && "output" in error && error.output, "begins");
      return true;
    });
    assert.equal(await textOf(done), undefined);
    assert.equal(await textOf(guest.own("provision/tools.log")), "begins\n");
    assert.deepEqual((await guest.list()).applied, JSON.parse(BEGUN).applied, "it never ran to its end");
    const good = { ...STEP, run: `echo begins; echo louder >&2\ntouch '${done}'`, check: `[ -e '${done}' ]` };
    await apply(good);
    assert.deepEqual(said, ["begins\nlouder"]);
    assert.equal(await modeOf(guest.own("provision/tools")), 0o700);
    assert.deepEqual((await guest.list()).applied, { "provision:tools": await hashOf(good) });
  }));

Deno.test("provision: by a real shell, one whose check still fails fails, and is not noted", () =>
  inFolderGuest(async (guest) => {
    const job = jobOf("provision:tools", guest.control, { owned: guest.store() });
    const wanted = await wantedOf({ ...STEP, run: "echo done", check: "exit 3" });
    await assert.rejects(provisionKind.apply(job, wanted), (error) => {
      assert.equal(
        error instanceof Error && "output" in error && error.output,
        "done\nIts check still fails after it ran",
      );
      return true;
    });
    assert.deepEqual((await guest.list()).applied, JSON.parse(BEGUN).applied);
  }));

Deno.test("provision: by a real shell, one whose check succeeds by now does not run, and is noted", () =>
  inFolderGuest(async (guest) => {
    const job = jobOf("provision:tools", guest.control, { owned: guest.store() });
    const step = { ...STEP, run: `touch '${guest.path("done")}'`, check: "true" };
    await provisionKind.apply(job, await wantedOf(step));
    assert.equal(await textOf(guest.path("done")), undefined);
    assert.deepEqual((await guest.list()).applied, { "provision:tools": await hashOf(step) });
  }));

Deno.test("provision: by a real shell, commands that name their own program are run by it", () =>
  inFolderGuest(async (guest) => {
    const said: string[] = [];
    const job = jobOf("provision:tools", guest.control, {
      owned: guest.store(),
      output: (text) => said.push(text),
    });
    await provisionKind.apply(
      job,
      await wantedOf({ ...STEP, run: '#!/usr/bin/perl\nprint "perl ", 6 * 7, "\\n";' }),
    );
    assert.deepEqual(said, ["perl 42"]);
  }));
