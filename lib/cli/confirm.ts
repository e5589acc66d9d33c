import type { ConfirmCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";
import { nameTarget } from "./target.ts";

/** `machine confirm`: the form that is only tried stays. */
export async function runConfirm(command: ConfirmCommand, context: Context): Promise<number> {
  const [{ confirmTry }, name] = await Promise.all([import("../apply/try.ts"), nameTarget(command, context)]);
  return await runOperation(command, {
    machine: name,
    work: (options) => confirmTry({ ...options, name }),
  }, context);
}
