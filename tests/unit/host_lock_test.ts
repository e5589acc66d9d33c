import assert from "node:assert/strict";
import { join } from "node:path";
import { waitFor } from "../../lib/host/clock.ts";
import { UserError } from "../../lib/host/errors.ts";
import { type Holder, holderOf, lock, withLock } from "../../lib/host/lock.ts";

const PROGRAM = new URL("./host_lock_program.ts", import.meta.url).pathname;

/** Another process that holds the lock; it is ended with the test. */
async function withHolder(path: string, work: (holder: Deno.ChildProcess) => Promise<void>): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "-q", PROGRAM, path],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    const first = await reader.read();
    assert.equal(new TextDecoder().decode(first.value), "held\n");
    await work(child);
  } finally {
    await reader.cancel();
    await child.stdin.close();
    await child.status;
  }
}

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lock-" });
  try {
    await work(join(folder, "lock"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("lock() of another process names it and ends with exit code 75 when time is over", async () => {
  await inFolder((path) =>
    withHolder(path, async (child) => {
      const waits: (Holder | undefined)[] = [];
      const waiting = lock(path, {
        command: "machine stop",
        timeoutMs: 250,
        onWait: (holder) => waits.push(holder),
      });
      await assert.rejects(waiting, (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.exitCode, 75);
        assert.match(error.message, new RegExp(`"machine apply" \\(process ${child.pid}, since \\d{4}-`));
        assert.match(error.hint ?? "", /--lock-timeout/);
        return true;
      });
      assert.deepEqual(waits.map((holder) => holder?.pid), [child.pid], "said once");
      assert.equal((await holderOf(path))?.command, "machine apply");
    })
  );
});

Deno.test("lock() is taken as soon as its holder is killed", async () => {
  await inFolder((path) =>
    withHolder(path, async (child) => {
      const waiting = lock(path, {
        command: "machine stop",
        timeoutMs: 10_000,
        onWait: () => child.kill("SIGKILL"),
      });
      using held = await waiting;
      assert.equal(held.path, path);
      assert.equal((await holderOf(path))?.pid, Deno.pid);
    })
  );
});

Deno.test("lock() whose file its holder removes is taken on the new file", async () => {
  await inFolder(async (path) => {
    const first = await lock(path, { command: "machine delete", timeoutMs: 0 });
    const waiting = lock(path, {
      command: "machine apply",
      timeoutMs: 10_000,
      onWait: () => {
        Deno.removeSync(path);
        first[Symbol.dispose]();
      },
    });
    using _second = await waiting;
    await assert.rejects(lock(path, { command: "machine stop", timeoutMs: 0 }), /"machine apply"/);
  });
});

Deno.test("lock() in a folder that is gone says so instead of making it again", async () => {
  await inFolder(async (path) => {
    await assert.rejects(lock(`${path}/below/lock`, { command: "x", timeoutMs: 0 }), (error) => {
      assert.ok(error instanceof UserError && error.exitCode === 75);
      return true;
    });
  });
});

Deno.test("lock() ends with its signal", async () => {
  await inFolder(async (path) => {
    using _held = await lock(path, { command: "one", timeoutMs: 0 });
    const stop = new AbortController();
    const waiting = lock(path, {
      command: "two",
      timeoutMs: 60_000,
      signal: stop.signal,
      onWait: () => stop.abort(new Error("enough")),
    });
    await assert.rejects(waiting, /enough/);
  });
});

Deno.test("holderOf() names nobody when the lock is free, and writes nothing", async () => {
  await inFolder(async (path) => {
    assert.equal(await holderOf(path), undefined);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    const held = await lock(path, { command: "one", timeoutMs: 0 });
    const { mtime } = await Deno.stat(path);
    held[Symbol.dispose]();
    assert.equal(await holderOf(path), undefined);
    assert.deepEqual((await Deno.stat(path)).mtime, mtime);
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("withLock() lets one work after the other", async () => {
  await inFolder(async (path) => {
    const steps: string[] = [];
    const work = (name: string) =>
      withLock(path, { command: name, timeoutMs: 10_000 }, async () => {
        steps.push(`${name} in`);
        await waitFor(() => Promise.resolve(steps.length % 2 === 1 || undefined), { timeoutMs: 1000 });
        steps.push(`${name} out`);
      });
    await Promise.all([work("a"), work("b"), work("c")]);
    assert.equal(steps.length, 6);
    for (let i = 0; i < 6; i += 2) assert.equal(steps[i]?.[0], steps[i + 1]?.[0], steps.join(", "));
  });
});
