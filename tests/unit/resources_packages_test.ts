import assert from "node:assert/strict";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { packageKind } from "../../lib/resources/packages.ts";
import {
  factsOf,
  guestOf,
  jobOf,
  listOf,
  lookOf,
  machineOf,
  opNames,
  stepOf,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

const OURS = listOf({ "package:git": true });
/** A guest that has none of the packages yet. */
const BARE = factsOf({ [OWNED_FILE]: null }, {}, { packages: { git: null, jq: null } });

const ROWS: readonly (readonly [
  string,
  readonly string[],
  Record<string, string | null>,
  string | null,
  readonly string[],
])[] = [
  ["there and ours", ["git"], { git: "1" }, OURS, ["package:git none live"]],
  ["there before us", ["git"], { git: "1" }, null, ["package:git none live"]],
  ["absent", ["git"], { git: null }, null, ["package:git create live"]],
  ["ours and removed by hand", ["git"], { git: null }, OURS, ["package:git create live"]],
  ["unknown", ["git"], {}, OURS, ["package:git blocked live (the guest did not answer)"]],
  ["of another architecture", ["git:i386"], { "git:i386": null, git: "1" }, null, [
    "package:git:i386 create live",
  ]],
  ["no longer wanted and ours", [], { git: "1" }, OURS, [
    "package:git delete live (unless another package needs it)",
  ]],
  ["no longer wanted and not ours", [], { git: "1" }, null, []],
  ["no longer wanted, ours, and removed by hand", [], { git: null }, OURS, [
    "package:git delete live (it is gone already; only its mark goes)",
  ]],
  ["no longer wanted and unknown", [], {}, OURS, ["package:git blocked live (the guest did not answer)"]],
  ["one of several", ["git", "jq"], { git: "1", jq: null }, null, [
    "package:git none live",
    "package:jq create live",
  ]],
];

for (const [name, install, packages, list, wanted] of ROWS) {
  Deno.test(`package: ${name}`, async () => {
    const look = lookOf(factsOf({ [OWNED_FILE]: list }, {}, { packages }));
    const world = worldOf({ machine: machineOf({ packages: { install } }) });
    assert.deepEqual(await toldOf(packageKind, { world, look }), wanted);
  });
}

Deno.test("package: a removal that nobody asked for is found by the guest's own list, with its query", async () => {
  const query = await packageKind.query?.(worldOf(), ["package:git", "package:g++", "file:/etc/motd"]);
  assert.deepEqual(query?.packages, ["git", "g++"]);
});

Deno.test("package: is noted as ours before it is installed, by apt alone", async () => {
  const guest = guestOf();
  await packageKind.apply(jobOf("package:git", guest, { look: lookOf(BARE) }), "git");
  assert.deepEqual(opNames(guest.ops()), [`write ${OWNED_FILE}`, "install-packages git"]);
  const [list] = guest.ops();
  assert.ok(list?.op === "write");
  assert.equal(list.files[0]!.content, OURS);
});

Deno.test("package: an installation that fails leaves it ours to take away again", async () => {
  const guest = guestOf(undefined, () => ({ ok: false, code: 100, output: "E: no such package" }));
  const job = jobOf("package:git", guest, { look: lookOf(BARE) });
  await assert.rejects(packageKind.apply(job, "git"), (error) => {
    assert.match(`${error}`, /Installing git failed in the guest with exit code 100/);
    assert.match(`${error instanceof Error && "output" in error && error.output}`, /no such package/);
    return true;
  });
  assert.equal(guest.requests.length, 1);
});

Deno.test("package: one that a new guest brings is not noted as ours, and is asked for once for all", async () => {
  const world = worldOf({ machine: machineOf({ packages: { install: ["git", "jq"] } }) });
  const look = lookOf(BARE, { guest: { state: "absent" } });
  const guest = guestOf(factsOf({ [OWNED_FILE]: null }, {}, { packages: { git: "1", jq: null } }));
  const first = jobOf("", guest, { world: { ...world, record: jobOf("", guest).world.record }, look });
  const jobs = ["git", "jq"].map((name) => ({
    job: { ...first, step: stepOf(`package:${name}`) },
    desired: name,
  }));
  await packageKind.together!(jobs);
  const [list] = guest.ops();
  assert.ok(list?.op === "write");
  assert.equal(list.files[0]!.content, listOf({ "package:jq": true }));
  assert.deepEqual(guest.looks.filter(({ packages }) => packages), [{ packages: ["git", "jq"] }]);
});

Deno.test("package: where it cannot be told what was there before, nothing is installed", async () => {
  const guest = guestOf();
  const look = lookOf(BARE, { guest: { state: "absent" } });
  await assert.rejects(
    packageKind.apply(jobOf("package:git", guest, { look }), "git"),
    /was there before is not known/,
  );
  assert.deepEqual(guest.requests, []);
});

Deno.test("package: several are installed, and removed, at once", async () => {
  const guest = guestOf(factsOf({ [OWNED_FILE]: listOf({ "package:ed": true, "package:vim": true }) }));
  const jobs = (names: readonly string[]) => {
    const first = jobOf("", guest, { look: lookOf(BARE) });
    return names.map((name) => ({ ...first, step: stepOf(`package:${name}`) }));
  };
  await packageKind.together!(
    jobs(["git", "jq"]).map((job, index) => ({ job, desired: ["git", "jq"][index] })),
  );
  await packageKind.together!(jobs(["ed", "vim"]).map((job) => ({ job, desired: undefined })));
  assert.deepEqual(guest.requests.map(opNames), [
    [`write ${OWNED_FILE}`, "install-packages git jq"],
    ["remove-packages ed vim", `write ${OWNED_FILE}`],
  ]);
  const lists = guest.ops().flatMap((op) =>
    op.op === "write" ? [JSON.parse(String(op.files[0]!.content))] : []
  );
  assert.deepEqual(lists[0].applied, {
    "package:ed": true,
    "package:vim": true,
    "package:git": true,
    "package:jq": true,
  });
});
