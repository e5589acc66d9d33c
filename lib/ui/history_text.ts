import { countedNames } from "./counted.ts";
import { clip, printable, type Style } from "./style.ts";

/** A form that a machine had. */
export interface HistoryRow {
  readonly number: number;
  /** ISO 8601. */
  readonly appliedAt: string;
  readonly origin: string;
  readonly changed: readonly string[];
  readonly isPresent: boolean;
}

/** How {@link historyText} shows the rows. */
export interface HistoryTextOptions {
  readonly style: Style;
  /** Where lines are cut; `undefined`: they are as long as they are. */
  readonly columns: number | undefined;
}

/** The forms as a table, a line each; the present one has a star. Ends with a line break. */
export function historyText(rows: readonly HistoryRow[], { style, columns }: HistoryTextOptions): string {
  if (rows.length === 0) return "No form was noted yet: an apply that comes to its end notes one.\n";
  const cells = rows.map((row) => [
    `${row.isPresent ? "*" : " "} ${row.number}`,
    row.appliedAt.slice(0, 19).replace("T", " "),
    printable(row.origin),
    row.changed.length === 0
      ? "nothing"
      : printable(countedNames(row.changed).join(", ")).replaceAll("\n", " "),
  ]);
  const head = ["  N", "WHEN (UTC)", "FROM", "CHANGED"];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]!.length))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!)).join("  ");
  const cut = (text: string) => columns === undefined ? text : clip(text, columns);
  return [style.dim(cut(line(head))), ...cells.map((row) => cut(line(row)))].join("\n") + "\n";
}
