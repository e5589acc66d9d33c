import { restartMachine } from "../apply/power.ts";
import type { PowerCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";
import { nameTarget } from "./target.ts";

/** `machine restart`. */
export async function runRestart(command: PowerCommand, context: Context): Promise<number> {
  const name = await nameTarget(command, context);
  return await runOperation(command, {
    machine: name,
    work: (options) => restartMachine({ ...options, name }),
  }, context);
}
