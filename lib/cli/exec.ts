import type { GuestCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runWords } from "./guest.ts";

/** `machine exec`: the words given; parsing refuses a line without any. */
export async function runExec(command: GuestCommand, context: Context): Promise<number> {
  return await runWords(command, context);
}
