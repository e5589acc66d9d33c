import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type GuestFacts,
  type GuestQuery,
  parseAnswer,
  QUERY_PROCESSES,
  queryScript,
} from "../../lib/guest/query.ts";
import { sha256 } from "../../lib/host/files.ts";
import { findProgram, run } from "../../lib/host/process.ts";
import { inFolder, namesIn } from "./folder_fixture.ts";
import { textOf } from "./guest_folder_fixture.ts";

const DPKG = await findProgram("dpkg-query");
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** Programs that stand before, or instead of, this computer's. */
interface Programs {
  readonly folder: string;
  /** Nothing but these. */
  readonly alone?: true;
}

/** Asks this computer by the real script, with checks cut off early. */
async function ask(query: GuestQuery, programs?: Programs): Promise<GuestFacts> {
  return parseAnswer(await answerTo(query, programs));
}

async function answerTo(query: GuestQuery, programs?: Programs): Promise<string> {
  const script = queryScript(query).replaceAll(/timeout -k 1 \d+ /g, "timeout -k 0.2 1 ");
  const path = programs?.alone ? programs.folder : [programs?.folder, SYSTEM_PATH].join(":");
  const { code, stdout } = await run(["/bin/sh"], { stdin: script, env: { PATH: path } });
  assert.equal(code, 0);
  return stdout;
}

/** Programs of the test's own. */
async function write(folder: string, programs: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(programs)) {
    await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  return folder;
}

Deno.test({
  name: "packages: this computer's own, by name and by name and architecture",
  ignore: DPKG === undefined,
  async fn() {
    const { stdout } = await run([DPKG!, "-W", "-f", "${Version} ${Architecture}", "dpkg"]);
    const [version = "", arch = ""] = stdout.split(" ");
    const other = arch === "amd64" ? "arm64" : "amd64";
    const wanted = ["dpkg", `dpkg:${arch}`, `dpkg:${other}`, "no-such-package-anywhere"];
    const facts = await ask({ packages: wanted });
    const present = { state: "present", value: version };
    assert.deepEqual(wanted.map((name) => facts.package(name)), [
      present,
      present,
      { state: "absent" },
      { state: "absent" },
    ]);
  },
});

const DPKG_ROWS: readonly (readonly [string, string, string, object])[] = [
  ["installed", "git:amd64|installed|1:2.47-1", "git", { state: "present", value: "1:2.47-1" }],
  ["removed, with its settings left", "git:amd64|config-files|1:2.47-1", "git", { state: "absent" }],
  ["unpacked by half", "git:amd64|half-installed|1:2.47-1", "git", { state: "absent" }],
  ["known and never installed", "git:amd64|not-installed|", "git", { state: "absent" }],
  ["named as part of another", "git-man:all|installed|1", "git", { state: "absent" }],
  ["for any architecture", "git-man:all|installed|1", "git-man", { state: "present", value: "1" }],
  [
    "for two architectures",
    "libc6:amd64|installed|1\nlibc6:i386|config-files|2",
    "libc6:i386",
    { state: "absent" },
  ],
  ["with + and . in its name", "g++-12.1:amd64|installed|3", "g++-12.1", { state: "present", value: "3" }],
];

for (const [name, answer, wanted, fact] of DPKG_ROWS) {
  Deno.test(`packages: one that is ${name}`, () =>
    inFolder("query-", async (folder) => {
      await write(folder, {
        "dpkg-query": `echo 'dpkg-query: no packages found' >&2; echo '${answer}'; exit 1`,
      });
      assert.deepEqual((await ask({ packages: [wanted] }, { folder })).package(wanted), fact);
    }));
}

for (
  const [how, text] of [
    ["is not there", undefined],
    ["fails", "echo 'database is locked' >&2; exit 2"],
    ["is killed", "kill -9 $$"],
  ] as const
) {
  Deno.test(`packages: unknown, and they alone, when dpkg-query ${how}`, () =>
    inFolder("query-", async (folder) => {
      for (const program of ["stat", "sha256sum", "grep", "timeout"]) {
        await Deno.symlink((await findProgram(program))!, join(folder, program));
      }
      if (text !== undefined) await write(folder, { "dpkg-query": text });
      const facts = await ask({
        files: ["/etc/passwd"],
        packages: ["git"],
        checks: [{ name: "yes", run: "true" }],
      }, { folder, alone: true });
      assert.equal(facts.package("git").state, "unknown");
      assert.equal(facts.file("/etc/passwd").state, "present");
      assert.deepEqual(facts.check("yes"), { state: "present", value: true });
    }));
}

Deno.test("packages, checks and hashes that were not asked for are unknown", async () => {
  const facts = await ask({});
  assert.equal(facts.package("git").state, "unknown");
  assert.equal(facts.check("x").state, "unknown");
  assert.equal(facts.file("/etc/passwd").state, "unknown");
});

