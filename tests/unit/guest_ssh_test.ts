// @ts-types="@types/ssh2"
import { Server } from "ssh2";
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeKeyPair } from "../../lib/guest/keys.ts";
import { connectSsh, probeSsh, SshError, type SshFailure, waitForSsh } from "../../lib/guest/ssh.ts";
import type { SshTarget } from "../../lib/guest/types.ts";
import { answerAfterEnd, freePort, sshdTest } from "./sshd_fixture.ts";

sshdTest("connectSsh() runs a command and gives code, stdout and stderr", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  assert.deepEqual(await connection.run("echo out; echo err >&2; exit 3"), {
    code: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
});

sshdTest("exec() gives 128 + n when a signal ended the command", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  assert.equal((await connection.exec("kill -TERM $$")).code, 128 + 15);
});

sshdTest("exec() gives the code of a command that closed its output before it ended", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  assert.equal((await connection.exec("exec >&- 2>&-; sleep 0.3; exit 7")).code, 7);
});

sshdTest("exec() passes 3 MB of standard input and output unchanged", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const text = "äbcdefghijk\n".repeat(250_000);
  const { stdout } = await connection.exec("cat", { stdin: text });
  assert.equal(stdout, text);
});

sshdTest("exec() ends although the command leaves its input unread", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const result = await connection.exec("exit 4", { stdin: "x".repeat(5_000_000) });
  assert.equal(result.code, 4);
});

sshdTest("run() executes a script that is longer than one argument may be", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const filler = `: ${"x".repeat(99)}\n`.repeat(3000);
  const result = await connection.run(`${filler}read -r line; echo "got $line"`, { stdin: "hello\n" });
  assert.deepEqual([result.code, result.stdout], [0, "got hello\n"]);
});

sshdTest("exec() gives up after its time and leaves the connection usable", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  await rejectsWith("timeout", connection.exec("sleep 5", { timeoutMs: 200 }));
  assert.equal((await connection.exec("echo on")).stdout, "on\n");
});

sshdTest("exec() stops with the signal's reason", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const stop = new AbortController();
  const running = connection.exec("echo started; sleep 5", { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(running, /enough/);
});

sshdTest("exec() runs 40 commands at once on one connection", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, index) => connection.exec(`echo ${index}`)),
  );
  assert.deepEqual(results.map((result) => result.stdout.trim()), results.map((_, index) => `${index}`));
});

Deno.test("exec() hears an exit code that comes together with the answer that opens the channel", async () => {
  await using server = await quickServer();
  await using connection = await connectSsh(server.target);
  for (let index = 0; index < 20; index++) {
    assert.deepEqual(await connection.exec("anything"), { code: 9, stdout: "quick", stderr: "" });
  }
});

sshdTest("a connection that dies fails its commands and tells its listeners", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const closed = new Promise<void>((resolve) => connection.onClose(() => resolve()));
  const session = await connection.openSession("echo ready; sleep 20");
  await session.read();
  await sshd.kill();
  await assert.rejects(session.exitCode, SshError);
  await closed;
  await rejectsWith("lost", connection.exec("true"));
  assert.equal(connection.isOpen, false);
});

sshdTest("openStream() carries both directions and ends them apart", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const path = join(sshd.folder, "late.sock");
  using listener = Deno.listen({ transport: "unix", path });
  // The other side answers only after our end has been heard: a closed instead of half-closed stream loses it.
  const served = answerAfterEnd(listener, "answer");
  const stream = await connection.openStream(path);
  await stream.write(new TextEncoder().encode("question"));
  stream.closeWrite();
  assert.equal(await stream.text(), "answer");
  assert.equal(await served, "question");
  stream.close();
});

sshdTest("openStream() says that nobody listens in the guest", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  await rejectsWith("channel", connection.openStream(join(sshd.folder, "nobody.sock")));
});

sshdTest("sftp() reads a folder without a program in the guest", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const sftp = await connection.sftp();
  const names = await new Promise<string[]>((resolve, reject) =>
    sftp.readdir(
      sshd.folder,
      (error, list) => error ? reject(error) : resolve(list.map((entry) => entry.filename)),
    )
  );
  assert.ok(names.includes("authorized"));
  sftp.end();
});

sshdTest("connectSsh() refuses another host key", async (sshd) => {
  const hostKeyFile = join(sshd.folder, "other.pub");
  await Deno.writeTextFile(hostKeyFile, makeKeyPair("other").publicKey);
  await rejectsWith("host-key", connectSsh({ ...sshd.target, hostKeyFile }));
});

