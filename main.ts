import settings from "./deno.json" with { type: "json" };
import type { Parsed } from "./lib/cli/command.ts";
import { type Context, processContext, styleOf } from "./lib/cli/context.ts";
import { showFailure } from "./lib/cli/failure.ts";
import { understand } from "./lib/cli/front.ts";
import { runCommand } from "./lib/cli/run.ts";
import { countsSoFar } from "./lib/host/counts.ts";
import { exitProcess, programArguments, variable } from "./lib/host/environment.ts";
import { EXIT, UserError } from "./lib/host/errors.ts";

/** Understands the command line, runs it, shows a failure. Gives the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const context = processContext(argv, settings.version);
  const parsed = await understand(argv, settings.version);
  try {
    return await carryOut(parsed, context);
  } catch (error) {
    const command = parsed.kind === "command" ? parsed.command : undefined;
    return showFailure(error, {
      err: context.err,
      style: styleOf(context.err, { noColor: command?.noColor ?? false }, context),
      output: parsed.kind === "usage" ? parsed.output : command?.output ?? "text",
    });
  }
}

async function carryOut(parsed: Parsed, context: Context): Promise<number> {
  if (parsed.kind === "usage") {
    throw new UserError(parsed.message, { hint: parsed.hint, exitCode: EXIT.invalid });
  }
  if (parsed.kind === "command") return await runCommand(parsed.command, context);
  context.out.write(parsed.text);
  return EXIT.done;
}

if (import.meta.main) {
  const code = await main(programArguments());
  if (variable("MACHINE_TRACE") === "counts") {
    processContext([], settings.version).err.write(`counts: ${JSON.stringify(countsSoFar())}\n`);
  }
  // A pending read or a forgotten timer must not keep a finished command alive.
  exitProcess(code);
}
