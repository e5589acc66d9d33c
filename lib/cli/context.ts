import { type Style, styleFor, type TextStream } from "../ui/style.ts";
import { canAsk, outputStream, readLine, readStdin } from "../host/terminal.ts";
import { variable, workingDir } from "../host/environment.ts";
import { onSignal } from "../host/signals.ts";
import type { GlobalOptions } from "./command.ts";

/** What a command is run with; tests give their own. */
export interface Context {
  /** For data. */
  readonly out: TextStream;
  /** For progress and questions. */
  readonly err: TextStream;
  readonly cwd: string;
  readonly version: string;
  /** The command as typed, told to others that wait for the same machine. */
  readonly commandLine: string;
  readonly noColorVariable: string | undefined;
  /** True when a person sits at a terminal. */
  readonly canAsk: boolean;
  /** The next line that a person types; `undefined` when the signal aborts or input ends. */
  readonly readLine: (signal: AbortSignal) => Promise<string | undefined>;
  /** What is on standard input; of endless input, enough to be refused for its size. */
  readonly readStdin: () => Promise<Uint8Array>;
  /** Takes Ctrl-C over until the returned function is called. */
  readonly onInterrupt: (callback: () => void) => () => void;
}

/** More than any machine file may have. */
const STDIN_BYTES = 4 * 2 ** 20;

/** The context of this process. */
export function processContext(argv: readonly string[], version: string): Context {
  return {
    out: outputStream("stdout"),
    err: outputStream("stderr"),
    cwd: workingDir(),
    version,
    commandLine: ["machine", ...argv].join(" "),
    noColorVariable: variable("NO_COLOR"),
    canAsk: canAsk(),
    readLine,
    readStdin: () => readStdin(STDIN_BYTES),
    onInterrupt: (callback) => onSignal("SIGINT", callback),
  };
}

/** How text on one of the streams is marked. */
export function styleOf(
  stream: TextStream,
  options: Pick<GlobalOptions, "noColor">,
  context: Context,
): Style {
  return styleFor(stream, { noColor: options.noColor, noColorVariable: context.noColorVariable });
}
