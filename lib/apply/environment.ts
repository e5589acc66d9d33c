import { UserError } from "../host/errors.ts";
import { machineHome } from "../host/paths.ts";
import { ensureAgent } from "../resources/agent.ts";
import type { Platform } from "../resources/platform.ts";
import type { Emit } from "./events.ts";
import { knownMachine } from "./operation.ts";

/** What leads clients of an engine to it: docker's and compose's; ctr's and nerdctl's. */
export const ENGINE_VARIABLES = ["DOCKER_HOST", "CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE"] as const;

/** Variables of a shell by their names. */
export type Variables = Readonly<Record<string, string>>;

/**
 * The variables that lead clients on this computer to a machine's engine.
 * @param on what machines run on; this computer when left out
 * @throws UserError when there is nothing to lead to: no engine, no VM, no socket
 */
export async function engineVariables(name: string, emit: Emit, on?: Platform): Promise<Variables> {
  const world = await knownMachine(name, on);
  const { folder, machine, platform } = world;
  const engine = machine?.runtime.engine;
  if (engine === undefined || engine === "none") {
    throw new UserError(`Machine "${name}" has no engine`, {
      hint: 'Write "runtime: docker" or "runtime: containerd" in its file, then: machine apply',
    });
  }
  const vm = await platform.vm.look(folder);
  if (vm.state === "stopped") {
    throw new UserError(`Machine "${name}" does not run`, { hint: `machine start ${name}` });
  }
  const agent = await ensureAgent(world, vm, (text) => emit({ kind: "note", text }));
  const path = engine === "docker" ? folder.dockerSocket : folder.containerdSocket;
  const socket = agent?.sockets.find(({ host }) => host === path);
  if (!socket?.listening) {
    throw new UserError(`Nothing listens on ${path}${socket?.error ? `: ${socket.error}` : ""}`, {
      hint: "machine apply brings it back",
    });
  }
  return engine === "docker"
    ? { DOCKER_HOST: `unix://${path}` }
    : { CONTAINERD_ADDRESS: path, CONTAINERD_NAMESPACE: "default" };
}

/**
 * Which of the variables of the caller lead to a machine of ours: those that may be unset.
 * @param read gives a variable of the caller's environment
 */
export function oursAmong(read: (name: string) => string | undefined): readonly string[] {
  const isOurs = (name: string) => {
    const path = read(name)?.replace(/^unix:\/\//, "");
    return path?.startsWith(`${machineHome()}/`) ?? false;
  };
  // The namespace says nothing by itself: it was set together with the address.
  return ENGINE_VARIABLES.filter((name) =>
    name === "CONTAINERD_NAMESPACE" ? read(name) !== undefined && isOurs("CONTAINERD_ADDRESS") : isOurs(name)
  );
}
