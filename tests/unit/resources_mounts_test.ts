import assert from "node:assert/strict";
import { join } from "node:path";
import type { Mount } from "../../lib/config/types.ts";
import { sha256 } from "../../lib/host/files.ts";
import { findProgram, run, runOrThrow } from "../../lib/host/process.ts";
import { makeFolderScript, mountKind, removeFolderScript, unitName } from "../../lib/resources/mounts.ts";
import { shareOf } from "../../lib/resources/mount_share.ts";
import {
  compareOne,
  factsOf,
  jobOf,
  lookOf,
  MACHINE,
  observeOne,
  STOPPED,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";
import { namesIn } from "./folder_fixture.ts";

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

/** Applies a mount by the real /bin/sh in a folder, with a systemctl that notes what it is told. */
async function applied(mount: Mount): Promise<{ unit: string; told: string[]; name: string }> {
  const root = await Deno.makeTempDir({ prefix: "mounts-" });
  try {
    await Deno.mkdir(join(root, "bin"));
    await Deno.writeTextFile(join(root, "bin/systemctl"), `#!/bin/sh\necho "$@" >>${root}/told\n`, {
      mode: 0o755,
    });
    await withHome(async () => {
      const job = jobOf(`mount:${mount.target}`, (script) => {
        const moved = script.replaceAll(/\/(etc\/systemd|var\/lib\/machine)/g, `${root}/$1`)
          .replaceAll("mkdir -p /", `mkdir -p ${root}/`).replaceAll("mkdir -p '/", `mkdir -p '${root}/`);
        return run(["/bin/sh", "-c", moved.replaceAll(`${root}${root}`, root)], {
          env: { PATH: `${root}/bin:/usr/bin:/bin` },
        });
      });
      await mountKind.apply(job, { ...mount, sourceMissing: false });
    });
    const folder = join(root, "etc/systemd/system");
    const name = (await namesIn(folder))[0] ?? "none";
    const unit = await Deno.readTextFile(join(folder, name));
    return { unit, name, told: (await Deno.readTextFile(join(root, "told"))).trim().split("\n") };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("a mount's unit says what is mounted where and how", async () => {
  const mount = mountAt("/mnt/a-b", { source: "/src", options: { msize: "131072" } });
  const { unit, name, told } = await applied(mount);
  assert.equal(name, "mnt-a\\x2db.mount");
  assert.match(unit, new RegExp(`^What=${shareOf(mount).tag}$`, "m"));
  assert.match(unit, /^Where=\/mnt\/a-b$/m);
  assert.match(unit, /^Options=trans=virtio,version=9p2000\.L,msize=131072,cache=mmap,ro$/m);
  assert.match((await applied({ ...mount, writable: true })).unit, /^Options=.*cache=mmap$/m);
  assert.ok(told.includes("daemon-reload"));
  assert.ok(told.some((line) => /^enable .*mnt-a\\x2db\.mount$/.test(line)));
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

Deno.test("removing a mount removes the folder that was made for it, and no other", async () => {
  const root = await Deno.makeTempDir({ prefix: "mounts-" });
  try {
    const sh = (script: string) =>
      run(["/bin/sh", "-ec", script.replaceAll("/var/lib/machine", join(root, "state"))]);
    const [made, present] = [join(root, "made by us"), join(root, "was there")];
    await Deno.mkdir(present);
    for (const folder of [made, present]) {
      assert.equal((await sh(makeFolderScript(folder))).code, 0);
      assert.equal((await sh(makeFolderScript(folder))).code, 0, "a second apply");
      assert.equal((await sh(removeFolderScript(folder))).code, 0);
      assert.equal((await sh(removeFolderScript(folder))).code, 0, "a second removal");
    }
    assert.deepEqual((await namesIn(root)).sort(), ["state", "was there"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
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
  ["a unit, but not mounted", "", UNIT_TEXT, ["mounts live"]],
  ["mounted by somebody else", row("other"), null, ["mounts.source live", "mounts.options live"]],
  ["writable instead of read-only", row(TAG, "rw"), UNIT_TEXT, ["mounts.writable live"]],
  ["another type", row(TAG, "ro", "virtiofs"), UNIT_TEXT, ["mounts.type live"]],
  ["another unit", row(TAG), `${UNIT_TEXT}#`, ["mounts.options live"]],
  ["covered by another mount", row(TAG) + row("other"), UNIT_TEXT, ["mounts.source live"]],
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
    "mounts.source live",
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
