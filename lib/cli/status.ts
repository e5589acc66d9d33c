import { machineStatus } from "../apply/status.ts";
import { EXIT } from "../host/errors.ts";
import { dataText } from "../ui/data_text.ts";
import { statusText } from "../ui/status_text.ts";
import type { StatusCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { nameTarget } from "./target.ts";

/** `machine status`. */
export async function runStatus(command: StatusCommand, context: Context): Promise<number> {
  const status = await machineStatus(await nameTarget(command, context), (event) => {
    if (event.kind === "note" && !command.quiet) context.err.write(`${event.text}\n`);
  });
  context.out.write(
    command.output === "text"
      ? statusText(status, styleOf(context.out, command, context))
      : dataText({ formatVersion: "1", ...status }, command.output),
  );
  return EXIT.done;
}
