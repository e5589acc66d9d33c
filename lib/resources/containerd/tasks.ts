import type { GuestControl } from "../../guest/control.ts";
import { UserError } from "../../host/errors.ts";
import type { World } from "../contract.ts";

/** A container of containerd that runs. */
export interface RunningTask {
  readonly namespace: string;
  readonly id: string;
  /** As its client has named it: nerdctl's name, or pod and container of Kubernetes; else its id. */
  readonly name: string;
}

/** What runs under containerd. */
export interface ContainerdTasks {
  readonly namespaces: readonly string[];
  readonly running: readonly RunningTask[];
}

/** dockerd's own namespace: its containers go with dockerd, not with containerd. */
export const DOCKER_NAMESPACE = "moby";

const LIST_MS = 20_000;

/** Asks containerd what runs in all its namespaces. @throws UserError when it does not answer */
export async function listTasks(guest: GuestControl): Promise<ContainerdTasks> {
  const result = await guest.perform([{ op: "list-tasks" }], { timeoutMs: LIST_MS });
  if (!result.ok) throw new UserError("containerd does not list its containers", { output: result.output });
  const rows = result.output.split("\n").map((line) => line.split(" "));
  return {
    namespaces: rows.flatMap(([word, namespace = ""]) => word === "namespace" ? [namespace] : []),
    running: rows.flatMap(([word, namespace = "", id = "", ...name]) =>
      word === "task" ? [{ namespace, id, name: name.join(" ") || id }] : []
    ),
  };
}

/** The names of what runs beside docker's containers: what is stopped when containerd goes. */
export async function runningTasks({ platform, folder }: World): Promise<readonly string[]> {
  const { running } = await listTasks(platform.agents.guest(folder));
  return running.filter(({ namespace }) => namespace !== DOCKER_NAMESPACE)
    .map(({ namespace, name }) => namespace === "default" ? name : `${namespace}/${name}`)
    .sort();
}
