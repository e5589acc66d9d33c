import { runAgent } from "../agent/server.ts";
import { revertTry } from "../apply/try.ts";
import { machineFolderAt } from "../host/paths.ts";
import type { AgentCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";

/** Another command may just be at work on the machine. */
const LOCK_TIMEOUT_MS = 30 * 60_000;

/** `machine agent …`: what runs in the background for a machine, started by other commands. */
export async function runAgentCommand(command: AgentCommand, context: Context): Promise<number> {
  const folder = machineFolderAt(command.folder);
  if (command.task === "run") return await runAgent(folder.agentConfig);
  return await runOperation({ ...command, lockTimeoutMs: LOCK_TIMEOUT_MS }, {
    machine: folder.name,
    work: (options) => revertTry({ ...options, name: folder.name }),
  }, context);
}
