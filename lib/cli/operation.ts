import type { Emit } from "../apply/events.ts";
import type { Approval, OperationOptions, Outcome } from "../apply/types.ts";
import { EXIT, isAbort, UserError } from "../host/errors.ts";
import { isConverged } from "../plan/effects.ts";
import type { Effect } from "../plan/types.ts";
import { jsonEvents, outcomeJson } from "../ui/events_json.ts";
import { outcomeText } from "../ui/outcome_text.ts";
import { planText, type PlanTextOptions } from "../ui/plan_text.ts";
import { type Progress, showProgress } from "../ui/progress.ts";
import { approvalFor } from "./approval.ts";
import type { GlobalOptions } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { type Interrupts, watchInterrupts } from "./interrupts.ts";

/** The part of a command line that every operation on a machine has. */
export interface OperationCommand extends GlobalOptions {
  readonly lockTimeoutMs: number;
  readonly yes?: boolean;
  readonly allow?: readonly Effect[];
}

/** An operation as {@link runOperation} shows it. */
export interface Operation {
  /** The machine, named in every line of JSON. */
  readonly machine?: string;
  /** Whether the command is about several machines: then every address is shown with the machine's name. */
  readonly isOneOfSeveral?: boolean;
  /** What may be done without a question. */
  readonly approvalFor?: typeof approvalFor;
  readonly positionOf?: (path: string) => string | undefined;
  readonly work: (options: OperationOptions, approval: Approval) => Promise<Outcome>;
}

/** How an operation ended, and whether Ctrl-C had a part in it. */
export interface Ended {
  readonly outcome: Outcome;
  readonly interrupted: boolean;
}

/**
 * Runs an operation with its display: the plan and the outcome on standard output, progress on standard error.
 * @returns the exit code
 */
export async function runOperation(
  command: OperationCommand,
  operation: Operation,
  context: Context,
): Promise<number> {
  return (await carryOut(command, operation, context)).outcome.exitCode;
}

/** Runs an operation as {@link runOperation} does, and gives all of its outcome. */
export async function carryOut(
  command: OperationCommand,
  operation: Operation,
  context: Context,
): Promise<Ended> {
  const prefix = operation.isOneOfSeveral ? `${operation.machine}/` : "";
  const progress = showProgress({
    stream: context.err,
    style: styleOf(context.err, command, context),
    quiet: command.quiet,
    prefix,
  });
  const say = (line: string) => {
    progress.pause();
    context.err.write(`${line}\n`);
  };
  using interrupts = watchInterrupts({ onInterrupt: context.onInterrupt, current: progress.current, say });
  const text: PlanTextOptions = {
    style: styleOf(context.out, command, context),
    verbose: command.verbose,
    positionOf: operation.positionOf ?? (() => undefined),
    prefix,
  };
  const options: OperationOptions = {
    emit: emitter(command, { context, progress, text, machine: operation.machine }),
    stopSignal: interrupts.stopSignal,
    abortSignal: interrupts.abortSignal,
    lockTimeoutMs: command.lockTimeoutMs,
    command: context.commandLine,
  };
  const askLine = context.canAsk && command.output === "text"
    ? (question: string) => askAt(question, { context, progress, interrupts })
    : undefined;
  const approval = (operation.approvalFor ?? approvalFor)({
    yes: command.yes ?? false,
    allow: command.allow ?? [],
  }, askLine);
  try {
    const outcome = await operation.work(options, approval);
    progress.close();
    context.out.write(
      command.output === "json" ? outcomeJson(outcome, operation.machine) : outcomeText(outcome, text),
    );
    return { outcome, interrupted: interrupts.stopSignal.aborted };
  } catch (error) {
    if (!isAbort(error) || !interrupts.stopSignal.aborted) throw error;
    throw new UserError("Interrupted", {
      exitCode: EXIT.interrupted,
      hint: "The same command looks again and goes on from there",
      cause: error,
    });
  } finally {
    progress.close();
  }
}

interface Display {
  readonly context: Context;
  readonly progress: Progress;
  readonly text: PlanTextOptions;
  readonly machine: string | undefined;
}

/** Sends plans to standard output and the rest to the progress display; as JSON, everything to both. */
function emitter(command: OperationCommand, { context, progress, text, machine }: Display): Emit {
  const json = command.output === "json"
    ? jsonEvents(context.out, { verbose: command.verbose, machine })
    : undefined;
  let shown = "";
  return (event) => {
    json?.(event);
    progress.handle(event);
    if (json !== undefined || event.kind !== "plan") return;
    const plan = planText(event.plan, text);
    // The look under the lock mostly finds the same, and the last one nothing, which the closing line says.
    if (plan === shown || shown !== "" && isConverged(event.plan)) return;
    shown = plan;
    context.out.write(plan);
  };
}

async function askAt(
  question: string,
  at: { readonly context: Context; readonly progress: Progress; readonly interrupts: Interrupts },
): Promise<string | undefined> {
  at.progress.pause();
  at.context.err.write(question);
  const line = await at.context.readLine(at.interrupts.stopSignal);
  at.interrupts.stopSignal.throwIfAborted(); // Ctrl-C is no answer
  return line;
}
