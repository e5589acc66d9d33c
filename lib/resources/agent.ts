import type { AgentConfig, AgentStatus } from "../agent/api.ts";
import { effectOf } from "../config/effects.ts";
import type { VmLook } from "../drivers/types.ts";
import { waitFor } from "../host/clock.ts";
import { removeIfPresent, sha256, statIfPresent, writeAtomic } from "../host/files.ts";
import type { Change, Observed } from "../plan/types.ts";
import type { Kind, Look, World } from "./contract.ts";
import { rootTarget } from "./power.ts";
import { wantedSockets } from "./sockets.ts";

/** A handshake with an emulated guest takes up to some seconds. */
const CONNECTS_MS = 10_000;

/** The agent as wanted: this build of the program, keeping these things alive. */
interface WantedAgent {
  readonly build: string;
  readonly configHash: string;
}

/** The background process of the machine. */
export const agentKind: Kind<WantedAgent, AgentStatus> = {
  kind: "agent",
  phase: 4,
  realm: "machine",
  path: () => "",
  dependsOn: () => ["vm"],
  desired: async (world) => {
    if (!world.machine) return new Map();
    return new Map([["agent", {
      build: await world.platform.agents.build(),
      configHash: sha256(agentConfigText(world)),
    }]]);
  },
  observe: (_world, look) => Promise.resolve(new Map<string, Observed<AgentStatus>>([["agent", look.agent]])),
  compare(desired, observed) {
    const changes: Change[] = [];
    const differ = (path: string, note: string, before: string, after: string) =>
      changes.push({ path, before, after, effect: effectOf("agent"), note });
    if (observed.build !== desired.build) {
      differ("agent.build", "another build of machine runs", observed.build, desired.build);
    }
    if (observed.configHash !== desired.configHash) {
      differ("agent.config", "it keeps other things alive than wanted", "former", "wanted");
    }
    return changes;
  },
  expected: ({ build, configHash }) => ({
    build,
    configHash,
    version: "",
    pid: 0,
    machine: "",
    startedAt: "",
    guest: { state: "connected", since: "" },
    sockets: [],
    rssMiB: 0,
    counts: { connections: 0, execs: 0 },
  }),
  creation: () => ({ effect: effectOf("agent"), reason: "keeps sockets and mounts alive" }),
  async apply(job) {
    const { folder, platform: { agents } } = job.world;
    const text = agentConfigText({ ...job.world, record: job.store.value });
    await writeAtomic(folder.agentConfig, text);
    const status = job.look.agent.state === "present" ? job.look.agent.value : undefined;
    if (status && status.build === await agents.build()) {
      await agents.reload(folder);
      return;
    }
    if (status) {
      job.progress("stopping the former agent");
      await agents.stop(folder);
    }
    job.progress("starting the agent");
    await agents.start(folder);
  },
  async undo(job) {
    const { folder, platform } = job.world;
    if (job.look.agent.state === "present") await platform.agents.stop(folder);
    for (const file of [folder.agentConfig, folder.agentSocket, folder.agentLog]) await removeIfPresent(file);
  },
};

/** The `agent.json` of a machine: what its agent has to keep alive. */
export function agentConfigText(world: World): string {
  const machine = world.machine!;
  const config: AgentConfig = {
    machine: world.name,
    root: rootTarget(world.folder, world.record?.sshPort ?? 0),
    sockets: [...wantedSockets(world).values()],
    mounts: machine.mounts.map(({ source, target }) => ({ source, target })),
  };
  return JSON.stringify(config, null, 2) + "\n";
}

/**
 * Starts the agent again where a VM runs without one, and says so: it may have been killed.
 * Gives its state; `undefined` where none belongs.
 */
export async function ensureAgent(
  world: World,
  vm: VmLook,
  note: (text: string) => void,
): Promise<AgentStatus | undefined> {
  const { agents } = world.platform;
  const status = await agents.status(world.folder);
  if (status || vm.state !== "running") return status;
  if (await statIfPresent(world.folder.agentConfig) === undefined) return undefined; // the apply never came so far
  note(`The agent of "${world.name}" was gone; it is started again`);
  const started = await agents.start(world.folder);
  // Until it has its connection, docker's socket is there and leads nowhere.
  const connected = await waitFor(async () => {
    const now = await agents.status(world.folder);
    return now?.guest.state === "connected" ? now : undefined;
  }, { timeoutMs: CONNECTS_MS });
  return connected ?? started;
}

/** Ends the agent of a machine that goes down; its settings stay for the next start. */
export async function endAgent(world: World, look: Look): Promise<void> {
  if (look.agent.state !== "absent") await world.platform.agents.stop(world.folder);
}
