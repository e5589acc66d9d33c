import { startMachine } from "../apply/power.ts";
import type { PowerCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";
import { nameTarget } from "./target.ts";

/** `machine start`. */
export async function runStart(command: PowerCommand, context: Context): Promise<number> {
  const name = await nameTarget(command, context);
  return await runOperation(
    command,
    { machine: name, work: (options) => startMachine({ ...options, name }) },
    context,
  );
}
