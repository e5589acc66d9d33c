import assert from "node:assert/strict";
import type { GuestOp } from "../../lib/guest/ops.ts";
import { sha256 } from "../../lib/host/files.ts";
import { joinChanges, OWNED_FILE, type OwnedChange, OwnedStore } from "../../lib/resources/owned.ts";
import { namesIn } from "./folder_fixture.ts";
import { hexOf, inFolderGuest, modeOf, textOf } from "./guest_folder_fixture.ts";
import { factsOf, guestOf, listOf, opNames } from "./resources_fixture.ts";

/** Whoever runs the tests. */
const OWNER = `${Deno.uid()}:${Deno.gid()}`;

function put(path: string, content: string): OwnedChange {
  const file = { path, content, mode: "0644", owner: OWNER };
  return { what: "Writing", ops: [{ op: "own", file }], claimed: { thing: content } };
}

function take(path: string): OwnedChange {
  return { what: "Removing", ops: [{ op: "disown", path }], forgotten: ["thing"] };
}

Deno.test("OwnedStore keeps what stood there, once, and puts it back with its mode", async () => {
  await inFolderGuest(async ({ path, own, store, list }) => {
    const file = path("etc-conf");
    await Deno.writeTextFile(file, "the distribution's\n");
    await Deno.chmod(file, 0o604);
    await store().run(put(file, "ours 1"));
    await store().run(put(file, "ours 2"));
    assert.equal(await textOf(file), "ours 2");
    assert.deepEqual((await list()).applied, { thing: "ours 2" });
    await store().run(take(file));
    assert.equal(await textOf(file), "the distribution's\n");
    assert.equal(await modeOf(file) & 0o777, 0o604);
    assert.deepEqual(await list(), { version: 1, files: {}, applied: {} });
    assert.deepEqual(await namesIn(own("before")), []);
  });
});

Deno.test("OwnedStore makes an absent path absent again, and a link a link", async () => {
  await inFolderGuest(async ({ path, store }) => {
    await store().run(put(path("new"), "ours"));
    await Deno.symlink("nowhere", path("link"));
    await store().run(put(path("link"), "ours"));
    assert.equal((await Deno.lstat(path("link"))).isSymlink, false);
    await store().run(take(path("new")));
    await store().run(take(path("link")));
    assert.equal(await textOf(path("new")), undefined);
    assert.equal(await Deno.readLink(path("link")), "nowhere");
  });
});

/** An operation that fails. */
function failing(path: string): GuestOp {
  return { op: "run-file", file: path, log: "/dev/null", as: undefined };
}

Deno.test("OwnedStore does not forget what could not be taken away", async () => {
  await inFolderGuest(async ({ path, store, list }) => {
    const file = path("unit");
    await store().run(put(file, "ours"));
    await Deno.writeTextFile(path("busy"), "#!/bin/sh\necho 'target is busy' >&2\nexit 32\n", {
      mode: 0o755,
    });
    const gone = take(file);
    const check: GuestOp = { op: "run-file", file: path("busy"), log: path("log"), as: undefined };
    await assert.rejects(store().run({ ...gone, ops: [check, ...gone.ops] }), (error) => {
      assert.match(`${error}`, /Removing failed in the guest with exit code 32/);
      assert.match(`${error instanceof Error && "output" in error && error.output}`, /target is busy/);
      return true;
    });
    assert.equal(await textOf(file), "ours");
    assert.deepEqual(Object.keys((await list()).files), [file]);
    assert.deepEqual((await list()).applied, { thing: "ours" });
  });
});

Deno.test("OwnedStore stops at the first operation that fails, and reads the list anew after it", async () => {
  await inFolderGuest(async ({ path, store }) => {
    const one = store();
    const change = put(path("a"), "ours");
    const never: GuestOp = {
      op: "write",
      files: [{ path: path("never"), content: "", mode: "0644", owner: OWNER }],
    };
    await assert.rejects(one.run({ ...change, ops: [...change.ops, failing(path("none")), never] }));
    assert.equal(await textOf(path("never")), undefined);
    assert.deepEqual(Object.keys((await one.read()).files), [path("a")]);
  });
});

