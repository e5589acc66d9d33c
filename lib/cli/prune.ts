import { deleteMachine } from "../apply/delete.ts";
import { EXIT, UserError } from "../host/errors.ts";
import { removalApproval } from "./approval.ts";
import type { ApplyCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { carryOut } from "./operation.ts";
import { type MachineEnd, writeHeader } from "./several.ts";

/**
 * Deletes a machine that left its file; its data disk is kept. A dry run only says so.
 * @throws UserError with exit code 4 where it takes a yes and nobody can be asked
 */
export async function pruneMachine(
  name: string,
  command: ApplyCommand,
  context: Context,
): Promise<MachineEnd> {
  if (command.dryRun) {
    context.err.write(
      `Machine "${name}" is no longer in this file and would be deleted; its data disk is kept\n`,
    );
    return { exitCode: EXIT.differences, worked: false };
  }
  if (!command.yes && !(context.canAsk && command.output === "text")) {
    throw new UserError(
      `Nobody can be asked whether machine "${name}", which left this file, is to be deleted`,
      {
        exitCode: EXIT.needsPerson,
        hint: "Give --yes together with --prune; its data disk is kept",
      },
    );
  }
  writeHeader(`${name}, which is no longer in this file`, { command, context });
  const { outcome, interrupted } = await carryOut(command, {
    machine: name,
    isOneOfSeveral: true,
    approvalFor: removalApproval,
    work: (options, approval) => deleteMachine({ ...options, name, data: false, approval }),
  }, context);
  return { exitCode: outcome.exitCode, worked: outcome.done.length > 0, interrupted };
}
