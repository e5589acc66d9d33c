import assert from "node:assert/strict";
import { join } from "node:path";
import { sha256 } from "../../lib/host/files.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { isRunning } from "../../lib/host/process.ts";
import { unixHttp } from "../../lib/host/unix_http.ts";
import { buildId, VERSION } from "../../lib/host/version.ts";
import {
  AgentError,
  agentGuest,
  agentLook,
  agentStatus,
  reloadAgent,
  stopAgent,
} from "../../lib/agent/client.ts";
import { startAgent } from "../../lib/agent/spawn.ts";
import { AGENT_PROGRAM, agentTest, untilStatus } from "./agent_fixture.ts";
import { answerAfterEnd } from "./sshd_fixture.ts";

const isConnected = (status: { guest: { state: string } }) => status.guest.state === "connected";

agentTest("startAgent() starts an agent that says what it is and connects", async ({ folder, start }) => {
  const status = await start();
  assert.deepEqual([status.version, status.build, status.machine], [VERSION, await buildId(), "dev"]);
  assert.equal(status.configHash, sha256(await Deno.readTextFile(folder.agentConfig)));
  const connected = await untilStatus(folder, isConnected);
  assert.equal(connected.counts.connections, 2);
  assert.equal(((await Deno.stat(folder.agentSocket)).mode ?? 0) & 0o777, 0o600);
  assert.equal(((await Deno.stat(folder.agentLog)).mode ?? 0) & 0o777, 0o600);
});

agentTest("startAgent() gives the agent that runs instead of a second one", async ({ folder, start }) => {
  const first = await start();
  assert.equal((await startAgent(folder, { main: AGENT_PROGRAM })).pid, first.pid);
});

agentTest("two startAgent() at once end with one agent", async ({ start, log, processes }) => {
  const [first, second] = await Promise.all([start(), start()]);
  assert.equal(first.pid, second.pid);
  await waitFor(async () => processes().length === 1 || undefined, { timeoutMs: 5000, firstDelayMs: 20 });
  assert.deepEqual(processes(), [first.pid]);
  assert.match(await log(), /Another agent runs for the machine "dev": process \d+, since/);
});

agentTest("startAgent() shows the log's end when the agent cannot start", async ({ folder, start }) => {
  await Deno.writeTextFile(folder.agentConfig, '{"machine": 3}');
  await assert.rejects(start(), /The agent of the machine "dev" ended at its start/);
  await Deno.remove(folder.agentConfig);
  await assert.rejects(start(), (error) => {
    assert.match(`${error instanceof Error && "output" in error && error.output}`, /agent\.json are missing/);
    return true;
  });
});

agentTest("agentGuest() runs scripts with input, code and both outputs", async ({ folder, start }) => {
  await start();
  await untilStatus(folder, isConnected);
  await using guest = agentGuest(folder.agentSocket);
  const result = await guest.run("cat; echo err >&2; exit 6", { stdin: "grüße\n" });
  assert.deepEqual(result, { code: 6, stdout: "grüße\n", stderr: "err\n" });
  assert.equal((await untilStatus(folder, isConnected)).counts.execs, 1);
});

agentTest("agentGuest() tells a command that takes too long", async ({ folder, start }) => {
  await start();
  await untilStatus(folder, isConnected);
  await using guest = agentGuest(folder.agentSocket);
  await assert.rejects(
    guest.run("sleep 5", { timeoutMs: 200 }),
    (error) => error instanceof AgentError && error.status === 504,
  );
  assert.equal((await guest.run("echo on")).stdout, "on\n");
});

agentTest("agentLook() answers for the script and for each mount", async (agent) => {
  const { folder, sshd } = agent;
  const [same, other] = [join(sshd.folder, "same"), join(sshd.folder, "other")];
  await Deno.mkdir(same);
  await Deno.mkdir(other);
  await Deno.writeTextFile(join(same, "file"), "");
  const mounts = [
    { source: same, target: same },
    { source: same, target: other },
    { source: same, target: "/nonexistent/target" },
    { source: "/nonexistent/source", target: same },
  ];
  await agent.configure({ mounts: mounts.slice(0, 1) });
  await agent.start();
  await untilStatus(folder, isConnected);
  const answer = await agentLook(folder.agentSocket, {
    script: "echo facts; exit 2",
    mounts,
    timeoutMs: 5000,
  });
  // The login shell of whoever runs the test may have its say on stderr.
  assert.deepEqual([answer.script.code, answer.script.stdout], [2, "facts\n"]);
  assert.deepEqual(answer.mounts.map((mount) => mount.state), ["same", "differs", "differs", "differs"]);
  assert.match(JSON.stringify(answer.mounts[1]), /does not see \\"file\\"/);
});

agentTest("a look at an agent that rests writes no file", async ({ folder, start }) => {
  await start();
  await untilStatus(folder, isConnected);
  const before = await fileTimes(folder.root);
  await agentLook(folder.agentSocket, { script: "true", mounts: [], timeoutMs: 5000 });
  await agentStatus(folder.agentSocket);
  assert.deepEqual(await fileTimes(folder.root), before);
});

agentTest("the agent says that the guest is away, and connects again when it is back", async (agent) => {
  const { folder, sshd } = agent;
  await agent.start();
  await untilStatus(folder, isConnected);
  await sshd.kill();
  const away = await untilStatus(folder, (status) => status.guest.state === "connecting");
  assert.ok(away.guest.error);
  await using guest = agentGuest(folder.agentSocket);
  await assert.rejects(
    guest.run("true"),
    (error) =>
      error instanceof AgentError && error.status === 503 && /no connection to the guest/.test(error.message),
  );
  await sshd.start();
  assert.equal((await untilStatus(folder, isConnected)).counts.connections, 4);
  assert.equal((await guest.run("echo back")).stdout, "back\n");
});

