import type { Finding } from "./finding.ts";
import type { SourceDocument } from "./node.ts";
import { formatPath } from "./path.ts";
import type { Position, Problem } from "./types.ts";

/** A finding at its place in the file; a path that the file does not have is shown at the nearest key above it. */
export function locate(finding: Finding, document: SourceDocument): Problem {
  let at: Position | undefined;
  for (let length = finding.path.length; length > 0 && !at; length--) {
    const path = finding.path.slice(0, length);
    const isValue = length === finding.path.length && finding.at !== "key";
    at = isValue ? document.valueAt(path) : document.keyAt(path);
  }
  const problem = { at: at ?? document.root.at, path: formatPath(finding.path), message: finding.message };
  return finding.remedy === undefined ? problem : { ...problem, remedy: finding.remedy };
}

/** In the order of the file, then of those that it extends; each said once. */
export function sortProblems(problems: readonly Problem[], file: string): Problem[] {
  const known = new Set<string>();
  const order = (it: Problem) => it.at.file === file ? "" : it.at.file;
  return problems
    .toSorted((a, b) =>
      compareTexts(order(a), order(b)) || a.at.line - b.at.line || a.at.column - b.at.column
    )
    .filter((problem) => {
      const { at, message, remedy } = problem;
      // The same place may have two paths: an entry has another index in the file alone than after merging. Several keys
      // that are missing in one map have one place, too: their remedies tell them apart.
      const key = JSON.stringify([at.file, at.line, at.column, message, remedy]);
      if (known.has(key)) return false;
      known.add(key);
      return true;
    });
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Renders problems for people, as `machine.yaml:4:11: vm.memory: …` with the remedy in a line below. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map((problem) => {
    const { file, line, column } = problem.at;
    const path = problem.path === "" ? "" : `${problem.path}: `;
    const remedy = problem.remedy === undefined ? "" : `\n    ${problem.remedy}`;
    return `${file}:${line}:${column}: ${path}${problem.message}${remedy}`;
  }).join("\n");
}
