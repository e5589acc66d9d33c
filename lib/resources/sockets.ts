import type { SocketForward } from "../agent/api.ts";
import { effectOf } from "../config/effects.ts";
import type { Engine } from "../config/types.ts";
import { waitFor } from "../host/clock.ts";
import { UserError } from "../host/errors.ts";
import { removeIfPresent } from "../host/files.ts";
import type { MachineFolder } from "../host/paths.ts";
import { isHangUp } from "../host/unix_http.ts";
import type { Address, Observed } from "../plan/types.ts";
import type { Job, Kind, Look, World } from "./contract.ts";
import { idOf } from "./guest_kind.ts";
import type { DockerAnswer } from "./platform.ts";

/** An engine that has a socket. */
type SocketEngine = Exclude<Engine, "none">;

const KIND = "socket";
const ENGINES: readonly SocketEngine[] = ["docker", "containerd"];

/** What is found of a socket: whether the agent listens, or why not. */
interface FoundSocket {
  readonly listening: boolean;
  readonly error: string;
}

/** The socket of an engine in the guest, offered in the machine's folder on the host. */
export function engineSocketOf(engine: SocketEngine, folder: MachineFolder): SocketForward {
  return engine === "docker"
    ? { host: folder.dockerSocket, guest: "/run/docker.sock" }
    : { host: folder.containerdSocket, guest: "/run/containerd/containerd.sock" };
}

/** The sockets that a machine offers on the host, by address: that of its engine. */
export function wantedSockets({ machine, folder }: World): ReadonlyMap<Address, SocketForward> {
  const engine = machine?.runtime.engine ?? "none";
  return new Map(engine === "none" ? [] : [[`${KIND}:${engine}`, engineSocketOf(engine, folder)]]);
}

const ANSWER_MS = 30_000;

/** The sockets of engines on the host, kept by the agent. */
export const socketKind: Kind<SocketForward, FoundSocket> = {
  kind: KIND,
  phase: 16,
  realm: "machine",
  path: () => "runtime",
  dependsOn: (address) => ["agent", `engine:${idOf(address)}`],
  desired: wantedSockets,
  observe(world, look, desired) {
    const found = ENGINES.map((engine): [Address, Observed<FoundSocket>] => {
      const address = `${KIND}:${engine}`;
      return [address, observeSocket(engineSocketOf(engine, world.folder), look.agent)];
    });
    // What the agent does not keep and nobody wants is nothing to speak of.
    return Promise.resolve(
      new Map(found.filter(([address, { state }]) => desired.has(address) || state === "present")),
    );
  },
  compare: (_desired, observed) =>
    observed.listening ? [] : [{
      path: "runtime",
      before: observed.error || "not listening",
      after: "listening",
      effect: effectOf("socket"),
    }],
  expected: () => ({ listening: true, error: "" }),
  async apply(job, { host }) {
    const { folder, platform } = job.world;
    const status = await platform.agents.reload(folder);
    const socket = status.sockets.find((one) => one.host === host);
    if (!socket?.listening) {
      throw new UserError(
        `The agent does not listen on ${host}: ${socket?.error ?? "it was not asked to"}`,
      );
    }
    if (host === folder.dockerSocket) await awaitDocker(job);
    else await awaitContainerd(job);
  },
  // The agent was told before that it is no longer to be kept: what is left is the file.
  undo: async ({ world, step }) => {
    const engine = ENGINES.find((one) => step.address === `${KIND}:${one}`);
    if (engine) await removeIfPresent(engineSocketOf(engine, world.folder).host);
  },
};

function observeSocket(
  { host }: SocketForward,
  agent: Look["agent"],
): Observed<FoundSocket> {
  if (agent.state === "absent") return { state: "absent" };
  if (agent.state === "unknown") return { ...agent };
  const socket = agent.value.sockets.find((one) => one.host === host);
  if (!socket) return { state: "absent" };
  return { state: "present", owned: true, value: { listening: socket.listening, error: socket.error ?? "" } };
}

/** Waits for dockerd's answer; a new agent listens a moment before its connection for sockets stands. */
async function awaitDocker({ world: { folder, platform }, signal }: Job): Promise<void> {
  let hangUp: unknown;
  const answer: DockerAnswer | undefined = await waitFor(async () => {
    try {
      return await platform.docker(folder, "/_ping", ANSWER_MS);
    } catch (error) {
      if (!isHangUp(error)) throw error;
      hangUp = error;
      return undefined;
    }
  }, { timeoutMs: ANSWER_MS, signal });
  if (!answer) throw hangUp;
  if (answer.status !== 200) {
    throw new UserError(`Docker does not answer on ${folder.dockerSocket}`, { output: answer.body });
  }
}

/** Waits until containerd itself speaks on the socket: the agent accepts a connection also where nothing is behind. */
async function awaitContainerd({ world: { folder, platform }, signal }: Job): Promise<void> {
  const answers = await waitFor(
    async () => await platform.containerdAnswers(folder, ANSWER_MS) || undefined,
    { timeoutMs: ANSWER_MS, signal },
  );
  if (!answers) throw new UserError(`containerd does not answer on ${folder.containerdSocket}`);
}