agentTest(
  "reloadAgent() opens and closes sockets by difference and keeps their connections",
  async (agent) => {
    const { folder, sshd } = agent;
    const kept = { host: join(folder.root, "kept.sock"), guest: join(sshd.folder, "kept") };
    const added = { host: join(folder.root, "added.sock"), guest: join(sshd.folder, "added") };
    using listener = Deno.listen({ transport: "unix", path: kept.guest });
    await agent.configure({ sockets: [kept] });
    await agent.start();
    await untilStatus(folder, isConnected);
    const served = answerAfterEnd(listener, "after the reload");
    using client = await Deno.connect({ transport: "unix", path: kept.host });
    await agent.configure({ sockets: [kept, added] });
    const reloaded = await reloadAgent(folder.agentSocket);
    assert.deepEqual(reloaded.sockets.map((socket) => [socket.host, socket.listening]), [
      [kept.host, true],
      [added.host, true],
    ]);
    await agent.configure({ sockets: [] });
    assert.deepEqual((await reloadAgent(folder.agentSocket)).sockets, []);
    await assert.rejects(Deno.stat(kept.host), Deno.errors.NotFound);
    await client.closeWrite();
    assert.equal(await new Response(client.readable).text(), "after the reload");
    assert.equal(await served, "");
  },
);

agentTest("reloadAgent() makes a socket again that somebody removed", async (agent) => {
  const { folder } = agent;
  const socket = { host: join(folder.root, "docker.sock"), guest: "/run/docker.sock" };
  await agent.configure({ sockets: [socket] });
  await agent.start();
  await Deno.remove(socket.host);
  const status = await agentStatus(folder.agentSocket);
  assert.equal(status?.sockets[0]?.listening, false);
  assert.equal((await reloadAgent(folder.agentSocket)).sockets[0]?.listening, true);
  assert.ok((await Deno.stat(socket.host)).isSocket);
});

agentTest("reloadAgent() refuses settings that cannot be used and keeps the old ones", async (agent) => {
  const { folder } = agent;
  const before = await agent.start();
  await Deno.writeTextFile(folder.agentConfig, "{");
  await assert.rejects(
    reloadAgent(folder.agentSocket),
    (error) => error instanceof AgentError && error.status === 400 && /cannot be used/.test(error.message),
  );
  assert.equal((await agentStatus(folder.agentSocket))?.configHash, before.configHash);
});

agentTest("stopAgent() ends the agent and removes its sockets", async (agent) => {
  const { folder } = agent;
  const socket = { host: join(folder.root, "docker.sock"), guest: "/run/docker.sock" };
  await agent.configure({ sockets: [socket] });
  const { pid } = await agent.start();
  await stopAgent(folder.agentSocket);
  await waitFor(async () => !isRunning(pid) || undefined, { timeoutMs: 5000, firstDelayMs: 10 });
  assert.equal(isRunning(pid), false);
  assert.equal(await agentStatus(folder.agentSocket), undefined);
  await assert.rejects(Deno.stat(socket.host), Deno.errors.NotFound);
  await stopAgent(folder.agentSocket); // nothing to do, nothing to complain about
});

agentTest("an agent that was killed is replaced over its dead sockets", async (agent) => {
  const { folder } = agent;
  const socket = { host: join(folder.root, "docker.sock"), guest: "/run/docker.sock" };
  await agent.configure({ sockets: [socket] });
  const first = await agent.start();
  Deno.kill(first.pid, "SIGKILL");
  await waitFor(async () => !isRunning(first.pid) || undefined, { timeoutMs: 5000, firstDelayMs: 10 });
  assert.equal(await agentStatus(folder.agentSocket), undefined);
  const second = await agent.start();
  assert.notEqual(second.pid, first.pid);
  assert.equal(second.sockets[0]?.listening, true);
});

agentTest(
  "an agent that does not answer is unknown to agentStatus(), and stopAgent() ends it",
  async (agent) => {
    const { folder } = agent;
    const { pid } = await agent.start();
    Deno.kill(pid, "SIGSTOP");
    await assert.rejects(agentStatus(folder.agentSocket), AgentError);
    await stopAgent(folder.agentSocket);
    assert.equal(await agentStatus(folder.agentSocket), undefined);
  },
);

agentTest("an agent ends by SIGTERM in order", async (agent) => {
  const { folder } = agent;
  const { pid } = await agent.start();
  Deno.kill(pid, "SIGTERM");
  await waitFor(async () => !isRunning(pid) || undefined, { timeoutMs: 5000, firstDelayMs: 10 });
  assert.match(await agent.log(), /Got SIGTERM: stops\n.* Stopped\n$/);
  await assert.rejects(Deno.stat(folder.agentSocket), Deno.errors.NotFound);
});

agentTest("the agent answers a request that it does not know, and a broken one", async (agent) => {
  const { folder } = agent;
  await agent.start();
  const ask = (path: string, body: unknown) =>
    unixHttp(folder.agentSocket, { method: "POST", path, body, timeoutMs: 2000 });
  assert.equal((await ask("/v1/nothing", {})).status, 404);
  assert.equal((await ask("/v1/exec", { script: 3 })).status, 400);
  assert.equal((await ask("/v1/look", null)).status, 400);
});

async function fileTimes(folder: string): Promise<Record<string, number | undefined>> {
  const times: Record<string, number | undefined> = {};
  for await (const entry of Deno.readDir(folder)) {
    times[entry.name] = (await Deno.lstat(join(folder, entry.name))).mtime?.getTime();
  }
  return times;
}