sshdTest("connectSsh() names a key that the guest does not accept", async (sshd) => {
  const identityFile = join(sshd.folder, "stranger");
  await Deno.writeTextFile(identityFile, makeKeyPair("stranger").privateKey, { mode: 0o600 });
  await rejectsWith("auth", connectSsh({ ...sshd.target, identityFile }));
});

sshdTest("connectSsh() names a key file that is missing or is none", async (sshd) => {
  await rejectsWith("key-file", connectSsh({ ...sshd.target, identityFile: "/nonexistent/key" }));
  await rejectsWith("key-file", connectSsh({ ...sshd.target, identityFile: join(sshd.folder, "config") }));
  await rejectsWith("key-file", connectSsh({ ...sshd.target, hostKeyFile: join(sshd.folder, "config") }));
});

sshdTest("connectSsh() tells a port without a listener from one without a banner", async (sshd) => {
  await rejectsWith("refused", connectSsh({ ...sshd.target, port: freePort() }));
  await using silent = silentServer();
  await rejectsWith("no-banner", connectSsh({ ...sshd.target, port: silent.port }, { timeoutMs: 300 }));
});

sshdTest("connectSsh() stops with the signal's reason", async (sshd) => {
  await using silent = silentServer();
  const stop = new AbortController();
  const connecting = connectSsh({ ...sshd.target, port: silent.port }, { signal: stop.signal });
  await silent.accepted;
  stop.abort(new Error("enough"));
  await assert.rejects(connecting, /enough/);
});

sshdTest("probeSsh() wants the banner, not just a connection", async (sshd) => {
  assert.equal(await probeSsh("127.0.0.1", sshd.target.port, 5000), true);
  assert.equal(await probeSsh("127.0.0.1", freePort(), 5000), false);
  await using silent = silentServer();
  assert.equal(await probeSsh("127.0.0.1", silent.port, 200), false);
});

sshdTest("waitForSsh() waits for a server that comes later", async (sshd) => {
  await sshd.kill();
  const reasons: string[] = [];
  const waiting = waitForSsh(sshd.target, {
    timeoutMs: 20_000,
    onWait: (reason) => reasons.push(reason),
  });
  await sshd.start();
  await using connection = await waiting;
  assert.equal((await connection.exec("echo here")).stdout, "here\n");
  assert.ok(reasons.length > 0);
});

sshdTest(
  "waitForSsh() gives up at another host key at once, and otherwise when time is over",
  async (sshd) => {
    const hostKeyFile = join(sshd.folder, "other.pub");
    await Deno.writeTextFile(hostKeyFile, makeKeyPair("other").publicKey);
    await rejectsWith("host-key", waitForSsh({ ...sshd.target, hostKeyFile }, { timeoutMs: 60_000 }));
    await rejectsWith("refused", waitForSsh({ ...sshd.target, port: freePort() }, { timeoutMs: 300 }));
  },
);

/** Accepts connections and says nothing, as QEMU's user network does for a guest that is not up. */
function silentServer(): AsyncDisposable & { readonly port: number; readonly accepted: Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.Conn[] = [];
  const accepted = Promise.withResolvers<void>();
  const served = (async () => {
    for await (const connection of listener) {
      open.push(connection);
      accepted.resolve();
    }
  })();
  return {
    port: listener.addr.port,
    accepted: accepted.promise,
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
      for (const connection of open) connection.close();
    },
  };
}

/** An ssh server that answers a command, its output and its end in one go: what no real program does reliably. */
async function quickServer(): Promise<AsyncDisposable & { readonly target: SshTarget }> {
  const folder = await Deno.makeTempDir();
  const host = makeKeyPair("host");
  const files = { identityFile: join(folder, "id"), hostKeyFile: join(folder, "host.pub") };
  await Deno.writeTextFile(files.identityFile, makeKeyPair("id").privateKey);
  await Deno.writeTextFile(files.hostKeyFile, host.publicKey);
  const server = new Server({ hostKeys: [host.privateKey] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (context) => context.accept());
    client.on("session", (accept) => {
      accept().on("exec", (acceptExec) => {
        const channel = acceptExec();
        channel.write("quick");
        channel.exit(9);
        channel.end();
      });
    });
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  return {
    target: { host: "127.0.0.1", port, user: "anybody", ...files },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function rejectsWith(kind: SshFailure, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof SshError, `not an SshError: ${error}`);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}
