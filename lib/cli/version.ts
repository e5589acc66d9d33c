import { runtimeFacts } from "../host/environment.ts";
import { EXIT } from "../host/errors.ts";
import type { VersionCommand } from "./command.ts";
import type { Context } from "./context.ts";

/** `machine version`. */
export function runVersion(command: VersionCommand, context: Context): number {
  const { version } = context;
  context.out.write(
    command.output === "json"
      ? `${JSON.stringify({ version, ...runtimeFacts() })}\n`
      : `machine ${version}\n`,
  );
  return EXIT.done;
}
