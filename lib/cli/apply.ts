import { applyMachine } from "../apply/apply.ts";
import type { ApplyCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runOperation } from "./operation.ts";
import { fileName, loadTarget, positionPrinter } from "./target.ts";

/** `machine apply`. */
export async function runApply(command: ApplyCommand, context: Context): Promise<number> {
  const loaded = await loadTarget(command, context);
  if (!command.quiet) context.err.write(`Reading ${fileName(loaded.origin, context)}\n`);
  return await runOperation(command, {
    positionOf: positionPrinter(loaded, context),
    work: (options, approval) =>
      applyMachine({ ...options, loaded, approval, takeOver: command.takeOver, dryRun: command.dryRun }),
  }, context);
}
