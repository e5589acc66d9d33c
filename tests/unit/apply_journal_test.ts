import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { cutOffNote, type Journal, openJournal, readLastRun } from "../../lib/apply/journal.ts";
import { ensurePrivateDir } from "../../lib/host/files.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import { withHome } from "./resources_fixture.ts";

async function makeFolder(): Promise<MachineFolder> {
  const folder = machineFolder("dev");
  await ensurePrivateDir(folder.root);
  return folder;
}

const PROGRAM = fileURLToPath(new URL("apply_journal_program.ts", import.meta.url));
/** Deno would follow the home and the cache of the test, and fetch every package again. */
const DENO_DIR = Deno.env.get("DENO_DIR") ||
  `${Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`}/deno`;

const SECRET = "hunter2";

const EVENTS: readonly ApplyEvent[] = [
  { kind: "plan", round: 1, plan: { machine: "dev", changes: [], complete: true } },
  { kind: "step-start", address: "vm", action: "create", text: `starting with ${SECRET}` },
  { kind: "progress", address: "vm", text: SECRET },
  { kind: "note", text: SECRET },
  { kind: "waiting", text: SECRET },
  { kind: "step-done", address: "vm", action: "create", ms: 12 },
  { kind: "output", address: "provision:x", text: SECRET },
  {
    kind: "step-failed",
    address: "engine:docker",
    action: "update",
    error: `bad proxy http://a:${SECRET}@b`,
  },
  { kind: "step-skipped", address: "context:docker", action: "create", because: "engine:docker" },
];

async function linesOf(folder: MachineFolder): Promise<Record<string, unknown>[]> {
  const text = await Deno.readTextFile(folder.events);
  assert.ok(text.endsWith("\n"));
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

function note(journal: Journal, ...addresses: string[]): void {
  for (const address of addresses) journal.note({ kind: "step-start", address, action: "update", text: "" });
}

Deno.test("openJournal() writes steps, start and end, and none of their words", () =>
  withHome(async () => {
    const folder = await makeFolder();
    {
      using journal = await openJournal(folder, "machine apply -f x.yaml");
      for (const event of EVENTS) journal.note(event);
      journal.end(5);
      journal.note(EVENTS[1]!); // after its end nothing is written
    }
    const lines = await linesOf(folder);
    assert.deepEqual(lines.map(({ event, address }) => `${event} ${address ?? ""}`.trim()), [
      "start",
      "step-start vm",
      "step-done vm",
      "step-failed engine:docker",
      "step-skipped context:docker",
      "end",
    ]);
    for (const line of lines) {
      assert.deepEqual([line.pid, line.command], [Deno.pid, "machine apply -f x.yaml"]);
      assert.equal(new Date(String(line.at)).toISOString(), line.at);
    }
    assert.ok(!(await Deno.readTextFile(folder.events)).includes(SECRET));
    assert.equal((await Deno.stat(folder.events)).mode! & 0o777, 0o600);
  }));

Deno.test("readLastRun() tells a run that ended from one that was cut off in a step", () =>
  withHome(async () => {
    const folder = await makeFolder();
    assert.equal(await readLastRun(folder), undefined);
    {
      using journal = await openJournal(folder, "machine apply");
      note(journal, "vm", "engine:docker");
    }
    const cut = await readLastRun(folder);
    assert.deepEqual([cut?.command, cut?.pid, cut?.exitCode, cut?.step?.address], [
      "machine apply",
      Deno.pid,
      undefined,
      "engine:docker",
    ]);
    {
      using journal = await openJournal(folder, "machine stop dev");
      journal.end(0);
    }
    const ended = await readLastRun(folder);
    assert.deepEqual([ended?.command, ended?.exitCode, ended?.step], ["machine stop dev", 0, undefined]);
    assert.equal(cutOffNote(ended!), undefined);
  }));

Deno.test("readLastRun() names no step for a run that was cut off between two", () =>
  withHome(async () => {
    const folder = await makeFolder();
    {
      using journal = await openJournal(folder, "machine apply");
      note(journal, "vm");
      journal.note({ kind: "step-done", address: "vm", action: "update", ms: 1 });
    }
    const run = await readLastRun(folder);
    assert.deepEqual([run?.exitCode, run?.step], [undefined, undefined]);
  }));

Deno.test("readLastRun() understands a journal whose last line was cut in half, and openJournal() goes on after it", () =>
  withHome(async () => {
    const folder = await makeFolder();
    {
      using journal = await openJournal(folder, "machine apply");
      note(journal, "vm");
    }
    await Deno.writeTextFile(folder.events, '{"at":"2026-11-22T18', { append: true });
    assert.equal((await readLastRun(folder))?.step?.address, "vm");
    {
      using journal = await openJournal(folder, "machine diff");
      journal.end(0);
    }
    assert.equal((await readLastRun(folder))?.command, "machine diff");
  }));

Deno.test("openJournal() has each line in the file when note() returns", () =>
  withHome(async () => {
    const folder = await makeFolder();
    using journal = await openJournal(folder, "machine apply");
    note(journal, "vm");
    assert.equal((await linesOf(folder)).at(-1)?.address, "vm");
  }));

Deno.test("openJournal() keeps only the last lines of a journal above 8 MiB", () =>
  withHome(async () => {
    const folder = await makeFolder();
    const line = `${
      JSON.stringify({ at: "2026-11-22T18:00:00.000Z", event: "start", pid: 1, command: "old" })
    }\n`;
    await Deno.writeTextFile(folder.events, line.repeat(Math.ceil(8 * 2 ** 20 / line.length) + 1));
    {
      using journal = await openJournal(folder, "machine apply");
      journal.end(0);
    }
    const { size } = await Deno.stat(folder.events);
    assert.ok(size > 2 ** 19 && size <= 2 ** 20 + 1000, String(size));
    const lines = await linesOf(folder);
    assert.deepEqual([lines[0]?.command, lines.at(-1)?.command], ["old", "machine apply"]);
  }));

Deno.test("readLastRun() finds the step in which a process was killed", () =>
  withHome(async () => {
    const folder = await makeFolder();
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", PROGRAM],
      stdin: "null",
      env: { DENO_DIR },
    }).spawn();
    const { signal } = await child.status;
    assert.equal(signal, "SIGKILL");
    const run = await readLastRun(folder);
    assert.deepEqual([run?.pid, run?.exitCode, run?.step?.address], [child.pid, undefined, "engine:docker"]);
  }));

Deno.test("cutOffNote() says what was cut off, where and when", () => {
  const since = new Date(2026, 10, 22, 18, 2).toISOString();
  const run = { command: "machine apply", pid: 123, startedAt: since, exitCode: undefined };
  assert.equal(
    cutOffNote({ ...run, step: { address: "engine:docker", since } }),
    'The last command, "machine apply" (process 123), was cut off in engine:docker at 18:02; it is looked at again',
  );
  assert.match(cutOffNote(run) ?? "", /was cut off at 18:02; everything is looked at again$/);
});
