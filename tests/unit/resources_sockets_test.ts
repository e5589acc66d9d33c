import assert from "node:assert/strict";
import type { AgentConfig, AgentStatus } from "../../lib/agent/api.ts";
import type { Engine } from "../../lib/config/types.ts";
import { agentConfigText } from "../../lib/resources/agent.ts";
import type { Platform } from "../../lib/resources/platform.ts";
import { engineSocketOf, socketKind } from "../../lib/resources/sockets.ts";
import {
  jobOf,
  linesOf,
  MACHINE,
  machineOf,
  NO_GUEST,
  platformOf,
  STOPPED,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

function worldWith(engine: Engine, parts: Parameters<typeof platformOf>[0] = {}) {
  return worldOf({
    machine: machineOf({ runtime: { ...MACHINE.runtime, engine } }),
    platform: platformOf(parts),
  });
}

/** What an agent says that keeps some sockets. */
function agentWith(sockets: AgentStatus["sockets"]): AgentStatus {
  return {
    version: "0",
    build: "b",
    pid: 1,
    machine: "dev",
    startedAt: "",
    configHash: "",
    guest: { state: "connected", since: "" },
    sockets,
    rssMiB: 1,
    counts: { connections: 0, execs: 0 },
  };
}

Deno.test("socket: the machine offers the socket of its engine, and the agent is told so", () =>
  withHome(() => {
    const rows = [
      ["docker", ["socket:docker"], ["/run/docker.sock"], "docker.sock"],
      ["containerd", ["socket:containerd"], ["/run/containerd/containerd.sock"], "containerd.sock"],
      ["none", [], [], undefined],
    ] as const;
    for (const [engine, addresses, guests, file] of rows) {
      const world = worldWith(engine);
      const desired = socketKind.desired(world) as ReadonlyMap<string, unknown>;
      assert.deepEqual([...desired.keys()], addresses);
      const { sockets } = JSON.parse(agentConfigText(world)) as AgentConfig;
      assert.deepEqual(sockets.map(({ guest }) => guest), guests);
      if (file) assert.equal(sockets[0]?.host, `${world.folder.root}/${file}`);
    }
    return Promise.resolve();
  }));

Deno.test("socket: another engine's goes, one that does not listen is told, and what nobody can tell is unknown", () =>
  withHome(async () => {
    const world = worldWith("containerd");
    const [docker, containerd] = (["docker", "containerd"] as const).map((one) =>
      engineSocketOf(one, world.folder)
    );
    const said = async (look: Parameters<typeof linesOf>[1]["look"]) =>
      (await linesOf(socketKind, { world, look })).map(({ address, action, reason, paths }) =>
        [address, action, reason, paths[0]?.before].filter((part) => part !== undefined).join(" ")
      );
    const lookAt = (...sockets: AgentStatus["sockets"]) => ({
      ...UNREACHABLE,
      agent: { state: "present", value: agentWith(sockets), owned: true } as const,
    });
    const listening = { listening: true };
    assert.deepEqual(await said(lookAt({ ...docker!, ...listening })), [
      "socket:docker delete",
      "socket:containerd create",
    ]);
    assert.deepEqual(await said(lookAt({ ...containerd!, ...listening })), ["socket:containerd none"]);
    assert.deepEqual(await said(lookAt({ ...containerd!, listening: false, error: "gone" })), [
      "socket:containerd update gone",
    ]);
    assert.deepEqual(await said(STOPPED), ["socket:containerd create"]);
    assert.deepEqual(await said({ ...UNREACHABLE, agent: { state: "unknown", reason: "it hangs" } }), [
      "socket:containerd blocked it hangs",
    ]);
  }));

Deno.test("socket: is done when the engine itself has answered on it", () =>
  withHome(async () => {
    for (const [engine, part] of [["docker", "docker"], ["containerd", "containerdAnswers"]] as const) {
      const world = worldWith(engine);
      const socket = engineSocketOf(engine, world.folder);
      let asked = 0;
      const answers = {
        docker: () => Promise.resolve({ status: ++asked > 0 ? 200 : 500, body: "OK" }),
        containerdAnswers: () => Promise.resolve(++asked > 1), // the first time its connection does not stand yet
      } satisfies Partial<Platform>;
      const agents = { reload: () => Promise.resolve(agentWith([{ ...socket, listening: true }])) };
      const platform = platformOf({ agents, [part]: answers[part] });
      await socketKind.apply(
        jobOf(`socket:${engine}`, NO_GUEST, { world: { ...world, platform, record: world.record! } }),
        socket,
      );
      assert.equal(asked, engine === "docker" ? 1 : 2);
      const silent = platformOf({ agents: { reload: () => Promise.resolve(agentWith([])) } });
      await assert.rejects(
        socketKind.apply(
          jobOf(`socket:${engine}`, NO_GUEST, {
            world: { ...world, platform: silent, record: world.record! },
          }),
          socket,
        ),
        /The agent does not listen on .*: it was not asked to/,
      );
    }
  }));

Deno.test("socket: undo removes the file of its own engine alone", () =>
  withHome(async () => {
    const world = worldWith("none");
    await Deno.mkdir(world.folder.root, { recursive: true });
    const files = (["docker", "containerd"] as const).map((one) => engineSocketOf(one, world.folder).host);
    for (const file of files) await Deno.writeTextFile(file, "");
    await socketKind.undo(jobOf("socket:docker", NO_GUEST, { world: { ...world, record: world.record! } }));
    const left = await Array.fromAsync(Deno.readDir(world.folder.root), ({ name }) => name);
    assert.deepEqual(left, ["containerd.sock"]);
  }));
