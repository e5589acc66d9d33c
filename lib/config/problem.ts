import type { Finding } from "./finding.ts";
import { formatPath } from "./path.ts";
import type { Position, Problem } from "./types.ts";
import type { YamlDocument } from "./yaml.ts";

/** A finding at its place in the file; a path that the file does not have is shown at the nearest key above it. */
export function locate(finding: Finding, document: YamlDocument, start: Position): Problem {
  let at: Position | undefined;
  for (let length = finding.path.length; length > 0 && !at; length--) {
    const path = finding.path.slice(0, length);
    const isValue = length === finding.path.length && finding.at !== "key";
    at = isValue ? document.valueAt(path) : document.keyAt(path);
  }
  const problem = { at: at ?? start, path: formatPath(finding.path), message: finding.message };
  return finding.remedy === undefined ? problem : { ...problem, remedy: finding.remedy };
}

/** In the order of the file, each said once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const known = new Set<string>();
  return problems
    .toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
    .filter((problem) => {
      const key = `${problem.at.line}:${problem.at.column} ${problem.path} ${problem.message}`;
      if (known.has(key)) return false;
      known.add(key);
      return true;
    });
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