Deno.test("OwnedStore abandons a file as somebody has made it, which is what comes back the next time", async () => {
  await inFolderGuest(async ({ path, own, store, list }) => {
    const file = path("conf");
    await Deno.writeTextFile(file, "the distribution's\n");
    await store().run(put(file, "ours"));
    await Deno.writeTextFile(file, "somebody's");
    await store().run({ what: "Leaving", ops: [{ op: "abandon", path: file }], forgotten: ["thing"] });
    assert.equal(await textOf(file), "somebody's");
    assert.deepEqual(await list(), { version: 1, files: {}, applied: {} });
    assert.deepEqual(await namesIn(own("before")), []);
    await store().run(put(file, "ours again"));
    await store().run(take(file));
    assert.equal(await textOf(file), "somebody's");
  });
});

/** After how many of its lines a script may be cut off: anywhere, but for the text of a program in quotes. */
function cutsOf(script: string): readonly number[] {
  const lines = script.split("\n");
  let isQuoted = false;
  return lines.flatMap((line, index) => {
    const wasQuoted = isQuoted;
    if (line.startsWith("perl -e '")) isQuoted = true;
    if (line.startsWith("' <<")) isQuoted = false;
    return wasQuoted ? [] : [index];
  });
}

for (const original of ["original", undefined]) {
  for (const change of ["put", "take"] as const) {
    const name = `${change} ${original === undefined ? "where nothing was" : "over a file"}`;
    Deno.test(`OwnedStore finishes its work after a guest that died at any line: ${name}`, async () => {
      await inFolderGuest(async (guest) => {
        const { path, store } = guest;
        const file = path("conf");
        const work = () => store().run(change === "put" ? put(file, "ours") : take(file));
        const restore = async () => {
          if (original === undefined) await Deno.remove(file).catch(() => {});
          else await Deno.writeTextFile(file, original);
          if (change === "take") await store().run(put(file, "ours"));
        };
        await restore();
        await work();
        const cuts = cutsOf(guest.scripts.at(-1)!);
        assert.ok(cuts.length > 5);
        if (change === "put") await store().run(take(file));
        for (const lines of cuts) {
          await restore();
          const dead = store();
          await dead.read(); // the look at the list goes the same way, and is not what dies here
          guest.lines = lines;
          await assert.rejects(dead.run(change === "put" ? put(file, "ours") : take(file)), /The guest died/);
          guest.lines = Infinity;
          const now = await textOf(file);
          assert.ok(now === original || now === "ours", `died after line ${lines}: ${now}`);
          await store().run(put(file, "ours"));
          assert.equal(await textOf(file), "ours");
          await store().run(take(file));
          assert.equal(await textOf(file), original, `died after line ${lines}`);
        }
      });
    });
  }
}

Deno.test("OwnedStore writes no list when it says the same", async () => {
  await inFolderGuest(async ({ path, own, store, scripts }) => {
    await store().run(put(path("a"), "ours"));
    const { mtime, ino } = await Deno.stat(own("owned.json"));
    await store().run(put(path("a"), "ours"));
    const { mtime: now, ino: same } = await Deno.stat(own("owned.json"));
    assert.deepEqual([now, same], [mtime, ino]);
    assert.equal(await modeOf(own("owned.json")), 0o600);
    assert.ok(!scripts.at(-1)?.includes(hexOf("owned.json")));
  });
});

for (
  const [how, text, message] of [
    ["damaged", '{"version":1,"fi', /damaged/],
    ["empty", "", /damaged/],
    ["newer", '{"version":2}', /newer version/],
  ] as const
) {
  Deno.test(`OwnedStore refuses a list that is ${how} instead of owning nothing`, async () => {
    await inFolderGuest(async ({ own, store }) => {
      await Deno.mkdir(own("."), { recursive: true });
      await Deno.writeTextFile(own("owned.json"), text);
      await assert.rejects(store().read(), message);
    });
  });
}

/** The list that an operation writes; `undefined` for every other operation. */
function listIn(op: GuestOp): unknown {
  if (op.op !== "write" || op.files[0]?.path !== OWNED_FILE) return undefined;
  return JSON.parse(String(op.files[0].content));
}

const FILE = { path: "/etc/a", content: "ours", mode: "0644" };
const FIRST = listOf({ old: 1 }, { "/etc/old": "hash" });