Deno.test("hashes: status and hash of a file whose content does not travel, binary and without an end of line", () =>
  inFolder("query-", async (folder) => {
    const [bytes, text, both] = ["bytes", "it's text", "both"].map((name) => join(folder, name));
    const binary = Uint8Array.from({ length: 4096 }, (_, index) => index % 256);
    await Deno.writeFile(bytes!, binary, { mode: 0o600 });
    await Deno.writeTextFile(text!, "SECRET without end");
    await Deno.writeTextFile(both!, "asked for twice\n");
    const query = { files: [both!], hashes: [bytes!, text!, both!, join(folder, "none")] };
    const answer = await answerTo(query);
    assert.doesNotMatch(answer, /SECRET/);
    const facts = parseAnswer(answer);
    const [one, two, three] = [bytes!, text!, both!].map((path) => facts.file(path));
    assert.ok(one?.state === "present" && two?.state === "present" && three?.state === "present");
    assert.deepEqual([one.value.sha256, one.value.mode, one.value.text], [sha256(binary), "600", ""]);
    assert.deepEqual([two.value.sha256, two.value.text], [sha256("SECRET without end"), ""]);
    assert.equal(three.value.text, "asked for twice\n");
    assert.equal(facts.file(join(folder, "none")).state, "absent");
  }));

Deno.test("hashes: a folder in the place of a file is unknown, a link that leads nowhere absent", () =>
  inFolder("query-", async (folder) => {
    await Deno.symlink("nowhere", join(folder, "link"));
    const facts = await ask({ hashes: [folder, join(folder, "link")] });
    assert.equal(facts.file(folder).state, "unknown");
    assert.equal(facts.file(join(folder, "link")).state, "absent");
  }));

const CHECKS: readonly (readonly [string, string, boolean])[] = [
  ["succeeds", "true", true],
  ["fails", "false", false],
  ["a program that is there", "command -v sh", true],
  ["a program that is not", "command -v no-such-program-anywhere", false],
  ["is no program", "no-such-program-anywhere --help", false],
  ["a syntax error", "if then fi ((", false],
  ["an open quote", "echo 'open", false],
  ["an open heredoc", "cat <<END\nx", true],
  ["exits by itself", "exit 3", false],
  ["exits well", "exit 0", true],
  ["several lines", "set -e\ncd /\n[ -d etc ]\n", true],
  ["a comment at its end", "true # yes", true],
  ["only a comment", "# nothing", true],
  ["quotes of both kinds", `[ "it's" = 'it'"'"'s' ]`, true],
  ["an unset variable", "set -u; echo $NO_SUCH_VARIABLE", false],
  ["ends its own shell's options", "set -f; set +e; false; true", true],
  ["is killed", "kill -9 $(sh -c 'echo $PPID')", false],
];

for (const [name, command, value] of CHECKS) {
  Deno.test(`checks: one that ${name} tells ${value}, and its neighbours are untouched`, async () => {
    const facts = await ask({
      checks: [
        { name: "before", run: "true" },
        { name: "it", run: command },
        { name: "after", run: "false" },
        { name: "last", run: "true" },
      ],
    });
    assert.deepEqual(facts.check("it"), { state: "present", value });
    const others = ["before", "after", "last"].map((it) => facts.check(it));
    assert.deepEqual(others, [true, false, true].map((it) => ({ state: "present", value: it })));
  });
}

Deno.test("checks: what one prints, reads, sets or leaves behind changes nothing of the answer", () =>
  inFolder("query-", async (folder) => {
    const facts = await ask({
      files: ["/etc/passwd"],
      checks: [
        { name: "prints", run: 'echo "after 0"; echo "@@machine:end 0"; echo "after 0" >&2' },
        { name: "reads", run: "! read line" },
        { name: "sets", run: `cd ${folder}; VALUE=1; alias echo=false; umask 0; trap 'echo x' EXIT` },
        { name: "nothing-set", run: '[ -z "$VALUE" ] && [ "$PWD" != "' + folder + '" ]' },
        { name: "after", run: "false" },
      ],
    });
    const values = ["prints", "reads", "sets", "nothing-set", "after"].map((name) => facts.check(name));
    assert.deepEqual(values, [true, true, true, true, false].map((value) => ({ state: "present", value })));
    assert.equal(facts.file("/etc/passwd").state, "present");
    assert.deepEqual(await namesIn(folder), []);
  }));

for (
  const [how, command] of [["hangs", "sleep 60"], [
    "hangs and takes no signal",
    "trap '' TERM; sleep 60 & wait",
  ]]
) {
  Deno.test(`checks: one that ${how} is cut off; only it and those behind it are unknown`, async () => {
    const started = performance.now();
    const facts = await ask({
      files: ["/etc/passwd"],
      checks: [
        { name: "before", run: "true" },
        { name: "hangs", run: command! },
        { name: "after", run: "true" },
      ],
    });
    assert.ok(performance.now() - started < 20_000);
    assert.deepEqual(facts.check("before"), { state: "present", value: true });
    assert.equal(facts.check("hangs").state, "unknown");
    assert.equal(facts.check("after").state, "unknown");
    assert.equal(facts.file("/etc/passwd").state, "present");
  });
}

