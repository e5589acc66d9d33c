import assert from "node:assert/strict";
import { join } from "node:path";
import type { Guest } from "../../lib/guest/types.ts";
import { run } from "../../lib/host/process.ts";
import { type OwnedChange, OwnedStore, writeFileScript } from "../../lib/resources/owned.ts";
import { namesIn } from "./folder_fixture.ts";

const LIST = "/var/lib/machine/owned.json";

/** A guest in a folder: scripts run by the real /bin/sh, our own paths moved below the folder. */
interface FolderGuest {
  readonly root: string;
  readonly path: (name: string) => string;
  /** A store that knows nothing yet, as every command has one. */
  readonly store: () => OwnedStore;
  readonly list: () => Promise<{ files: Record<string, string>; applied: Record<string, unknown> }>;
  /** How many lines of the next scripts are run; a guest that dies runs no more. */
  lines: number;
  scripts: string[];
}

async function inGuest(work: (guest: FolderGuest) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "owned-" });
  const door: Guest = {
    async run(script) {
      guest.scripts.push(script);
      const moved = script.replaceAll("/var/lib/machine", `${root}/var/lib/machine`);
      const lines = moved.split("\n");
      const part = lines.slice(0, guest.lines).join("\n");
      const result = await run(["/bin/sh", "-c", part]);
      if (lines.length > guest.lines) throw new Error("The guest died");
      return result;
    },
    async [Symbol.asyncDispose]() {},
  };
  const guest: FolderGuest = {
    root,
    path: (name) => join(root, name),
    store: () => new OwnedStore(() => Promise.resolve(door), undefined),
    list: async () => JSON.parse(await Deno.readTextFile(join(root, LIST))),
    lines: Infinity,
    scripts: [],
  };
  try {
    await Deno.mkdir(join(root, "var/lib"), { recursive: true });
    await work(guest);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const AWKWARD = [
  "",
  "no end of line",
  'it\'s\n"quoted" $HOME `id` $(id) \\ \\n %s %% \t\n',
  "grüße\r\n",
  "-n",
  "'\n'",
];

for (const content of AWKWARD) {
  Deno.test(`writeFileScript() writes exactly ${JSON.stringify(content)}`, async () => {
    await inGuest(async ({ path }) => {
      const file = path("new folder/it's a file.conf");
      const { code, stderr } = await run([
        "/bin/sh",
        "-ec",
        writeFileScript({ path: file, content, mode: "0640" }),
      ]);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.equal(await textOf(file), content);
      assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o640);
      assert.deepEqual(await namesIn(path("new folder")), [
        "it's a file.conf",
      ]);
    });
  });
}

Deno.test("writeFileScript() refuses to move a file into a folder of its name", async () => {
  await inGuest(async ({ path }) => {
    await Deno.mkdir(path("file"));
    const script = writeFileScript({ path: path("file"), content: "x", mode: "0644" });
    assert.notEqual((await run(["/bin/sh", "-ec", script])).code, 0);
    assert.deepEqual(await namesIn(path("file")), []);
  });
});

function put(path: string, content: string): OwnedChange {
  return { what: "Writing", files: [{ path, content, mode: "0644" }], applied: { thing: content } };
}

function take(path: string): OwnedChange {
  return { what: "Removing", removed: [path], forgotten: ["thing"] };
}

Deno.test("OwnedStore keeps what stood there, once, and puts it back with its mode", async () => {
  await inGuest(async ({ path, store, list }) => {
    const file = path("etc-conf");
    await Deno.writeTextFile(file, "the distribution's\n");
    await Deno.chmod(file, 0o604);
    await store().run(put(file, "ours 1"));
    await store().run(put(file, "ours 2"));
    assert.equal(await textOf(file), "ours 2");
    assert.deepEqual((await list()).applied, { thing: "ours 2" });
    await store().run(take(file));
    assert.equal(await textOf(file), "the distribution's\n");
    assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o604);
    assert.deepEqual(await list(), { version: 1, files: {}, applied: {} });
    assert.deepEqual(await namesIn(path("var/lib/machine/before")), []);
  });
});

Deno.test("OwnedStore makes an absent path absent again, and a link a link", async () => {
  await inGuest(async ({ path, store }) => {
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

Deno.test("OwnedStore does not forget what could not be taken away", async () => {
  await inGuest(async ({ path, store, list }) => {
    const file = path("unit");
    await store().run(put(file, "ours"));
    const busy = { ...take(file), before: ["echo 'target is busy' >&2", "exit 32"] };
    await assert.rejects(store().run(busy), (error) => {
      assert.match(`${error}`, /Removing failed in the guest with exit code 32/);
      assert.match(`${error instanceof Error && "output" in error && error.output}`, /target is busy/);
      return true;
    });
    assert.equal(await textOf(file), "ours");
    assert.deepEqual(Object.keys((await list()).files), [file]);
    assert.deepEqual((await list()).applied, { thing: "ours" });
  });
});

Deno.test("OwnedStore stops at the first command that fails, and reads the list anew after it", async () => {
  await inGuest(async ({ path, store }) => {
    const one = store();
    const change = { ...put(path("a"), "ours"), after: ["false", `touch ${path("never")}`] };
    await assert.rejects(one.run(change));
    assert.equal(await textOf(path("never")), undefined);
    assert.deepEqual(Object.keys((await one.read()).files), [path("a")]);
  });
});

Deno.test("OwnedStore finishes its work after a guest that died at any line", async () => {
  await inGuest(async (guest) => {
    const { path, store } = guest;
    const file = path("conf");
    for (const original of ["original", undefined]) {
      for (const change of ["put", "take"] as const) {
        for (let lines = 1; lines < 40; lines++) {
          if (original === undefined) await Deno.remove(file).catch(() => {});
          else await Deno.writeTextFile(file, original);
          if (change === "take") await store().run(put(file, "ours"));
          guest.lines = lines;
          const died = await store().run(change === "put" ? put(file, "ours") : take(file)).then(
            () => false,
            () => true,
          );
          guest.lines = Infinity;
          const now = await textOf(file);
          assert.ok(now === original || now === "ours", `${change}, died after line ${lines}: ${now}`);
          await store().run(put(file, "ours"));
          assert.equal(await textOf(file), "ours");
          await store().run(take(file));
          assert.equal(await textOf(file), original, `${change}, died after line ${lines}`);
          if (!died) break;
          assert.ok(lines < 39);
        }
      }
    }
  });
});

Deno.test("OwnedStore writes no list when it says the same", async () => {
  await inGuest(async ({ path, store, scripts, root }) => {
    await store().run(put(path("a"), "ours"));
    const { mtime } = await Deno.stat(join(root, LIST));
    await store().run(put(path("a"), "ours"));
    assert.deepEqual((await Deno.stat(join(root, LIST))).mtime, mtime);
    assert.equal(((await Deno.stat(join(root, LIST))).mode ?? 0) & 0o777, 0o600);
    assert.ok(!scripts.at(-1)?.includes("owned.json"));
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
    await inGuest(async ({ root, store }) => {
      await Deno.mkdir(join(root, "var/lib/machine"), { recursive: true });
      await Deno.writeTextFile(join(root, LIST), text);
      await assert.rejects(store().read(), message);
    });
  });
}
