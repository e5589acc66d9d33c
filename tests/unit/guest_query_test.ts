import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAnswer, queryScript } from "../../lib/guest/query.ts";
import { quote, quoteAll } from "../../lib/guest/quote.ts";
import { sha256 } from "../../lib/host/files.ts";
import { run } from "../../lib/host/process.ts";

/** Runs a script as the guest would: by a POSIX shell. `systemctl` is a stand-in that prints `units`. */
async function answer(script: string, units?: string): Promise<string> {
  const bin = await Deno.makeTempDir({ prefix: "query-bin-" });
  try {
    for (const program of ["stat", "sha256sum", "grep"]) {
      await Deno.symlink(`/usr/bin/${program}`, join(bin, program));
    }
    if (units !== undefined) {
      await Deno.writeTextFile(join(bin, "systemctl"), `#!/bin/sh\nprintf '%s' ${quote(units)}\n`, {
        mode: 0o755,
      });
    }
    const { code, stdout } = await run(["/bin/sh", "-c", script], { env: { PATH: bin } });
    assert.equal(code, 0);
    return stdout;
  } finally {
    await Deno.remove(bin, { recursive: true });
  }
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "query-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const NAMES = [
  "plain",
  "with space",
  "with:colon",
  "with'quote",
  `with"both'quotes`,
  "with$dollar`back",
  "mnt-a\\x2db.mount",
  "with|bar",
  "grüße",
  "-dash",
];

for (const name of NAMES) {
  Deno.test(`queryScript() reads a file called ${name}`, async () => {
    await inFolder(async (folder) => {
      const path = join(folder, name);
      await Deno.writeTextFile(path, "first: 1\nsecond\n", { mode: 0o640 });
      await Deno.chmod(path, 0o640);
      const fact = parseAnswer(await answer(queryScript({ files: [path] }))).file(path);
      assert.ok(fact.state === "present", JSON.stringify(fact));
      assert.equal(fact.value.text, "first: 1\nsecond\n");
      assert.equal(fact.value.sha256, sha256("first: 1\nsecond\n"));
      assert.equal(fact.value.mode, "640");
      assert.match(fact.value.owner, /^\w+:\w+$/);
      assert.equal(fact.value.mtimeMs, (await Deno.stat(path)).mtime?.getTime());
    });
  });

  Deno.test(`queryScript() tells that a file called ${name} is absent`, async () => {
    await inFolder(async (folder) => {
      const path = join(folder, name);
      assert.deepEqual(parseAnswer(await answer(queryScript({ files: [path] }))).file(path), {
        state: "absent",
      });
    });
  });
}

Deno.test("queryScript() tells files apart whose paths begin alike", async () => {
  await inFolder(async (folder) => {
    const [short, long] = [join(folder, "a"), join(folder, "a:b")];
    await Deno.writeTextFile(short, "short\n");
    await Deno.writeTextFile(long, "long\n");
    const facts = parseAnswer(await answer(queryScript({ files: [short, long] })));
    assert.deepEqual([short, long].map((path) => textOf(facts.file(path))), ["short\n", "long\n"]);
  });
});

Deno.test("queryScript() reads empty files, files without an end of line, and /proc", async () => {
  await inFolder(async (folder) => {
    const [empty, open] = [join(folder, "empty"), join(folder, "open")];
    await Deno.writeTextFile(empty, "");
    await Deno.writeTextFile(open, "no end");
    const facts = parseAnswer(await answer(queryScript({ files: [empty, open, "/proc/self/mountinfo"] })));
    assert.equal(textOf(facts.file(empty)), "");
    assert.equal(textOf(facts.file(open)), "no end\n");
    assert.match(textOf(facts.file("/proc/self/mountinfo")), / - /);
    assert.match(facts.bootId, /^[0-9a-f-]{36}$/);
  });
});

Deno.test("queryScript() takes a file that looks like its own marks for content", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "marks");
    await Deno.writeTextFile(path, "@@machine:end 0\n@@machine:units\n");
    const fact = parseAnswer(await answer(queryScript({ files: [path] }))).file(path);
    assert.equal(textOf(fact), "@@machine:end 0\n@@machine:units\n");
  });
});

