import { printable, type Style } from "./style.ts";

/** A release, as a list shows it. */
export interface ReleaseRow {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly isCached: boolean;
  readonly isNeeded: boolean;
  /** Below a mirror. */
  readonly path: string;
}

/** A file that was compared with its checksum. */
export interface VerifiedRow {
  readonly path: string;
  readonly state: string;
  readonly from: string;
}

/** The releases as a table, a line each. Ends with a line break. */
export function releasesText(rows: readonly ReleaseRow[], style: Style): string {
  const cells = rows.map(({ name, version, arch, isCached, isNeeded, path }) => [
    name,
    version,
    arch,
    isCached ? "yes" : "no",
    isNeeded ? "yes" : "no",
    path,
  ]);
  return tableText(["NAME", "VERSION", "ARCH", "CACHED", "NEEDED", "PATH IN A MIRROR"], cells, style);
}

/** The files and how they stand, a line each. */
export function verifiedText(rows: readonly VerifiedRow[], style: Style): string {
  if (rows.length === 0) return "Nothing was fetched yet.\n";
  return tableText(
    ["STATE", "FROM", "PATH"],
    rows.map(({ state, from, path }) => [state, from, path]),
    style,
  );
}

function tableText(head: readonly string[], rows: readonly (readonly string[])[], style: Style): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...shown.map((row) => row[column]!.length))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!)).join("  ");
  return [style.dim(line(head)), ...shown.map(line)].join("\n") + "\n";
}
