import { EXIT, isAbort, messageOf, UserError } from "../host/errors.ts";
import type { OutputFormat } from "./command.ts";
import { printable, type Style, type TextStream } from "../ui/style.ts";

/** Where and how a failure is shown. */
export interface FailureOptions {
  readonly err: TextStream;
  readonly style: Style;
  readonly output: OutputFormat;
  /** The machine that it is about, where a command is about several. */
  readonly machine?: string;
}

/** Shows what went wrong on standard error and gives the exit code. Only a bug of this program shows a stack. */
export function showFailure(error: unknown, options: FailureOptions): number {
  const failure = describe(error);
  options.err.write(
    options.output !== "text" // JSON is YAML too, and a failure is one line to a program
      ? `${
        JSON.stringify({
          ...(options.machine === undefined ? {} : { machine: options.machine }),
          error: failure.message,
          hint: failure.hint ?? null,
          output: failure.output ?? null,
          code: failure.code,
        })
      }\n`
      : failureText(failure, options),
  );
  return failure.code;
}

interface Failure {
  readonly message: string;
  readonly hint: string | undefined;
  readonly output: string | undefined;
  readonly code: number;
}

function describe(error: unknown): Failure {
  if (error instanceof UserError) {
    return { message: error.message, hint: error.hint, output: error.output, code: error.exitCode };
  }
  if (isAbort(error) && messageOf(error) === "Interrupted") {
    return { message: "Interrupted", hint: undefined, output: undefined, code: EXIT.interrupted };
  }
  return {
    message: `This is a bug in machine: ${messageOf(error)}`,
    hint: "Please report it with the lines above; the same command may be run again safely",
    output: error instanceof Error ? error.stack : undefined,
    code: EXIT.failed,
  };
}

function failureText(failure: Failure, { style, machine }: FailureOptions): string {
  const message = machine === undefined ? failure.message : `${machine}: ${failure.message}`;
  const output = failure.output === undefined ? [] : [printable(failure.output).trimEnd()];
  const hint = failure.hint === undefined ? [] : [`${style.dim("Hint:")} ${failure.hint}`];
  return [...output, `${style.red("Error:")} ${message}`, ...hint].join("\n") + "\n";
}
