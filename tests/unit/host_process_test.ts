import assert from "node:assert/strict";
import { join } from "node:path";
import { waitFor } from "../../lib/host/clock.ts";
import { UserError } from "../../lib/host/errors.ts";
import {
  findProcesses,
  isRunning,
  processArguments,
  run,
  runOrThrow,
  signalProcess,
} from "../../lib/host/process.ts";

const PROGRAM = new URL("./host_process_program.ts", import.meta.url).pathname;
const AWKWARD = ["", "a b", "it's", '"$HOME" `id` $(id)', "a\nb", "\\", "*", "-n", "grüße", ">x", "&&"];

Deno.test("run() gives exit code and both outputs, and feeds standard input", async () => {
  const result = await run(["/bin/sh", "-c", "cat; echo err >&2; exit 7"], { stdin: "grüße\n" });
  assert.deepEqual(result, { code: 7, stdout: "grüße\n", stderr: "err\n" });
});

Deno.test("run() hands arguments over as they are", async () => {
  const { stdout } = await run(["/bin/sh", "-c", `printf '%s\\0' "$@"`, "sh", ...AWKWARD]);
  assert.deepEqual(stdout.split("\0").slice(0, -1), AWKWARD);
});

Deno.test("run() carries more than a pipe holds in both directions", async () => {
  const text = "0123456789abcdef\n".repeat(60_000);
  assert.equal((await run(["/bin/cat"], { stdin: text })).stdout.length, text.length);
});

Deno.test("run() bears a program that does not read its input", async () => {
  const { code } = await run(["/bin/true"], { stdin: new Uint8Array(4 << 20) });
  assert.equal(code, 0);
});

Deno.test("run() calls back with each line of both streams", async () => {
  const lines: string[] = [];
  await run(["/bin/sh", "-c", "printf 'a\\nb'; printf 'c\\n' >&2"], { onLine: (line) => lines.push(line) });
  assert.deepEqual(lines.sort(), ["a", "b", "c"]);
});

Deno.test("run() ends the program when its signal aborts", async () => {
  const stop = new AbortController();
  const running = run(["/bin/sh", "-c", "echo $$; exec sleep 60"], {
    signal: stop.signal,
    onLine: () => stop.abort(new Error("enough")),
  });
  await assert.rejects(running, /enough/);
  await assert.rejects(
    run(["/bin/sleep", "60"], { signal: AbortSignal.abort(new Error("before")) }),
    /before/,
  );
});

Deno.test("run() says that a program is not installed", async () => {
  await assert.rejects(run(["no-such-program-here"]), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /no-such-program-here: the program is not installed/);
    assert.ok(error.hint);
    return true;
  });
});

Deno.test("runOrThrow() shows the end of a failed program's output", async () => {
  await assert.rejects(runOrThrow(["/bin/sh", "-c", "seq 30; echo bad >&2; exit 3"]), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /exit code 3/);
    assert.match(error.output ?? "", /^12\n[\s\S]*30\nbad$/);
    return true;
  });
});

Deno.test("isRunning() takes a zombie for ended", async () => {
  // The shell becomes a sleep that never waits for the child it left.
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "sleep 0 & echo $!; exec sleep 60"],
    stdout: "piped",
    stdin: "null",
  }).spawn();
  try {
    const reader = child.stdout.getReader();
    const zombie = Number(new TextDecoder().decode((await reader.read()).value));
    await reader.cancel();
    const state = () => Deno.readTextFileSync(`/proc/${zombie}/stat`);
    const dead = await waitFor(() => Promise.resolve(/\) Z/.test(state()) || undefined), {
      timeoutMs: 5000,
      firstDelayMs: 5,
    });
    assert.ok(dead, state());
    assert.equal(isRunning(zombie), false);
    assert.equal(isRunning(child.pid), true);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  assert.equal(isRunning(child.pid), false);
  assert.equal(signalProcess(child.pid, "SIGTERM"), false);
});

Deno.test("spawnDetached() starts what outlives its parent, with its arguments unharmed", async () => {
  const folder = await Deno.makeTempDir({ prefix: "detached-" });
  const log = join(folder, "log with 'quote' $HOME");
  const script = `umask; printf '%s\\0' "$@"; exec sleep 61.5`;
  let pid = 0;
  try {
    const { stdout } = await run([
      ...[Deno.execPath(), "run", "-A", "-q", PROGRAM, log],
      ...["/bin/sh", "-c", script, "sh", ...AWKWARD],
    ]);
    pid = Number(stdout);
    const written = await waitFor(async () => {
      const text = await Deno.readTextFile(log).catch(() => "");
      return text.endsWith("&&\0") ? text : undefined;
    }, { timeoutMs: 5000, firstDelayMs: 10 });
    assert.ok(written, "It has written its arguments to the log");
    const [umask, ...rest] = written.split("\n");
    assert.match(umask ?? "", /077$/);
    assert.deepEqual(rest.join("\n").split("\0").slice(0, -1), AWKWARD);
    assert.equal(((await Deno.stat(log)).mode ?? 0) & 0o777, 0o600);
    await waitFor(() => Promise.resolve(processArguments(pid)?.[0] === "sleep" || undefined), {
      timeoutMs: 5000,
    });
    assert.equal(isRunning(pid), true);
    assert.deepEqual(findProcesses((argv) => argv[0] === "sleep" && argv[1] === "61.5"), [pid]);
    const [, session] = /^\d+ \(.*\) \S+ \d+ \d+ (\d+)/s.exec(await Deno.readTextFile(`/proc/${pid}/stat`)) ??
      [];
    assert.equal(Number(session), pid, "It leads a session of its own");
  } finally {
    if (pid > 0) signalProcess(pid, "SIGKILL");
    await Deno.remove(folder, { recursive: true });
  }
});
