import { runCtrInGuest } from "../apply/ctr.ts";
import type { GuestCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runProgram } from "./guest.ts";

/** `machine ctr`: the words are ctr's. */
export async function runCtr(command: GuestCommand, context: Context): Promise<number> {
  return await runProgram(command, context, runCtrInGuest);
}
