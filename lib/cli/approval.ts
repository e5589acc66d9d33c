import type { Approval } from "../apply/types.ts";
import { worstEffect } from "../plan/effects.ts";
import type { Effect, Plan } from "../plan/types.ts";

/** What the command line agreed to. */
export interface ApprovalOptions {
  readonly yes: boolean;
  readonly allow: readonly Effect[];
}

/** Shows a question and gives what was typed; `undefined` when nobody answered. */
export type AskLine = (question: string) => Promise<string | undefined>;

/**
 * What may be done without a question. With nobody to ask, harmless changes need no word, restarts need `--yes`, and
 * what is worse needs its own name even then. With somebody to ask, everything that was not named is asked for.
 */
export function approvalFor(options: ApprovalOptions, askLine: AskLine | undefined): Approval {
  const allowed = new Set<Effect>(options.allow);
  if (options.yes) { for (const effect of ["live", "service", "restart"] as const) allowed.add(effect); }
  if (askLine === undefined) return { allowed: allowed.add("live") };
  return { allowed, ask: async (plan) => isYes(await askLine(approvalQuestion(plan))) };
}

/**
 * What may be done to a machine that left its file. Nobody asked for its deletion by name, so not even what is
 * harmless goes without a word: the answer to the question, or `--yes`.
 */
export function removalApproval(options: ApprovalOptions, askLine: AskLine | undefined): Approval {
  if (options.yes) return approvalFor(options, askLine);
  const allowed = new Set<Effect>();
  if (askLine === undefined) return { allowed };
  const question = (name: string) => `Delete machine "${name}"? Its data disk is kept. [y/N] `;
  return { allowed, ask: async (plan) => isYes(await askLine(question(plan.machine))) };
}

/** The question for a plan that was just shown; names loudly what cannot be taken back. */
export function approvalQuestion(plan: Plan): string {
  const worst = worstEffect(plan);
  const question = "Apply these changes? [y/N] ";
  if (worst === "live" || worst === "service") return question;
  const guilty = plan.changes.filter((change) => change.effect === worst && change.action !== "none");
  return `${WARNINGS[worst]}: ${guilty.map((change) => change.address).join(", ")}\n${question}`;
}

const WARNINGS: Readonly<Record<"restart" | "recreate" | "data-loss", string>> = {
  restart: "The machine RESTARTS",
  recreate: "The system disk is MADE ANEW, data disks stay",
  "data-loss": "DATA IS LOST",
};

/** True for "y" and "yes"; anything else, and no answer at all, is no. */
export function isYes(answer: string | undefined): boolean {
  return /^\s*y(es)?\s*$/i.test(answer ?? "");
}