Deno.test("OwnedStore keeps first, then notes what comes, works, notes what went, and forgets what was kept", async () => {
  const guest = guestOf(factsOf({ [OWNED_FILE]: FIRST }));
  await new OwnedStore(() => Promise.resolve(guest), undefined).run({
    what: "Changing",
    ops: [
      { op: "own", file: FILE },
      { op: "systemctl", args: ["start", "a"] },
      { op: "disown", path: "/etc/old" },
    ],
    claimed: { new: "claimed" },
    applied: { done: "applied" },
    forgotten: ["old"],
  });
  assert.equal(guest.requests.length, 1, "one round trip");
  assert.deepEqual(opNames(guest.ops()), [
    "keep /etc/a",
    `write ${OWNED_FILE}`,
    "write /etc/a",
    "systemctl start a",
    "put-back /etc/old",
    `write ${OWNED_FILE}`,
    "drop-kept /etc/old",
  ]);
  const [before, after] = guest.ops().map(listIn).filter((list) => list !== undefined);
  const files = { "/etc/old": "hash", "/etc/a": sha256("ours") };
  assert.deepEqual(before, { version: 1, files, applied: { old: 1, new: "claimed" } });
  assert.deepEqual(after, {
    version: 1,
    files: { "/etc/a": sha256("ours") },
    applied: { new: "claimed", done: "applied" },
  });
});

Deno.test("OwnedStore keeps nothing of what is ours already, and asks nothing when nothing is to do", async () => {
  const guest = guestOf(factsOf({ [OWNED_FILE]: listOf({}, { "/etc/a": "former" }) }));
  const store = new OwnedStore(() => Promise.resolve(guest), undefined);
  await store.run({ what: "Changing", ops: [{ op: "own", file: FILE }] });
  assert.deepEqual(opNames(guest.ops()), [`write ${OWNED_FILE}`, "write /etc/a"]);
  assert.equal(await store.run({ what: "Nothing", ops: [], forgotten: ["never heard of"] }), "");
  assert.equal(guest.requests.length, 1);
  assert.equal(guest.looks.length, 1, "the list is known from its own writing");
});

Deno.test("OwnedStore takes an address that is claimed and applied for what was applied in the end", async () => {
  const guest = guestOf();
  const store = new OwnedStore(() => Promise.resolve(guest), undefined);
  const change = { what: "Changing", ops: [], claimed: { a: "claim" }, applied: { a: "done" } };
  await store.run(change);
  const lists = guest.ops().map(listIn) as { readonly applied: unknown }[];
  assert.deepEqual(lists.map(({ applied }) => applied), [{ a: "claim" }, { a: "done" }]);
  assert.deepEqual((await store.read()).applied, { a: "done" });
});

Deno.test("OwnedStore leaves what was claimed on the list when the change fails", async () => {
  await inFolderGuest(async ({ path, store, list }) => {
    const change: OwnedChange = {
      what: "Changing",
      ops: [failing(path("none"))],
      claimed: { mine: true },
      applied: { done: true },
    };
    await assert.rejects(store().run(change), /Changing failed in the guest/);
    assert.deepEqual((await list()).applied, { mine: true });
  });
});

Deno.test("OwnedStore writes neighbouring files, and installs neighbouring packages, at once", async () => {
  const guest = guestOf();
  const own = (path: string) => ({ op: "own", file: { ...FILE, path } }) as const;
  await new OwnedStore(() => Promise.resolve(guest), undefined).run({
    what: "Changing",
    ops: [
      own("/a"),
      own("/b"),
      { op: "install-packages", names: ["git"] },
      { op: "install-packages", names: ["jq"] },
      { op: "remove-packages", names: ["vim"] },
      { op: "remove-packages", names: ["ed"] },
      own("/c"),
      { op: "write", files: [{ ...FILE, path: "/d" }] },
    ],
  });
  assert.deepEqual(opNames(guest.ops()).slice(-4), [
    "write /a /b",
    "install-packages git jq",
    "remove-packages vim ed",
    "write /c /d",
  ]);
});

Deno.test("joinChanges() is all of them in their order, with the longest time", () => {
  const one: OwnedChange = { what: "One", ops: [{ op: "remove", path: "/1" }], claimed: { a: 1 } };
  const two: OwnedChange = {
    what: "Two",
    ops: [{ op: "remove", path: "/2" }],
    claimed: { b: 1 },
    applied: { c: 1 },
    forgotten: ["d"],
    timeoutMs: 3_600_000,
  };
  assert.deepEqual(joinChanges([one, two]), {
    what: "One and 1 more",
    ops: [{ op: "remove", path: "/1" }, { op: "remove", path: "/2" }],
    claimed: { a: 1, b: 1 },
    applied: { c: 1 },
    forgotten: ["d"],
    timeoutMs: 3_600_000,
  });
  assert.equal(joinChanges([one]).what, "One");
  assert.equal(joinChanges([one, { ...two, timeoutMs: 5 }]).timeoutMs, 120_000);
});
