import { runNerdctlInGuest } from "../apply/nerdctl.ts";
import type { GuestCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runProgram } from "./guest.ts";

/** `machine nerdctl`: the words are nerdctl's. */
export async function runNerdctl(command: GuestCommand, context: Context): Promise<number> {
  return await runProgram(command, context, runNerdctlInGuest);
}
