import assert from "node:assert/strict";
import { desiredHash, desiredHashes } from "../../lib/apply/applied.ts";
import { itemsOf } from "../../lib/apply/items.ts";
import type { Machine } from "../../lib/config/types.ts";
import { sha256 } from "../../lib/host/files.ts";
import { makePlan } from "../../lib/plan/plan.ts";
import { fileKind } from "../../lib/resources/files.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { KINDS } from "../../lib/resources/registry.ts";
import type { MachineRecord } from "../../lib/resources/record.ts";
import {
  factsOf,
  type FileAnswer,
  listOf,
  lookOf,
  machineOf,
  RECORD,
  RICH,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

/** What the file says of /etc/motd. */
interface Motd {
  readonly content: string;
  readonly mode: string;
}

const FIRST: Motd = { content: "first\n", mode: "0644" };
const OTHER_TEXT: Motd = { content: "second\n", mode: "0644" };
const OTHER_MODE: Motd = { content: "first\n", mode: "0600" };

function machineWith({ content, mode }: Motd): Machine {
  return machineOf({ files: [{ path: "/etc/motd", content, mode, owner: "root:root" }] });
}

function wantedOf({ content, mode }: Motd) {
  return { path: "/etc/motd", owner: "root:root", mode, hash: sha256(content) };
}

/** A record of a machine that was applied to its end as `whole`, and whose last step made the file `last`. */
function recordOf(whole: Motd | undefined, last: Motd | undefined): MachineRecord {
  return {
    ...RECORD,
    ...(whole === undefined ? {} : { machine: machineWith(whole) }),
    applied: last === undefined
      ? {}
      : { "file:/etc/motd": desiredHash(wantedOf(last), RECORD.fingerprintKey) },
  };
}

interface Case {
  readonly wanted: Motd;
  readonly record: MachineRecord | undefined;
  readonly found: FileAnswer;
  readonly told: string;
}

const THEIRS = { text: "theirs\n", mode: "644" };
const CONTENT = "files[/etc/motd].content";
const MODE = "files[/etc/motd].mode";

const CASES: Readonly<Record<string, Case>> = {
  "only the file was edited": {
    wanted: OTHER_TEXT,
    record: recordOf(FIRST, FIRST),
    found: "first\n",
    told: `update, ${CONTENT}`,
  },
  "only the guest was changed": {
    wanted: FIRST,
    record: recordOf(FIRST, FIRST),
    found: THEIRS,
    told: `update, ${CONTENT}: changed outside`,
  },
  "the file at one path, the guest at another": {
    wanted: OTHER_MODE,
    record: recordOf(FIRST, FIRST),
    found: THEIRS,
    told: `update, ${CONTENT}: changed outside, ${MODE}`,
  },
  "both at the same path": {
    wanted: OTHER_TEXT,
    record: recordOf(FIRST, FIRST),
    found: THEIRS,
    told: `update, ${CONTENT}: changed outside`,
  },
  "both to the same": { wanted: OTHER_TEXT, record: recordOf(FIRST, FIRST), found: "second\n", told: "none" },
  "removed outside": {
    wanted: FIRST,
    record: recordOf(FIRST, FIRST),
    found: null,
    told: "create (removed outside)",
  },
  "removed outside while the file was edited": {
    wanted: OTHER_TEXT,
    record: recordOf(FIRST, FIRST),
    found: null,
    told: "create (removed outside)",
  },
  "never applied": { wanted: FIRST, record: recordOf(FIRST, undefined), found: null, told: "create" },
  "never applied and there": {
    wanted: FIRST,
    record: recordOf(undefined, undefined),
    found: THEIRS,
    told: `update, ${CONTENT}`,
  },
  "a lost record": { wanted: FIRST, record: undefined, found: THEIRS, told: `update, ${CONTENT}` },
  "a later apply that broke off had made it as the file says now": {
    wanted: OTHER_TEXT,
    record: recordOf(FIRST, OTHER_TEXT),
    found: THEIRS,
    told: `update, ${CONTENT}: changed outside`,
  },
  "a later apply that broke off had made it something that nobody knows any more": {
    wanted: OTHER_MODE,
    record: recordOf(FIRST, OTHER_TEXT),
    found: { text: "second\n", mode: "644" },
    told: `update, ${CONTENT}, ${MODE}`,
  },
  "nothing was ever applied to its end": {
    wanted: FIRST,
    record: recordOf(undefined, FIRST),
    found: THEIRS,
    told: `update, ${CONTENT}: changed outside`,
  },
};

for (const [name, { wanted, record, found, told }] of Object.entries(CASES)) {
  Deno.test(`itemsOf() and the plan tell an edit from a change outside: ${name}`, () =>
    withHome(async () => {
      const list = listOf({ "file:/etc/motd": true }, { "/etc/motd": sha256("first\n") });
      const look = lookOf(factsOf({ "/etc/motd": found, [OWNED_FILE]: list }));
      const items = await itemsOf(worldOf({ machine: machineWith(wanted), record }), look, [fileKind]);
      const [line] = makePlan(items, { machine: "dev", protect: false }).changes;
      const paths = line!.paths.map(({ path, note }) => note === undefined ? path : `${path}: ${note}`);
      const action = line!.reason === undefined ? line!.action : `${line!.action} (${line!.reason})`;
      assert.equal([action, ...paths].join(", "), told);
    }));
}

Deno.test("itemsOf() knows of everything that was applied what it was, while the file says the same", () =>
  withHome(async () => {
    const world = worldOf({ machine: RICH });
    const record = { ...RECORD, machine: RICH, applied: await desiredHashes(world, RECORD) };
    for (const { address, desired, last } of await itemsOf({ ...world, record }, UNREACHABLE)) {
      if (desired !== undefined) assert.deepEqual(last, desired, address);
    }
  }));

Deno.test("itemsOf() takes the fingerprint of another value for no knowledge at all", () =>
  withHome(async () => {
    const world = worldOf({ machine: RICH });
    const hashes = Object.keys(await desiredHashes(world, RECORD)).map((
      address,
    ) => [address, "of something else"]);
    const record = { ...RECORD, machine: RICH, applied: Object.fromEntries(hashes) };
    for (const { address, last } of await itemsOf({ ...world, record }, UNREACHABLE)) {
      assert.equal(last, undefined, address);
    }
  }));

Deno.test("itemsOf() lets one kind that cannot look block its own things and no others", () =>
  withHome(async () => {
    const look = lookOf(factsOf({ [OWNED_FILE]: "{ damaged" }));
    const items = await itemsOf(worldOf({ machine: RICH }), look);
    const kinds = new Set(KINDS.filter(({ realm }) => realm === "guest").map(({ kind }) => kind));
    for (const { address, observed, realm } of items) {
      if (realm !== "guest") continue;
      assert.equal(observed.state, "unknown", address);
      kinds.delete([...kinds].find((kind) => address === kind || address.startsWith(`${kind}:`)) ?? "");
    }
    assert.deepEqual([...kinds], [], "each has a line that says it");
    const motd = items.find(({ address }) => address === "file:/etc/motd")!;
    assert.ok(motd.observed.state === "unknown");
    assert.match(motd.observed.reason, /owned\.json in the guest is damaged.*Remove it in the guest/);
    assert.ok(items.some(({ address, observed }) => address === "vm" && observed.state === "present"));
  }));
