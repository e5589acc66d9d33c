import type { Outcome } from "../apply/types.ts";
import { isActionable } from "../plan/effects.ts";
import { changeLine, type PlanTextOptions } from "./plan_text.ts";
import { printable } from "./style.ts";

/** What was done, what failed and why, what is open, and what to type next. Ends with a line break. */
export function outcomeText(outcome: Outcome, options: PlanTextOptions): string {
  const { style } = options;
  const lines: string[] = [];
  for (const { address, error } of outcome.failed) {
    const [first = "", ...rest] = printable(error).split("\n");
    lines.push(`${style.red("✗")} ${address}: ${first}`, ...rest.map((line) => `    ${line}`));
  }
  if (outcome.skipped.length > 0) {
    lines.push(`Left out, because of what failed: ${outcome.skipped.join(", ")}`);
  }
  // Where nothing was begun, the plan right above has said what there is to do.
  const begun = outcome.done.length + outcome.failed.length > 0;
  const open = outcome.open.filter((change) => begun || !isActionable(change));
  if (open.length > 0) {
    const address = Math.max(...open.map((change) => change.address.length));
    const action = Math.max(...open.map((change) => change.action.length));
    lines.push("Open:", ...open.map((change) => `  ${changeLine(change, { address, action }, options)}`));
  }
  lines.push(closingLine(outcome, options));
  if (outcome.next?.length) lines.push("Next:", ...outcome.next.map((command) => `  ${command}`));
  return lines.join("\n") + "\n";
}

function closingLine(outcome: Outcome, { style }: PlanTextOptions): string {
  const done = outcome.done.length === 0 ? "" : `Done: ${outcome.done.join(", ")}.`;
  if (outcome.exitCode === 0) return style.green(done || "Done: nothing to do.");
  const reason = outcome.reason === undefined ? "" : printable(outcome.reason);
  const sentence = reason === "" || /[.?!]$/.test(reason) ? reason : `${reason}.`;
  return [done || "Nothing was done.", sentence].filter((part) => part !== "").join(" ");
}
