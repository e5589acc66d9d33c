import { isYes } from "./approval.ts";
import type { ApplyCommand } from "./command.ts";
import { runConfirm } from "./confirm.ts";
import type { Context } from "./context.ts";

/** A machine that has a new form until a time is over. */
export interface TriedMachine {
  readonly name: string;
  /** ISO 8601. */
  readonly until: string;
  /** Whether the form was reached as a whole; who would want to keep half of one can say so later. */
  readonly isWhole: boolean;
  readonly command: ApplyCommand;
}

/**
 * Says until when a form is tried and how to keep it; asks on a terminal, at most until then. No answer lets the time
 * run out, which is what was asked for.
 */
export async function askToKeep(tried: TriedMachine, context: Context): Promise<void> {
  const { name, until, isWhole, command } = tried;
  const say = (text: string) => context.err.write(text);
  say(`Tried until ${timeOf(until)}, then the machine goes back; to keep it: machine confirm -m ${name}\n`);
  if (!isWhole || !context.canAsk || command.output !== "text") return;
  say("Keep it? [y/N] ");
  const answer = await answerUntil(new Date(until), context);
  if (answer === undefined) {
    say(`\nNobody answered: the machine goes back at ${timeOf(until)}\n`);
  } else if (isYes(answer)) {
    await runConfirm({ ...command, kind: "confirm", name, file: undefined }, context);
  } else {
    say(`The machine goes back at ${timeOf(until)}\n`);
  }
}

/** What was typed before the time was over; `undefined` for nothing, and after Ctrl-C. */
async function answerUntil(end: Date, context: Context): Promise<string | undefined> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), Math.max(0, end.getTime() - Date.now()));
  const release = context.onInterrupt(() => over.abort());
  try {
    return await context.readLine(over.signal);
  } finally {
    clearTimeout(timer);
    release();
  }
}

/** The time of day of the person at the terminal. */
function timeOf(iso: string): string {
  const time = new Date(iso);
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
}
