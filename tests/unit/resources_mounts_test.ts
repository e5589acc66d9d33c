import assert from "node:assert/strict";
import { basename, join } from "node:path";
import type { Mount } from "../../lib/config/types.ts";
import { sha256 } from "../../lib/host/files.ts";
import { findProgram, run, runOrThrow } from "../../lib/host/process.ts";
import { mountKind } from "../../lib/resources/mounts.ts";
import { unitName } from "../../lib/resources/mount_units.ts";
import { shareOf } from "../../lib/resources/mount_share.ts";
import {
  compareOne,
  factsOf,
  guestOf,
  jobOf,
  lookOf,
  MACHINE,
  observeOne,
  opNames,
  STOPPED,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";
import { namesIn } from "./folder_fixture.ts";
import { inFolderGuest } from "./guest_folder_fixture.ts";

const ESCAPE = await findProgram("systemd-escape");
const ANALYZE = await findProgram("systemd-analyze");
const OWNED = "/var/lib/machine/owned.json";
const MOUNTINFO = "/proc/self/mountinfo";

const NAMES: Readonly<Record<string, string>> = {
  "/src": "src.mount",
  "/home/ada/my-project": "home-ada-my\\x2dproject.mount",
  "/mnt/a b": "mnt-a\\x20b.mount",
  "/mnt/grüße": "mnt-gr\\xc3\\xbc\\xc3\\x9fe.mount",
  "/.hidden/.x": "\\x2ehidden-.x.mount",
  '/mnt/it\'s 100%,"x"\\': "mnt-it\\x27s\\x20100\\x25\\x2c\\x22x\\x22\\x5c.mount",
  "/mnt/a:b_c@d": "mnt-a:b_c\\x40d.mount",
};

for (const [target, name] of Object.entries(NAMES)) {
  Deno.test(`unitName() of ${target} is systemd's own`, async () => {
    assert.equal(unitName(target), name);
    if (!ESCAPE) return;
    assert.equal((await runOrThrow([ESCAPE, "-p", "--suffix=mount", target])).trim(), name);
  });
}

function mountAt(target: string, parts: Partial<Mount> = {}): Mount {
  return { source: "/", target, type: "9p", writable: false, optional: false, options: {}, ...parts };
}

/** Applies a mount; gives its unit and what the guest was told to do. */
async function applied(mount: Mount): Promise<{ unit: string; told: string[]; name: string }> {
  const guest = guestOf();
  await withHome(() =>
    mountKind.apply(jobOf(`mount:${mount.target}`, guest), { ...mount, sourceMissing: false })
  );
  const files = guest.ops().flatMap((op) => op.op === "write" ? op.files : []);
  const unit = files.find(({ path }) => path.startsWith("/etc/systemd/system/"))!;
  return { unit: String(unit.content), name: basename(unit.path), told: opNames(guest.ops()) };
}

Deno.test("a mount's unit says what is mounted where and how", async () => {
  const mount = mountAt("/mnt/a-b", { source: "/src", options: { msize: "131072" } });
  const { unit, name, told } = await applied(mount);
  assert.equal(name, "mnt-a\\x2db.mount");
  assert.match(unit, new RegExp(`^What=${shareOf(mount).tag}$`, "m"));
  assert.match(unit, /^Where=\/mnt\/a-b$/m);
  assert.match(unit, /^Options=trans=virtio,version=9p2000\.L,msize=131072,cache=mmap,ro$/m);
  assert.match((await applied({ ...mount, writable: true })).unit, /^Options=.*cache=mmap$/m);
  const order = ["write", "make-folder", "systemctl enable", "systemctl daemon-reload", "systemctl restart"];
  const places = order.map((start) =>
    told.findIndex((line) => line.startsWith(start) && !line.includes("owned.json"))
  );
  assert.deepEqual(places, places.toSorted((a, b) => a - b), told.join("\n"));
  assert.ok(places.every((place) => place >= 0), told.join("\n"));
  assert.ok(told.includes("systemctl enable -q --no-reload mnt-a\\x2db.mount"));
});

for (const target of Object.keys(NAMES).filter((path) => !path.endsWith("\\"))) {
  Deno.test({
    name: `systemd understands the unit that mounts ${target}`,
    ignore: ANALYZE === undefined,
    async fn() {
      const { unit, name } = await applied(mountAt(target));
      const folder = await Deno.makeTempDir({ prefix: "verify-" });
      try {
        await Deno.writeTextFile(join(folder, name), unit);
        const { stdout, stderr } = await run([ANALYZE!, "verify", "--man=no", join(folder, name)]);
        const words = `${stdout}${stderr}`.split("\n").filter((line) =>
          line.includes(name) || /Where|What/.test(line)
        );
        assert.deepEqual(words, []);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("removing a mount removes the folder that was made for it, and no other", () =>
  inFolderGuest(async ({ path, root, control }) => {
    const [made, present] = [path("made by us"), path("was there")];
    await Deno.mkdir(present);
    for (const folder of [made, present]) {
      for (const time of ["first", "second"]) {
        const { ok, output } = await control.perform([{ op: "make-folder", path: folder, remember: true }]);
        assert.ok(ok, `the ${time} apply: ${output}`);
      }
      for (const time of ["first", "second"]) {
        const { ok, output } = await control.perform([{ op: "remove-folder", path: folder }]);
        assert.ok(ok, `the ${time} removal: ${output}`);
      }
    }
    assert.deepEqual(await namesIn(root), ["var", "was there"]);
  }));

Deno.test("removing a mount ends it before its unit goes, and forgets it", async () => {
  const guest = guestOf(
    factsOf({ [OWNED]: JSON.stringify({ version: 1, files: {}, applied: { "mount:/old": {} } }) }),
  );
  await mountKind.undo(jobOf("mount:/old", guest));
  assert.deepEqual(opNames(guest.ops()), [
    "retire-unit old.mount",
    "put-back /etc/systemd/system/old.mount",
    "systemctl daemon-reload",
    "remove-folder /old",
    `write ${OWNED}`,
    "drop-kept /etc/systemd/system/old.mount",
  ]);
});

const MOUNT = mountAt("/mnt/a b", { source: "/" });
const ADDRESS = "mount:/mnt/a b";
const UNIT = `/etc/systemd/system/${unitName(MOUNT.target)}`;
const { unit: UNIT_TEXT } = await applied(MOUNT);
const WORLD = worldOf({ machine: { ...MACHINE, mounts: [MOUNT] } });

function row(tag: string, options = "ro", type = "9p"): string {
  return `36 25 0:40 / /mnt/a\\040b ${options},relatime - ${type} ${tag} ${options},trans=virtio\n`;
}

const TAG = shareOf(MOUNT).tag;
const ROWS: readonly (readonly [string, string, string | null, readonly string[]])[] = [
  ["mounted as wanted", row(TAG), UNIT_TEXT, []],
  ["neither mounted nor a unit", "", null, ["absent"]],
  ["a unit, but not mounted", "", UNIT_TEXT, ["mounts[/mnt/a b] live"]],
  ["mounted by somebody else", row("other"), null, [
    "mounts[/mnt/a b].source live",
    "mounts[/mnt/a b].options live",
  ]],
  ["writable instead of read-only", row(TAG, "rw"), UNIT_TEXT, ["mounts[/mnt/a b].writable live"]],
  ["another type", row(TAG, "ro", "virtiofs"), UNIT_TEXT, ["mounts[/mnt/a b].type live"]],
  ["another unit", row(TAG), `${UNIT_TEXT}#`, ["mounts[/mnt/a b].options live"]],
  ["covered by another mount", row(TAG) + row("other"), UNIT_TEXT, ["mounts[/mnt/a b].source live"]],
];

for (const [name, mountinfo, unit, wanted] of ROWS) {
  Deno.test(`mounts: ${name}`, async () => {
    const facts = factsOf({ [MOUNTINFO]: mountinfo, [UNIT]: unit, [OWNED]: null });
    assert.deepEqual(await compareOne(mountKind, ADDRESS, { world: WORLD, look: lookOf(facts) }), wanted);
  });
}

Deno.test("mounts: unknown is what could not be looked at", async () => {
  const missing = [
    factsOf({ [UNIT]: UNIT_TEXT, [OWNED]: null }),
    factsOf({ [MOUNTINFO]: row(TAG), [OWNED]: null }),
  ];
  for (const facts of missing) {
    assert.equal(
      (await observeOne(mountKind, ADDRESS, { world: WORLD, look: lookOf(facts) }))?.state,
      "unknown",
    );
  }
  assert.equal((await observeOne(mountKind, ADDRESS, { world: WORLD, look: UNREACHABLE }))?.state, "unknown");
  const later = await observeOne(mountKind, ADDRESS, { world: WORLD, look: STOPPED });
  assert.deepEqual(later, { state: "unknown", reason: "known after start", until: "vm" });
});

Deno.test("mounts: the two sides decide", async () => {
  const facts = factsOf({ [MOUNTINFO]: row(TAG), [UNIT]: UNIT_TEXT, [OWNED]: null });
  const see = (state: "same" | "differs" | "unknown") =>
    lookOf(facts, {
      guest: { state: "facts", facts, mounts: [{ target: MOUNT.target, state, reason: "why" }] },
    });
  assert.deepEqual(await compareOne(mountKind, ADDRESS, { world: WORLD, look: see("same") }), []);
  assert.deepEqual(await compareOne(mountKind, ADDRESS, { world: WORLD, look: see("differs") }), [
    "mounts[/mnt/a b].source live",
  ]);
  assert.deepEqual(await compareOne(mountKind, ADDRESS, { world: WORLD, look: see("unknown") }), ["unknown"]);
});

Deno.test("mounts: what we made and nobody wants is found by our own list, and only that", async () => {
  const owned = JSON.stringify({ version: 1, files: {}, applied: { "mount:/old": {}, "engine:docker": {} } });
  const facts = factsOf({ [MOUNTINFO]: "", [OWNED]: owned });
  const found = await mountKind.observe(worldOf(), lookOf(facts), new Map());
  assert.deepEqual([...found.keys()], ["mount:/old"]);
  assert.equal(found.get("mount:/old")?.state, "present");
});

Deno.test("mounts: a source that is not there refuses the mount alone", async () => {
  const mount = mountAt("/mnt/x", { source: "/no/such/folder" });
  const world = worldOf({ machine: { ...MACHINE, mounts: [mount] } });
  const desired = (await mountKind.desired(world)).get("mount:/mnt/x");
  assert.match(mountKind.refusal?.(world, desired!) ?? "", /\/no\/such\/folder is not there/);
});

Deno.test("shareOf() tells source, target and access apart, in at most 31 bytes", () => {
  const tags = [
    mountAt("/a"),
    mountAt("/b"),
    mountAt("/a", { source: "/x" }),
    mountAt("/a", { writable: true }),
  ].map((mount) => shareOf(mount).tag);
  assert.equal(new Set(tags).size, tags.length);
  assert.equal(shareOf(mountAt("/a", { options: { cache: "none" } })).tag, tags[0]);
  assert.ok(tags.every((tag) => tag.length <= 31));
  assert.equal(tags[0], `m${sha256("/\0/a\0ro").slice(0, 15)}`);
});
