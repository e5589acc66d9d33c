import type { Action, Address, Change, Plan, PlannedChange } from "../plan/types.ts";
import { isConverged, worstEffect } from "../plan/effects.ts";
import { clip, printable, type Style } from "./style.ts";
import { countActions } from "./plan_json.ts";
import { formatValue } from "./value.ts";

/** How {@link planText} shows a plan. */
export interface PlanTextOptions {
  readonly style: Style;
  /** Also what is equal, and values in full length. */
  readonly verbose: boolean;
  /** Where a key of the file stands, ready to print, e.g. `machine.yaml:31:5`. */
  readonly positionOf: (path: string) => string | undefined;
  /** Stands before every address: `NAME/` where a command is about several machines. */
  readonly prefix?: string;
}

const SYMBOLS: Readonly<Record<Action, string>> = {
  none: "=",
  create: "+",
  update: "~",
  recreate: "±",
  delete: "-",
  deferred: "?",
  blocked: "!",
};

/** Longest value that is shown whole without -v. */
const VALUE_COLUMNS = 60;

/** The plan as text: a line per thing, its paths below it, and a summary. Ends with a line break. */
export function planText(plan: Plan, options: PlanTextOptions): string {
  const shown = plan.changes.filter((change) => options.verbose || change.action !== "none");
  const widths = {
    address: Math.max(0, ...shown.map((change) => shownAddress(change, options).length)),
    action: Math.max(0, ...shown.map((change) => change.action.length)),
  };
  const lines = shown.flatMap((change) => [
    changeLine(change, widths, options),
    ...change.paths.map((path) => pathLine(path, change, options)),
    ...(change.interrupts?.length ? [`    interrupts ${change.interrupts.map(printable).join(", ")}`] : []),
  ]);
  return [...lines, summaryLine(plan, options.style)].join("\n") + "\n";
}

/** An address as it is printed and can be typed again. */
export function shownAddress(
  { address }: { readonly address: Address },
  { prefix = "" }: Pick<PlanTextOptions, "prefix">,
): string {
  return `${prefix}${address}`;
}

/** What a plan comes to, in one line. */
export function summaryLine(plan: Plan, style: Style): string {
  const limited = plan.targets === undefined
    ? ""
    : ` Limited to ${plan.targets.join(", ")} and what that needs.`;
  if (isConverged(plan)) return style.green(`No differences.${limited}`);
  const count = countActions(plan);
  const parts = [`${count.create} to add`, `${count.update} to change`];
  if (count.recreate > 0) parts.push(`${count.recreate} to recreate`);
  parts.push(`${count.delete} to remove`, `${count.blocked} blocked`);
  if (count.deferred > 0) parts.push(`${count.deferred} known later`);
  const works = count.create + count.update + count.recreate + count.delete > 0;
  const worst = works ? ` Worst effect: ${worstEffect(plan)}.` : "";
  const open = plan.complete ? "" : " Not complete: more may follow once these are done.";
  return style.bold(`Plan: ${parts.join(", ")}.${worst}${open}${limited}`);
}

/** One line of a plan without its paths, for lists of what is open. */
export function changeLine(
  change: PlannedChange,
  widths: { readonly address: number; readonly action: number },
  options: PlanTextOptions,
): string {
  const { style } = options;
  const position = change.path === undefined ? undefined : options.positionOf(change.path);
  const acts = change.action !== "none" && change.action !== "blocked" && change.action !== "deferred";
  const parts = [
    `${paint(change.action, style)(SYMBOLS[change.action])} ${
      shownAddress(change, options).padEnd(widths.address)
    }`,
    change.action.padEnd(widths.action),
    acts ? change.effect.padEnd(8) : "",
    reasonOf(change),
    change.action === "blocked" && position !== undefined ? style.dim(position) : "",
  ];
  return parts.filter((part) => part !== "").join("  ").trimEnd();
}

function reasonOf(change: PlannedChange): string {
  if (change.reason !== undefined) return printable(change.reason).replaceAll("\n", " ");
  return change.action === "deferred" ? "known once what it needs is there" : "";
}

/** `path  before → after`, with a remark where the path is what makes the change costly, or was made elsewhere. */
function pathLine(path: Change, change: PlannedChange, options: PlanTextOptions): string {
  const show = (value: unknown) => {
    const text = printable(formatValue(path.path, value));
    return options.verbose ? text : clip(text, VALUE_COLUMNS);
  };
  const forces = path.effect === change.effect ? FORCES[path.effect] : undefined;
  const remarks = [forces, path.note].filter((remark) => remark !== undefined).join(", ");
  const comment = remarks === "" ? "" : options.style.yellow(`  # ${printable(remarks)}`);
  return `    ${path.path}   ${show(path.before)} → ${show(path.after)}${comment}`;
}

const FORCES: Readonly<Partial<Record<Change["effect"], string>>> = {
  restart: "forces restart",
  recreate: "forces recreate",
  "data-loss": "loses data",
};

function paint(action: Action, style: Style): (text: string) => string {
  if (action === "create") return style.green;
  if (action === "delete" || action === "blocked") return style.red;
  return action === "none" ? style.dim : style.yellow;
}
