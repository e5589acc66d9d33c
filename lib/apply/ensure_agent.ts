import { agentStatus } from "../agent/client.ts";
import type { AgentStatus } from "../agent/api.ts";
import type { VmLook } from "../drivers/types.ts";
import { statIfPresent } from "../host/files.ts";
import type { World } from "../resources/contract.ts";
import type { Emit } from "./events.ts";

/**
 * Starts the agent again where a VM runs without one, and says so: it may have been killed.
 * Gives its state; `undefined` where none belongs.
 */
export async function ensureAgent(world: World, vm: VmLook, emit: Emit): Promise<AgentStatus | undefined> {
  const status = await agentStatus(world.folder.agentSocket);
  if (status || vm.state !== "running") return status;
  if (await statIfPresent(world.folder.agentConfig) === undefined) return undefined; // the apply never came so far
  const { startAgent } = await import("../agent/spawn.ts");
  emit({ kind: "note", text: `The agent of "${world.name}" was gone; it is started again` });
  return await startAgent(world.folder);
}
