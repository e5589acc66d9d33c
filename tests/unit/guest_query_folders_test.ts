import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAnswer, queryScript } from "../../lib/guest/query.ts";
import { run } from "../../lib/host/process.ts";
import { inFolder } from "./folder_fixture.ts";

/** What the real script prints of folders, run by this computer's shell, with a test's own programs first. */
async function answerTo(folders: readonly string[], programs = "/usr/bin"): Promise<string> {
  const path = `${programs}:/usr/bin:/bin`;
  const { code, stdout } = await run(["/bin/sh"], { stdin: queryScript({ folders }), env: { PATH: path } });
  assert.equal(code, 0);
  return stdout;
}

async function namesOf(folder: string) {
  return parseAnswer(await answerTo([folder])).names(folder);
}

const NAMES = [
  "05-machine.conflist",
  "with space",
  " begins and ends ",
  "with:colon",
  "with|bar",
  "with'quote",
  'with"quote',
  "with\\back",
  "$HOME `id`",
  "-dash",
  ".hidden",
  "grüße",
  "@@machine:end 0",
];

Deno.test("folders: their names in order, whatever they are, and nothing of what is below", () =>
  inFolder("query-", async (folder) => {
    for (const name of NAMES) await Deno.writeTextFile(join(folder, name), "");
    await Deno.mkdir(join(folder, "below/deeper"), { recursive: true });
    await Deno.symlink("/nowhere", join(folder, "dangling"));
    assert.deepEqual(await namesOf(folder), {
      state: "present",
      value: [...NAMES, "below", "dangling"].sort(),
    });
  }));

for (const name of NAMES.filter((name) => !/[|:]/.test(name))) {
  Deno.test(`folders: one that is called ${JSON.stringify(name)}`, () =>
    inFolder("query-", async (root) => {
      const folder = join(root, name);
      const { state } = await namesOf(folder);
      // find says some names otherwise than they are asked for: then nothing is known, which is never absent.
      assert.equal(state, /['\\]|[^ -~]/.test(name) ? "unknown" : "absent");
      await Deno.mkdir(folder);
      assert.deepEqual(await namesOf(folder), { state: "present", value: [] });
      await Deno.writeTextFile(join(folder, "one"), "");
      assert.deepEqual(await namesOf(folder), { state: "present", value: ["one"] });
    }));
}

Deno.test("folders: a link to one is one, and a file or something below a file is none", () =>
  inFolder("query-", async (root) => {
    const path = (name: string) => join(root, name);
    await Deno.mkdir(path("folder"));
    await Deno.writeTextFile(path("folder/one"), "");
    await Deno.writeTextFile(path("file"), "");
    await Deno.symlink(path("folder"), path("link"));
    await Deno.symlink(path("nothing"), path("dangling"));
    const asked = ["folder", "link", "file", "dangling", "file/below"].map(path);
    const facts = parseAnswer(await answerTo(asked));
    const [one, absent] = [{ state: "present", value: ["one"] }, { state: "absent" }];
    assert.deepEqual(asked.map((folder) => facts.names(folder)), [one, one, absent, absent, absent]);
  }));

Deno.test("folders: those that were not asked for are unknown", () =>
  inFolder("query-", async (folder) => {
    assert.equal(parseAnswer(await answerTo([folder])).names("/etc").state, "unknown");
    assert.equal(parseAnswer(await answerTo([])).names(folder).state, "unknown");
  }));

const FAILURES: readonly (readonly [how: string, find: string])[] = [
  ["is not there", "exit 127"],
  ["is killed in the middle", String.raw`printf '%s|d|\n%s|f|one\n' "$2" "$2"; kill -9 $$`],
  ["may not look", String.raw`echo "find: '$2': Permission denied" >&2; echo "$2|d|"; exit 1`],
];
for (const [how, find] of FAILURES) {
  Deno.test(`folders: unknown when find ${how}`, () =>
    inFolder("query-", async (folder) => {
      const bin = join(folder, "bin");
      await Deno.mkdir(bin);
      await Deno.writeTextFile(join(bin, "find"), `#!/bin/sh\n${find}\n`, { mode: 0o755 });
      assert.equal(parseAnswer(await answerTo([folder], bin)).names(folder).state, "unknown");
    }));
}

Deno.test("folders: an answer that is cut anywhere never takes names for missing", () =>
  inFolder("query-", async (root) => {
    const [folder, gone] = [join(root, "there"), join(root, "gone")];
    await Deno.mkdir(folder);
    for (const name of ["one", "two"]) await Deno.writeTextFile(join(folder, name), "");
    const whole = await answerTo([folder, gone]);
    for (let length = 0; length <= whole.length; length++) {
      const facts = parseAnswer(whole.slice(0, length));
      const [a, b] = [facts.names(folder), facts.names(gone)];
      assert.ok(a.state === "unknown" || (a.state === "present" && a.value.length === 2), `cut at ${length}`);
      assert.notEqual(b.state, "present");
    }
    assert.equal(parseAnswer(whole).names(gone).state, "absent");
  }));
