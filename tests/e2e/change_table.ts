import type { ListedField } from "../../lib/config/schema/walk.ts";
import type { PlanJson } from "../../lib/ui/plan_schema.ts";
import type { ChangeRow } from "./change_row.ts";

/** A row as it went. */
export interface ResultRow {
  readonly row: ChangeRow;
  /** What the plan said. */
  readonly said: string;
  readonly interrupted: string;
}

/** Addresses of authorities made for a test are others each time. */
const AUTHORITY = /^ca:[0-9a-f]{16}$/;

/** The plan's lines in short, without values: those differ from computer to computer. */
export function sayPlan({ changes, summary }: PlanJson): string {
  const lines = changes.map(({ address, action, effect }) =>
    `${action} ${code(address.replace(AUTHORITY, "ca:…"))} (${effect})`
  );
  return `**${summary.worstEffect}**: ${lines.join(", ")}`;
}

/** Writes the page of the matrix, as `deno fmt` leaves it. */
export function renderChanges(results: readonly ResultRow[], fields: readonly ListedField[]): string {
  const order = new Map(fields.map(({ path }, index) => [path, index]));
  const sorted = results.toSorted((a, b) => (order.get(a.row.key) ?? 0) - (order.get(b.row.key) ?? 0));
  const rows = sorted.map(({ row, said, interrupted }) => {
    const change = row.kind === "named" ? "" : row.change;
    return [code(row.key), change, said, interrupted].map(cell);
  });
  return `${INTRODUCTION}\n\n${table([["key", "change", "the plan", "interrupted"], ...rows])}\n`;
}

const INTRODUCTION = `# What changes interrupt

<!-- Made by \`deno task changes\` on a real guest; a test compares it. Do not edit it by hand. -->

Every key of the machine file that is supported, what the plan says of a change of it, and what the change
then interrupted in a real guest with a running container and a process of its user. A plan that says too
little fails the test, and so does one that says too much. [fields.md](fields.md) says what the keys mean.`;

function table([head, ...rows]: readonly (readonly string[])[]): string {
  const widths = head!.map((_, column) => Math.max(...[head!, ...rows].map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => text.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
