import { runInGuest } from "../apply/shell.ts";
import type { Emit } from "../apply/events.ts";
import { showProgress } from "../ui/progress.ts";
import type { GuestCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { nameTarget } from "./target.ts";

/** What a program of the guest is started with. */
export interface GuestProgram {
  readonly name: string;
  readonly words: readonly string[];
  /** The folder of the host that the command was called in. */
  readonly cwd: string;
  readonly emit: Emit;
}

/** What `shell` and `exec` share: the words run in the guest, or a login shell where there are none. */
export async function runWords(command: GuestCommand, context: Context): Promise<number> {
  return await runProgram(
    command,
    context,
    ({ words, ...at }) => runInGuest({ ...at, ...(words.length === 0 ? {} : { command: words }) }),
  );
}

/** Runs a program in the guest with the words given, and shows what is done to get there. Gives its exit code. */
export async function runProgram(
  command: GuestCommand,
  context: Context,
  run: (program: GuestProgram) => Promise<number>,
): Promise<number> {
  const progress = showProgress({
    stream: context.err,
    style: styleOf(context.err, command, context),
    quiet: command.quiet,
  });
  try {
    const name = await nameTarget(command, context);
    return await run({ name, words: command.words, cwd: context.cwd, emit: progress.handle });
  } finally {
    progress.close();
  }
}
