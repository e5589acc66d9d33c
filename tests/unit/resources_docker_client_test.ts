import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import {
  currentContext,
  readContexts,
  removeContext,
  useContext,
  writeContext,
} from "../../lib/resources/docker/client_config.ts";
import { findProgram, run } from "../../lib/host/process.ts";
import { namesIn } from "./folder_fixture.ts";

const DOCKER = await findProgram("docker");

async function withConfig(work: (folder: string, file: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "docker-config-" });
  const before = Deno.env.get("DOCKER_CONFIG");
  Deno.env.set("DOCKER_CONFIG", join(folder, ".docker"));
  try {
    await Deno.mkdir(join(folder, ".docker"));
    await work(folder, join(folder, ".docker", "config.json"));
  } finally {
    if (before === undefined) Deno.env.delete("DOCKER_CONFIG");
    else Deno.env.set("DOCKER_CONFIG", before);
    await Deno.remove(folder, { recursive: true });
  }
}

const OURS = {
  name: "machine-dev",
  description: "machine dev (/home/ada/.machine)",
  endpoint: "unix:///x/docker.sock",
};

Deno.test("writeContext() makes a context that readContexts() and removeContext() know", async () => {
  await withConfig(async (folder) => {
    assert.deepEqual(await readContexts(), []);
    await writeContext(OURS);
    await writeContext({ ...OURS, name: "other" });
    assert.deepEqual((await readContexts()).find(({ name }) => name === OURS.name), OURS);
    await removeContext("other");
    await removeContext("other");
    await removeContext(OURS.name);
    assert.deepEqual(await namesIn(folder), [], "the client's empty folders go too");
  });
});

Deno.test({
  name: "writeContext() and useContext() make what the docker client itself reads, and read what it makes",
  ignore: DOCKER === undefined,
  async fn() {
    await withConfig(async () => {
      await writeContext(OURS);
      await useContext(OURS.name);
      const shown = await run([
        DOCKER!,
        "context",
        "ls",
        "--format",
        "{{.Name}} {{.Current}} {{.DockerEndpoint}}",
      ]);
      assert.match(shown.stdout, /^machine-dev true unix:\/\/\/x\/docker\.sock$/m);
      await run([DOCKER!, "context", "create", "theirs", "--description", "d", "--docker", "host=unix:///y"]);
      await run([DOCKER!, "context", "use", "theirs"]);
      assert.equal(await currentContext(), "theirs");
      const theirs = (await readContexts()).find(({ name }) => name === "theirs");
      assert.deepEqual(theirs, { name: "theirs", description: "d", endpoint: "unix:///y" });
    });
  },
});

Deno.test("readContexts() passes over files that are no contexts, and names one that is damaged", async () => {
  await withConfig(async (folder) => {
    const meta = join(folder, ".docker", "contexts", "meta");
    await Deno.mkdir(join(meta, "abc"), { recursive: true });
    await Deno.writeTextFile(join(meta, ".DS_Store"), "x");
    assert.deepEqual(await readContexts(), []);
    await Deno.writeTextFile(join(meta, "abc", "meta.json"), "{");
    await assert.rejects(readContexts(), /abc\/meta\.json is not valid JSON/);
  });
});

Deno.test("useContext() makes and takes away a file that was not there", async () => {
  await withConfig(async (_folder, file) => {
    assert.equal(await currentContext(), "default");
    await useContext("default");
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
    await useContext("machine-dev");
    assert.equal(await currentContext(), "machine-dev");
    assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
    await useContext("default");
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
  });
});

const json = fc.jsonValue({ maxDepth: 3, noUnicodeString: false } as Parameters<typeof fc.jsonValue>[0]);
const text = fc.record({
  entries: fc.uniqueArray(fc.tuple(fc.string({ unit: "grapheme" }), json), {
    selector: ([key]) => key,
    minLength: 1,
    maxLength: 6,
  }),
  indent: fc.constantFrom("", "  ", "    ", "\t", "\n\n"),
  end: fc.constantFrom("", "\n", "\r\n"),
  newline: fc.constantFrom("\n", "\r\n"),
}).map(({ entries, indent, end, newline }) => {
  const others = entries.filter(([key]) => key !== "currentContext" && key !== "__proto__");
  const object = Object.fromEntries(others.length === 0 ? [["auths", {}]] : others);
  return JSON.stringify(object, null, indent).replaceAll("\n", newline) + end;
});

Deno.test("useContext() leaves every other byte, and restores the file when it is taken back", async () => {
  await withConfig(async (_folder, file) => {
    await fc.assert(
      fc.asyncProperty(text, async (original) => {
        await Deno.writeTextFile(file, original);
        await useContext("machine-dev");
        const changed = await Deno.readTextFile(file);
        assert.deepEqual(JSON.parse(changed), { ...JSON.parse(original), currentContext: "machine-dev" });
        assert.ok(
          isInsertion(original, changed),
          `${JSON.stringify(original)} became ${JSON.stringify(changed)}`,
        );
        await useContext("default");
        assert.equal(await Deno.readTextFile(file), original);
      }),
      { numRuns: 100 },
    );
  });
});

Deno.test("useContext() changes a value in its place", async () => {
  await withConfig(async (_folder, file) => {
    await Deno.writeTextFile(file, '{ "a":1,\n\t"currentContext" : "theirs" , "z": [ 1,2 ]}');
    await useContext("machine-dev");
    assert.equal(
      await Deno.readTextFile(file),
      '{ "a":1,\n\t"currentContext" : "machine-dev" , "z": [ 1,2 ]}',
    );
  });
});

Deno.test("useContext() writes nothing when it is so already", async () => {
  await withConfig(async (_folder, file) => {
    await useContext("machine-dev");
    const { ino, mtime } = await Deno.stat(file);
    await useContext("machine-dev");
    const after = await Deno.stat(file);
    assert.deepEqual([after.ino, after.mtime], [ino, mtime]);
  });
});

Deno.test("useContext() keeps a link and its target's mode, also when nothing is left to say", async () => {
  await withConfig(async (folder, file) => {
    const target = join(folder, "dotfiles.json");
    await Deno.writeTextFile(target, '{"currentContext": "default"}', { mode: 0o640 });
    await Deno.chmod(target, 0o640);
    await Deno.symlink(target, file);
    await useContext("machine-dev");
    assert.equal(JSON.parse(await Deno.readTextFile(target)).currentContext, "machine-dev");
    await useContext("default");
    assert.equal((await Deno.lstat(file)).isSymlink, true);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(target)), {});
    assert.equal(((await Deno.stat(target)).mode ?? 0) & 0o777, 0o640);
  });
});

Deno.test("useContext() takes an empty file for one without settings, as the client does", async () => {
  await withConfig(async (_folder, file) => {
    await Deno.writeTextFile(file, "\n");
    assert.equal(await currentContext(), "default");
    await useContext("machine-dev");
    assert.equal(JSON.parse(await Deno.readTextFile(file)).currentContext, "machine-dev");
  });
});

for (const damaged of ["{", "[]", "null", '{"a": 1} x']) {
  Deno.test(`useContext() does not write into a file that is ${damaged}`, async () => {
    await withConfig(async (_folder, file) => {
      await Deno.writeTextFile(file, damaged);
      await assert.rejects(useContext("machine-dev"), /is not valid JSON/);
      await assert.rejects(currentContext(), /is not valid JSON/);
      assert.equal(await Deno.readTextFile(file), damaged);
    });
  });
}

/** True when some text was put in at one place and nothing else differs. */
function isInsertion(before: string, after: string): boolean {
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  return after.endsWith(before.slice(same)) && after.length > before.length;
}
