import { deleteMachine } from "../apply/delete.ts";
import type { DeleteCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";
import { nameTarget } from "./target.ts";

/** `machine delete`. */
export async function runDelete(command: DeleteCommand, context: Context): Promise<number> {
  const name = await nameTarget(command, context);
  return await runOperation(command, {
    machine: name,
    work: (options, approval) => deleteMachine({ ...options, name, data: command.data, approval }),
  }, context);
}
