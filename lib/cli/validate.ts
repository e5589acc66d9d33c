import { EXIT } from "../host/errors.ts";
import type { ValidateCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { fileName, loadTarget, readMachineFile, targetFile } from "./target.ts";

/** `machine validate`: as text an invalid file is a failure like in any other command, every problem named. */
export async function runValidate(command: ValidateCommand, context: Context): Promise<number> {
  if (command.output === "json") return await validateAsJson(command, context);
  const loaded = await loadTarget(command, context);
  context.out.write(`${fileName(loaded.origin, context)} is valid: machine ${loaded.machine.name}\n`);
  return EXIT.done;
}

/** As JSON the problems are the data that was asked for. */
async function validateAsJson(command: ValidateCommand, context: Context): Promise<number> {
  const file = await targetFile(command);
  const result = await readMachineFile(file, context);
  const answer = result.ok
    ? { formatVersion: "1", valid: true, file, machine: result.loaded.machine.name, problems: [] }
    : { formatVersion: "1", valid: false, file, machine: null, problems: result.problems };
  context.out.write(`${JSON.stringify(answer, null, 2)}\n`);
  return result.ok ? EXIT.done : EXIT.invalid;
}
