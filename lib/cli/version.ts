import { runtimeFacts } from "../host/environment.ts";
import { EXIT } from "../host/errors.ts";
import { dataText } from "../ui/data_text.ts";
import type { VersionCommand } from "./command.ts";
import type { Context } from "./context.ts";

/** `machine version`. */
export function runVersion(command: VersionCommand, context: Context): number {
  const { version } = context;
  context.out.write(
    command.output === "text"
      ? `machine ${version}\n`
      : dataText({ version, ...runtimeFacts() }, command.output),
  );
  return EXIT.done;
}
