import { stopMachine } from "../apply/power.ts";
import type { PowerCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";
import { nameTarget } from "./target.ts";

/** `machine stop`. */
export async function runStop(command: PowerCommand, context: Context): Promise<number> {
  const name = await nameTarget(command, context);
  return await runOperation(
    command,
    { machine: name, work: (options) => stopMachine({ ...options, name }) },
    context,
  );
}
