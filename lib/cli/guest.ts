import { runInGuest } from "../apply/shell.ts";
import { showProgress } from "../ui/progress.ts";
import type { GuestCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { nameTarget } from "./target.ts";

/** What `shell` and `exec` share: the words run in the guest, or a login shell where there are none. */
export async function runWords(command: GuestCommand, context: Context): Promise<number> {
  const progress = showProgress({
    stream: context.err,
    style: styleOf(context.err, command, context),
    quiet: command.quiet,
  });
  try {
    return await runInGuest({
      name: await nameTarget(command, context),
      ...(command.words.length === 0 ? {} : { command: command.words }),
      cwd: context.cwd,
      emit: progress.handle,
    });
  } finally {
    progress.close();
  }
}