Deno.test("parseAnswer() takes a path under a file for absent, and a folder for unreadable", async () => {
  await inFolder(async (folder) => {
    const below = join(folder, "file", "below");
    await Deno.writeTextFile(join(folder, "file"), "");
    const facts = parseAnswer(await answer(queryScript({ files: [below, folder] })));
    assert.equal(facts.file(below).state, "absent");
    assert.equal(facts.file(folder).state, "unknown");
  });
});

Deno.test("parseAnswer() knows nothing of what was not asked", async () => {
  const facts = parseAnswer(await answer(queryScript({ files: ["/etc/passwd"] })));
  assert.equal(facts.file("/etc/group").state, "unknown");
  assert.equal(facts.unit("docker.service").state, "unknown");
});

const UNITS = `Id=docker.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
InvocationID=0123abcd
ExecMainStartTimestamp=Sun 2026-11-22 13:00:00.123456 UTC
NeedDaemonReload=no

Id=containerd.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
InvocationID=
ExecMainStartTimestamp=
NeedDaemonReload=no
`;

Deno.test("parseAnswer() reads units", async () => {
  const facts = parseAnswer(
    await answer(queryScript({ units: ["docker.service", "containerd.service"] }), UNITS),
  );
  assert.deepEqual(facts.unit("docker.service"), {
    state: "present",
    value: {
      loadState: "loaded",
      activeState: "active",
      unitFileState: "enabled",
      invocationId: "0123abcd",
      startedMs: Date.UTC(2026, 10, 22, 13, 0, 0, 123),
      needReload: false,
    },
  });
  assert.deepEqual(facts.unit("containerd.service"), { state: "absent" });
});

Deno.test("parseAnswer() without systemctl in the guest knows no unit, but every file", async () => {
  const script = queryScript({ files: ["/etc/passwd", "/nowhere"], units: ["docker.service"] });
  const facts = parseAnswer(await answer(script));
  assert.equal(facts.unit("docker.service").state, "unknown");
  assert.equal(facts.file("/etc/passwd").state, "present");
  assert.equal(facts.file("/nowhere").state, "absent");
});

Deno.test("parseAnswer() of an answer that is cut anywhere never takes unknown for absent or empty", async () => {
  await inFolder(async (folder) => {
    const [there, gone] = [join(folder, "there"), join(folder, "gone")];
    await Deno.writeTextFile(there, "content\n");
    const script = queryScript({ files: [there, gone], units: ["docker.service", "containerd.service"] });
    const whole = await answer(script, UNITS);
    let known = 0;
    for (let length = 0; length <= whole.length; length++) {
      const facts = parseAnswer(whole.slice(0, length));
      const [a, b] = [facts.file(there), facts.file(gone)];
      assert.ok(a.state === "unknown" || textOf(a) === "content\n", `cut at ${length}: ${JSON.stringify(a)}`);
      assert.notEqual(b.state, "present");
      assert.ok(["unknown", "present"].includes(facts.unit("docker.service").state), `cut at ${length}`);
      if (a.state === "present") known++;
    }
    assert.ok(known > 1, "The file's part is known before the last byte of the units");
    assert.equal(parseAnswer(whole).unit("docker.service").state, "present");
  });
});

Deno.test("quote() gives /bin/sh one word, whatever it holds", async () => {
  const words = [
    "",
    "a b",
    "it's",
    '$HOME `id` "x"',
    "a\nb",
    "\\",
    "*",
    "~",
    "a;b",
    "grüße",
    "-n",
    "x=y",
    "#c",
    "''",
  ];
  const { stdout } = await run(["/bin/sh", "-c", `printf '%s\\0' ${quoteAll(words)}`]);
  assert.deepEqual(stdout.split("\0").slice(0, -1), words);
});

function textOf(fact: ReturnType<ReturnType<typeof parseAnswer>["file"]>): string {
  return fact.state === "present" ? fact.value.text : `(${fact.state})`;
}
