import type { GuestCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runWords } from "./guest.ts";

/** `machine shell`: interactive, or the words given. */
export async function runShell(command: GuestCommand, context: Context): Promise<number> {
  return await runWords(command, context);
}
