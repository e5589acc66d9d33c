import type { SocketForward } from "../../agent/api.ts";
import { effectOf } from "../../config/effects.ts";
import { waitFor } from "../../host/clock.ts";
import { UserError } from "../../host/errors.ts";
import { removeIfPresent } from "../../host/files.ts";
import type { MachineFolder } from "../../host/paths.ts";
import { isHangUp } from "../../host/unix_http.ts";
import type { Observed } from "../../plan/types.ts";
import type { Job, Kind } from "../contract.ts";
import type { DockerAnswer } from "../platform.ts";

/** Docker's socket in the guest, offered in the machine's folder on the host. */
export function dockerSocketOf(folder: MachineFolder): SocketForward {
  return { host: folder.dockerSocket, guest: "/run/docker.sock" };
}

const ANSWER_MS = 30_000;

/** Docker's socket on the host, kept by the agent. */
export const dockerSocketKind: Kind<SocketForward, { readonly listening: boolean; readonly error: string }> =
  {
    kind: "socket:docker",
    phase: 16,
    realm: "machine",
    path: () => "runtime",
    dependsOn: () => ["agent", "engine:docker"],
    desired: ({ machine, folder }) => new Map(machine ? [["socket:docker", dockerSocketOf(folder)]] : []),
    observe(world, look) {
      const found = (observed: Observed<{ listening: boolean; error: string }>) =>
        Promise.resolve(new Map([["socket:docker", observed]]));
      if (look.agent.state === "absent") return found({ state: "absent" });
      if (look.agent.state === "unknown") return found({ ...look.agent });
      const socket = look.agent.value.sockets.find(({ host }) => host === world.folder.dockerSocket);
      if (!socket) return found({ state: "absent" });
      return found({
        state: "present",
        owned: true,
        value: { listening: socket.listening, error: socket.error ?? "" },
      });
    },
    compare: (_desired, observed) =>
      observed.listening ? [] : [{
        path: "runtime",
        before: observed.error || "not listening",
        after: "listening",
        effect: effectOf("socket"),
      }],
    expected: () => ({ listening: true, error: "" }),
    async apply(job) {
      const { folder, platform } = job.world;
      const status = await platform.agents.reload(folder);
      const socket = status.sockets.find(({ host }) => host === folder.dockerSocket);
      if (!socket?.listening) {
        throw new UserError(
          `The agent does not listen on ${folder.dockerSocket}: ${socket?.error ?? "it was not asked to"}`,
        );
      }
      const answer = await ping(job);
      if (answer.status !== 200) {
        throw new UserError(`Docker does not answer on ${folder.dockerSocket}`, { output: answer.body });
      }
    },
    undo: async (job) => await removeIfPresent(job.world.folder.dockerSocket),
  };

/** dockerd's answer; a new agent listens a moment before its connection for sockets stands. */
async function ping({ world: { folder, platform }, signal }: Job): Promise<DockerAnswer> {
  let hangUp: unknown;
  const answer = await waitFor(async () => {
    try {
      return await platform.docker(folder, "/_ping", ANSWER_MS);
    } catch (error) {
      if (!isHangUp(error)) throw error;
      hangUp = error;
      return undefined;
    }
  }, { timeoutMs: ANSWER_MS, signal });
  if (!answer) throw hangUp;
  return answer;
}
