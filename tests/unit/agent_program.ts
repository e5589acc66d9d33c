/** Runs an agent as the command does: `agent_program.ts agent run FOLDER`. */
import { join } from "node:path";
import { runAgent } from "../../lib/agent/server.ts";

try {
  Deno.exit(await runAgent(join(Deno.args[2] ?? "", "agent.json")));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
