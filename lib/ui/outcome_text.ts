import type { Outcome } from "../apply/types.ts";
import { isActionable } from "../plan/effects.ts";
import type { Address } from "../plan/types.ts";
import { countedNames } from "./counted.ts";
import { changeLine, type PlanTextOptions, shownAddress } from "./plan_text.ts";
import { printable } from "./style.ts";

/** What was done, what failed and why, what is open, and what to type next. Ends with a line break. */
export function outcomeText(outcome: Outcome, options: PlanTextOptions): string {
  const { style } = options;
  const named = (addresses: readonly Address[]) => countedNames(addresses, options.prefix).join(", ");
  const lines: string[] = [];
  // What was tried at once has failed for one reason, which is said once.
  for (const [error, failed] of Map.groupBy(outcome.failed, ({ error }) => error)) {
    const [first = "", ...rest] = printable(error).split("\n");
    const addresses = named(failed.map(({ address }) => address));
    lines.push(`${style.red("✗")} ${addresses}: ${first}`, ...rest.map((line) => `    ${line}`));
  }
  if (outcome.skipped.length > 0) {
    lines.push(`Left out, because of what failed: ${named(outcome.skipped)}`);
  }
  // Where nothing was begun, the plan right above has said what there is to do.
  const begun = outcome.done.length + outcome.failed.length > 0;
  const open = outcome.open.filter((change) => begun || !isActionable(change));
  if (open.length > 0) {
    const address = Math.max(...open.map((change) => shownAddress(change, options).length));
    const action = Math.max(...open.map((change) => change.action.length));
    lines.push("Open:", ...open.map((change) => `  ${changeLine(change, { address, action }, options)}`));
  }
  const done = outcome.done.length === 0 ? "" : `Done: ${named(outcome.done)}.`;
  lines.push(closingLine(outcome, done, options));
  if (outcome.next?.length) lines.push("Next:", ...outcome.next.map((command) => `  ${command}`));
  return lines.join("\n") + "\n";
}

function closingLine(outcome: Outcome, done: string, { style }: PlanTextOptions): string {
  const reason = outcome.reason === undefined ? "" : printable(outcome.reason);
  const sentence = reason === "" || /[.?!]$/.test(reason) ? reason : `${reason}.`;
  if (outcome.exitCode === 0) return style.green(done || sentence || "Done: nothing to do.");
  return [done || "Nothing was done.", sentence].filter((part) => part !== "").join(" ");
}
