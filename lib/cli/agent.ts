import { runAgent } from "../agent/server.ts";
import { machineFolderAt } from "../host/paths.ts";
import type { AgentCommand } from "./command.ts";

/** `machine agent run FOLDER`: the background process of a machine, started by other commands. */
export async function runAgentCommand(command: AgentCommand): Promise<number> {
  return await runAgent(machineFolderAt(command.folder).agentConfig);
}
