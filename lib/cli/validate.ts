import { EXIT } from "../host/errors.ts";
import { dataText } from "../ui/data_text.ts";
import type { ValidateCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { fileName, loadTargets, pickMachines, readMachines, targetFile } from "./target.ts";

/** `machine validate`: as text an invalid file is a failure like in any other command, every problem named. */
export async function runValidate(command: ValidateCommand, context: Context): Promise<number> {
  if (command.output !== "text") return await validateAsData({ ...command, output: command.output }, context);
  const { origin, machines } = await loadTargets(command, context);
  const names = machines.map(({ machine }) => machine.name);
  const what = names.length === 1 ? "machine" : "machines";
  context.out.write(`${fileName(origin, context)} is valid: ${what} ${names.join(", ")}\n`);
  return EXIT.done;
}

/** As data the problems are what was asked for. */
async function validateAsData(
  command: ValidateCommand & { readonly output: "json" | "yaml" },
  context: Context,
): Promise<number> {
  const file = await targetFile(command);
  const result = await readMachines(file, context);
  const names = result.ok
    ? pickMachines(result.machines, { file, machine: command.machine }, context)
      .machines.map(({ machine }) => machine.name)
    : [];
  const answer = {
    formatVersion: "1",
    valid: result.ok,
    file,
    machine: names.length === 1 ? names[0] : null,
    machines: names,
    problems: result.ok ? [] : result.problems,
  };
  context.out.write(dataText(answer, command.output));
  return result.ok ? EXIT.done : EXIT.invalid;
}
