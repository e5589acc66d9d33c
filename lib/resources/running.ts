import { runningTasks } from "./containerd/tasks.ts";
import type { World } from "./contract.ts";
import { runningContainers } from "./docker/containers.ts";

/**
 * The names of the containers that run now, whichever engine has them: what ends with the VM. The engine is that of the
 * machine as last applied, since the file may want another one by now.
 * @throws UserError when they cannot be listed
 */
export async function runningInGuest(world: World): Promise<readonly string[]> {
  const engine = (world.record?.machine ?? world.machine)?.runtime.engine;
  if (engine === undefined || engine === "none") return [];
  const beside = await runningTasks(world);
  return engine === "docker" ? [...await runningContainers(world), ...beside] : beside;
}
