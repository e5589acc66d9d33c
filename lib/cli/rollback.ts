import { applyMachine } from "../apply/apply.ts";
import { formAt, formBefore } from "../apply/history.ts";
import { knownMachine } from "../apply/operation.ts";
import type { Machine } from "../config/types.ts";
import { EXIT } from "../host/errors.ts";
import { equal } from "../plan/equal.ts";
import type { RollbackCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { carryOut } from "./operation.ts";
import { fileName, nameTarget, readMachines } from "./target.ts";

/** `machine rollback`: an apply of a form that the machine had. */
export async function runRollback(command: RollbackCommand, context: Context): Promise<number> {
  const name = await nameTarget(command, context);
  const { folder, record } = await knownMachine(name);
  const form = command.number === undefined
    ? await formBefore(folder, record.machine)
    : await formAt(folder, command.number);
  if (!command.quiet) {
    context.err.write(
      `Going back to form ${form.number}, applied on ${form.appliedAt.slice(0, 19).replace("T", " ")} UTC\n`,
    );
  }
  const { outcome } = await carryOut(command, {
    machine: name,
    work: (options, approval) =>
      applyMachine({
        ...options,
        loaded: { machine: form.machine, origin: record.origin, positionOf: () => undefined },
        approval,
        takeOver: false,
        dryRun: command.dryRun,
      }),
  }, context);
  if (outcome.exitCode === EXIT.done && !command.dryRun) {
    const remark = await remarkOnFile(record.origin, form.machine, context);
    if (remark !== undefined) context.err.write(`${remark}\n`);
  }
  return outcome.exitCode;
}

/** What to know of the machine's file after going back to a form; `undefined` when it says the same. */
export async function remarkOnFile(
  origin: string,
  form: Machine,
  context: Context,
): Promise<string | undefined> {
  if (origin === "-") {
    return "The next apply makes it again what its file says; this one came from standard input";
  }
  const file = fileName(origin, context);
  const result = await readMachines(origin, context);
  const declared = result.ok ? result.machines.find(({ machine }) => machine.name === form.name) : undefined;
  if (!declared) return `${file} does not declare this machine now; the next apply follows what it says then`;
  if (equal(JSON.parse(JSON.stringify(declared.machine)), form)) return undefined;
  return `${file} still says otherwise: change it too, or the next apply follows it again`;
}
