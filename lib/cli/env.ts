import { engineVariables, oursAmong } from "../apply/environment.ts";
import { variable } from "../host/environment.ts";
import { EXIT } from "../host/errors.ts";
import { dataText } from "../ui/data_text.ts";
import { shellNamed, shellText, type VariableChange } from "../ui/shell_text.ts";
import type { EnvCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { nameTarget } from "./target.ts";

/** `machine env`: what a shell evaluates to reach a machine's engine without any context. */
export async function runEnv(command: EnvCommand, context: Context): Promise<number> {
  const change = command.unset ? withoutOurs() : await withMachine(command, context);
  if (command.output !== "text") {
    context.out.write(dataText({ formatVersion: "1", ...change }, command.output));
    return EXIT.done;
  }
  const shell = command.shell ?? shellNamed(variable("SHELL"));
  context.out.write(shellText(shell, change, context.commandLine));
  return EXIT.done;
}

/** Only what leads to a machine goes; a DOCKER_HOST of the user's own stays. */
function withoutOurs(): VariableChange {
  return { set: {}, unset: oursAmong(variable) };
}

async function withMachine(command: EnvCommand, context: Context): Promise<VariableChange> {
  const name = await nameTarget(command, context);
  const set = await engineVariables(name, (event) => {
    if (event.kind === "note" && !command.quiet) context.err.write(`${event.text}\n`);
  });
  // What led to another engine of ours would go before it.
  return { set, unset: oursAmong(variable).filter((known) => !(known in set)) };
}
