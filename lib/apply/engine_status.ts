import { messageOf } from "../host/errors.ts";
import { DOCKER_NAMESPACE, listTasks } from "../resources/containerd/tasks.ts";
import type { AgentStatus, World } from "../resources/contract.ts";
import { runningContainers } from "../resources/docker/containers.ts";
import type { EngineStatus, NamespaceStatus } from "./types.ts";

/** The namespaces that everybody meets, and whose they are. */
const KNOWN: Readonly<Record<string, string>> = {
  default: "nerdctl and ctr",
  [DOCKER_NAMESPACE]: "dockerd",
  "k8s.io": "Kubernetes",
};

/** How much of an id docker shows itself. */
const SHORT_ID = 12;

/**
 * The engine of a machine, and what runs in which namespace of the one containerd that dockerd and others share.
 * `undefined` where nothing is known of the machine's form, or it has no engine.
 */
export async function engineStatus(
  world: World,
  agent: AgentStatus | undefined,
): Promise<EngineStatus | undefined> {
  const engine = world.machine?.runtime.engine;
  if (engine === undefined) return undefined;
  if (engine === "none") return { name: engine, namespaces: [] };
  if (agent?.guest.state !== "connected") {
    return { name: engine, namespaces: [], unknown: "the guest is not reached" };
  }
  const [tasks, docker] = await Promise.all([
    attempt(() => listTasks(world.platform.agents.guest(world.folder))),
    engine === "docker" ? attempt(() => runningContainers(world)) : undefined,
  ]);
  const spaces = new Map<string, readonly string[]>();
  if ("value" in tasks) {
    for (const name of tasks.value.namespaces) {
      const running = tasks.value.running.filter(({ namespace }) => namespace === name);
      spaces.set(
        name,
        running.map((task) => name === DOCKER_NAMESPACE ? task.id.slice(0, SHORT_ID) : task.name),
      );
    }
  }
  // dockerd knows its containers by their names.
  if (docker && "value" in docker) spaces.set(DOCKER_NAMESPACE, docker.value);
  const reasons = [tasks, docker].flatMap((part) => part && "reason" in part ? [part.reason] : []);
  return {
    name: engine,
    namespaces: [...spaces].sort(([a], [b]) => a < b ? -1 : 1).map(([name, running]): NamespaceStatus => ({
      name,
      ...(KNOWN[name] === undefined ? {} : { of: KNOWN[name] }),
      running: [...running].sort(),
    })),
    ...(reasons.length === 0 ? {} : { unknown: reasons.join("; ") }),
  };
}

type Attempt<T> = { readonly value: T } | { readonly reason: string };

async function attempt<T>(work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}
