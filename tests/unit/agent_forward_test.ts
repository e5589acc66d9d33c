import assert from "node:assert/strict";
import { join } from "node:path";
import { Forward } from "../../lib/agent/forward.ts";
import { connectSsh, type SshConnection } from "../../lib/guest/ssh.ts";
import { answerAfterEnd, answerOneAfterEnd, type Sshd, sshdTest } from "./sshd_fixture.ts";

sshdTest("Forward passes on the end of the host's input and then the guest's answer", async (sshd) => {
  await using forwarded = await forward(sshd);
  const served = answerAfterEnd(forwarded.guest, "the answer");
  using client = await forwarded.connect();
  await send(client, "the question");
  await client.closeWrite();
  assert.equal(await receive(client), "the answer");
  assert.equal(await served, "the question");
});

sshdTest(
  "Forward passes on the end of the guest's output and then what the host still sends",
  async (sshd) => {
    await using forwarded = await forward(sshd);
    using client = await forwarded.connect();
    using peer = await forwarded.guest.accept();
    await send(peer, "done");
    await peer.closeWrite();
    assert.equal(await receive(client), "done");
    await send(client, "late");
    await client.closeWrite();
    assert.equal(await receive(peer), "late");
  },
);

sshdTest("Forward carries 20 MB both ways at once without a loss", async (sshd) => {
  await using forwarded = await forward(sshd);
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  const echo = (async () => {
    using peer = await forwarded.guest.accept();
    const buffer = new Uint8Array(50_000);
    for (let n = await peer.read(buffer); n !== null; n = await peer.read(buffer)) {
      await sendBytes(peer, buffer.subarray(0, n));
    }
  })();
  using client = await forwarded.connect();
  const sending = (async () => {
    for (let index = 0; index < 320; index++) await sendBytes(client, block);
    await client.closeWrite();
  })();
  let length = 0;
  let equal = true;
  const buffer = new Uint8Array(65_536);
  for (let n = await client.read(buffer); n !== null; n = await client.read(buffer)) {
    for (let index = 0; index < n; index++) {
      equal &&= buffer[index] === block[(length + index) % block.length];
    }
    length += n;
  }
  await Promise.all([sending, echo]);
  assert.deepEqual([length, equal], [320 * 65_536, true]);
});

sshdTest("Forward closes the guest's side when the client goes without a word", async (sshd) => {
  await using forwarded = await forward(sshd);
  const client = await forwarded.connect();
  using peer = await forwarded.guest.accept();
  await send(client, "half a requ");
  client.close();
  assert.equal(await receive(peer), "half a requ");
});

sshdTest("Forward closes the host's side when the guest closes for good", async (sshd) => {
  await using forwarded = await forward(sshd);
  using client = await forwarded.connect();
  (await forwarded.guest.accept()).close();
  assert.equal(await receive(client), "");
});

sshdTest("Forward closes a connection at once when the guest is away or does not listen", async (sshd) => {
  await using forwarded = await forward(sshd);
  forwarded.guest.close();
  {
    using client = await forwarded.connect();
    assert.equal(await receive(client), "");
  }
  await forwarded.ssh[Symbol.asyncDispose]();
  using client = await forwarded.connect();
  assert.equal(await receive(client), "");
});

sshdTest("Forward ends its connections when the guest dies", async (sshd) => {
  await using forwarded = await forward(sshd);
  using client = await forwarded.connect();
  using _peer = await forwarded.guest.accept();
  await send(client, "x");
  await sshd.kill();
  await assert.doesNotReject(receive(client).catch((error) => assert.match(`${error}`, /reset/i)));
});

sshdTest("Forward serves 50 clients at once", async (sshd) => {
  await using forwarded = await forward(sshd);
  const serving = (async () => {
    const served: Promise<string>[] = [];
    while (served.length < 50) served.push(answerOneAfterEnd(await forwarded.guest.accept(), "yes"));
    return await Promise.all(served);
  })();
  const answers = await Promise.all(Array.from({ length: 50 }, async (_, index) => {
    using client = await forwarded.connect();
    await send(client, `${index}`);
    await client.closeWrite();
    return await receive(client);
  }));
  assert.deepEqual(new Set(answers), new Set(["yes"]));
  assert.equal((await serving).length, 50);
});

sshdTest(
  "Forward makes its socket private, replaces a dead one and leaves a living one alone",
  async (sshd) => {
    const path = join(sshd.folder, "host.sock");
    const logged: string[] = [];
    const make = () =>
      new Forward({ host: path, guest: "/nowhere" }, () => undefined, (line) => logged.push(line));
    const first = make();
    await first.open();
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    const second = make();
    await second.open();
    assert.equal((await second.state()).listening, false);
    assert.match((await second.state()).error ?? "", /Another process listens/);
    await second.close();
    assert.deepEqual(await first.state(), { listening: true });
    await Deno.remove(path);
    assert.equal((await first.state()).listening, false);
    await first.open();
    assert.deepEqual(await first.state(), { listening: true });
    await first.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await leaveDeadSocket(path);
    const third = make();
    await third.open();
    assert.deepEqual(await third.state(), { listening: true });
    await third.close();
  },
);

sshdTest("Forward refuses to replace a file that is no socket", async (sshd) => {
  const path = join(sshd.folder, "precious");
  await Deno.writeTextFile(path, "mine");
  const forwarding = new Forward({ host: path, guest: "/nowhere" }, () => undefined, () => {});
  await forwarding.open();
  assert.match((await forwarding.state()).error ?? "", /is no socket/);
  await forwarding.close();
  assert.equal(await Deno.readTextFile(path), "mine");
});

interface Forwarded extends AsyncDisposable {
  /** The listener at the guest's end. */
  readonly guest: Deno.Listener;
  readonly ssh: SshConnection;
  connect(): Promise<Deno.UnixConn>;
}

async function forward(sshd: Sshd): Promise<Forwarded> {
  const socket = { host: join(sshd.folder, "host.sock"), guest: join(sshd.folder, "guest.sock") };
  const guest = Deno.listen({ transport: "unix", path: socket.guest });
  const ssh = await connectSsh(sshd.target);
  const forwarding = new Forward(socket, () => ssh.isOpen ? ssh : undefined, () => {});
  await forwarding.open();
  return {
    guest,
    ssh,
    connect: () => Deno.connect({ transport: "unix", path: socket.host }),
    async [Symbol.asyncDispose]() {
      await forwarding.close();
      await ssh[Symbol.asyncDispose]();
      try {
        guest.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error; // closed by the test
      }
    },
  };
}

/** A socket's file without a listener, as a killed process leaves it: Deno removes the path that it bound. */
async function leaveDeadSocket(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.bound` });
  await Deno.rename(`${path}.bound`, path);
  listener.close();
}

function send(connection: Deno.Conn, text: string): Promise<void> {
  return sendBytes(connection, new TextEncoder().encode(text));
}

async function sendBytes(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
}

async function receive(connection: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(4096);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    text += new TextDecoder().decode(buffer.subarray(0, n));
  }
  return text;
}