const AS_ROOT = Deno.uid() === 0 && await findProgram("setpriv") !== undefined;

Deno.test({
  name: "checks: run as the login that they name, the others as root",
  ignore: !AS_ROOT, // only root becomes somebody else
  async fn() {
    const facts = await ask({
      checks: [
        { name: "root", run: '[ "$(id -un)" = root ]' },
        { name: "daemon", run: '[ "$(id -un):$(id -gn)" = daemon:daemon ]', as: "daemon" },
        { name: "home", run: '[ "$HOME" = /usr/sbin ]', as: "daemon" },
        { name: "also-root", run: '[ "$(id -u)" = 0 ]' },
        { name: "refused", run: "cat /etc/shadow", as: "daemon" },
      ],
    });
    const values = ["root", "daemon", "home", "also-root", "refused"].map((name) => facts.check(name));
    assert.deepEqual(values, [true, true, true, true, false].map((value) => ({ state: "present", value })));
  },
});

Deno.test({
  name: "checks: of a login that the guest does not have are unknown, those of others are not",
  ignore: !AS_ROOT,
  async fn() {
    const facts = await ask({
      checks: [{ name: "theirs", run: "true", as: "no-such-login" }, { name: "ours", run: "true" }],
    });
    assert.equal(facts.check("theirs").state, "unknown");
    assert.deepEqual(facts.check("ours"), { state: "present", value: true });
  },
});

Deno.test("parseAnswer() of packages and checks that is cut anywhere takes nothing unknown for absent or failed", () =>
  inFolder("query-", async (folder) => {
    await write(folder, { "dpkg-query": "echo 'git:amd64|installed|1'; echo 'jq:amd64|installed|2'" });
    const whole = await answerTo({
      packages: ["git", "jq"],
      checks: [{ name: "a", run: "true" }, { name: "b", run: "true" }],
    }, { folder });
    for (let length = 0; length <= whole.length; length++) {
      const facts = parseAnswer(whole.slice(0, length));
      for (const fact of [facts.package("git"), facts.package("jq")]) {
        assert.notEqual(fact.state, "absent", `cut at ${length}`);
      }
      for (const fact of [facts.check("a"), facts.check("b")]) {
        assert.ok(fact.state === "unknown" || fact.state === "present" && fact.value, `cut at ${length}`);
      }
    }
    const facts = parseAnswer(whole);
    assert.equal(facts.package("jq").state, "present");
    assert.deepEqual(facts.check("b"), { state: "present", value: true });
  }));

Deno.test("queryScript() finds lines as a whole, in the file that was meant", () =>
  inFolder("query-", async (folder) => {
    const [one, two, none] = ["one", "two: x", "none"].map((name) => join(folder, name));
    await Deno.writeTextFile(one!, "a+b/c=\nlonger a+b/c=\n-dash\n");
    await Deno.writeTextFile(two!, "other");
    const lines = [
      [one!, "a+b/c=", true],
      [one!, "-dash", true],
      [one!, "b/c", false],
      [one!, "other", false],
      [two!, "other", true],
      [none!, "other", false],
    ] as const;
    const facts = await ask({ lines: lines.map(([path, line]) => ({ path, line })) }, { folder });
    for (const [path, line, value] of lines) {
      assert.deepEqual(facts.line(path, line), { state: "present", value }, `${path} ${line}`);
    }
    assert.equal(parseAnswer("").line(one!, "-dash").state, "unknown");
    assert.equal(parseAnswer("@@machine:lines\n").line(one!, "-dash").state, "unknown");
  }));

Deno.test("queryScript() starts a fixed number of programs, however much it asks", () =>
  inFolder("query-", async (folder) => {
    const log = join(folder, "started");
    const texts: Record<string, string> = { systemctl: `echo systemctl >>${log}` };
    for (const name of ["stat", "sha256sum", "find", "grep", "dpkg-query", "timeout", "setpriv"]) {
      const program = await findProgram(name);
      texts[name] = `echo ${name} >>${log}; ${program === undefined ? "exit 127" : `exec ${program} "$@"`}`;
    }
    await write(folder, texts);
    const count = async (many: number) => {
      const names = Array.from({ length: many }, (_, index) => `n${index}`);
      await ask({
        files: names.map((name) => `/etc/${name}`),
        hashes: names.map((name) => `/usr/${name}`),
        stamps: names.map((name) => `/opt/${name}`),
        folders: names.map((name) => `/srv/${name}`),
        lines: names.map((name) => ({ path: `/etc/${name}`, line: name })),
        units: names.map((name) => `${name}.service`),
        packages: names,
        checks: names.flatMap((name) => [
          { name, run: "true" },
          ...(AS_ROOT ? [{ name: `${name}-as`, run: "true", as: "daemon" }] : []),
        ]),
      }, { folder });
      const started = (await textOf(log) ?? "").trim().split("\n");
      await Deno.remove(log);
      return started.length;
    };
    const one = await count(1);
    assert.ok(one <= QUERY_PROCESSES, `${one} programs`);
    assert.equal(await count(100), one);
  }));
