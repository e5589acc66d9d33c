import type { SocketForward } from "../../agent/api.ts";
import { reloadAgent } from "../../agent/client.ts";
import { UserError } from "../../host/errors.ts";
import { removeIfPresent } from "../../host/files.ts";
import type { MachineFolder } from "../../host/paths.ts";
import { unixHttp } from "../../host/unix_http.ts";
import type { Observed } from "../../plan/types.ts";
import type { Kind } from "../contract.ts";

/** Docker's socket in the guest, offered in the machine's folder on the host. */
export function dockerSocketOf(folder: MachineFolder): SocketForward {
  return { host: folder.dockerSocket, guest: "/run/docker.sock" };
}

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
        effect: "live",
      }],
    async apply(job) {
      const { folder } = job.world;
      const status = await reloadAgent(folder.agentSocket);
      const socket = status.sockets.find(({ host }) => host === folder.dockerSocket);
      if (!socket?.listening) {
        throw new UserError(
          `The agent does not listen on ${folder.dockerSocket}: ${socket?.error ?? "it was not asked to"}`,
        );
      }
      const answer = await unixHttp(folder.dockerSocket, {
        method: "GET",
        path: "/_ping",
        timeoutMs: 30_000,
      });
      if (answer.status !== 200) {
        throw new UserError(`Docker does not answer on ${folder.dockerSocket}`, { output: answer.body });
      }
    },
    undo: async (job) => await removeIfPresent(job.world.folder.dockerSocket),
  };
