import type { Finding } from "./finding.ts";
import { type IssueContext, translateIssue } from "./issue.ts";
import { childOf, isList } from "./json.ts";
import { formatPath, type Path } from "./path.ts";
import { type MachineFile, machineFile } from "./schema/machine.ts";
import type { Json } from "./types.ts";

/** The typed file, without the parts that are wrong; these are in the findings. */
export interface Shape {
  readonly file: MachineFile;
  readonly findings: readonly Finding[];
  /** Where something in `file` stands in the value that was given: lists close up when an entry is left out. */
  readonly originalPath: (path: Path) => Path;
}

/**
 * Gives a file the types of the schema. What does not fit is reported and left out, so that the checks that follow
 * see the rest: a file with a wrong size and a missing folder shows both.
 * @param known problems that were found before, whose values are not looked at
 */
export function parseShape(
  value: Json,
  known: readonly Finding[],
  sourceAt: IssueContext["sourceAt"],
): Shape {
  const rest = new Remainder(value);
  const findings: Finding[] = [];
  rest.remove(known.map((finding) => finding.path));
  while (true) {
    const result = machineFile.safeParse(rest.value);
    if (result.success) {
      return { file: result.data, findings, originalPath: (path) => rest.originalPath(path) };
    }
    const current = rest.value;
    const context = {
      value: current,
      sourceAt: (path: Path) => sourceAt(rest.originalPath(path)),
    };
    const found = result.error.issues.flatMap((issue) => translateIssue(issue, context))
      .map((finding) => ({ ...finding, path: rest.originalPath(finding.path) }));
    // A key that was left out because of its own problem is not missing, nor does the map around it lack it.
    findings.push(...found.filter((finding) => !rest.hasRemovedWithin(finding.path)));
    rest.remove(found.map((finding) => finding.path));
  }
}

/** A value of which parts are left out, by their paths in the original. */
class Remainder {
  readonly #original: Json;
  readonly #removed = new Set<string>();
  /** The maps and lists around what is left out. */
  readonly #around = new Set<string>();
  #value: Json;
  /** Of lists that lost entries: the original index of each entry that is left. */
  #indexes = new Map<string, readonly number[]>();

  constructor(value: Json) {
    this.#original = value;
    this.#value = value;
  }

  get value(): Json {
    return this.#value;
  }

  hasRemoved(path: Path): boolean {
    return this.#removed.has(formatPath(path));
  }

  /** Whether this value, or something in it, is left out. */
  hasRemovedWithin(path: Path): boolean {
    const prefix = formatPath(path);
    return this.#removed.has(prefix) || this.#around.has(prefix);
  }

  /** Leaves values out; one that is not there (any more) takes the map around it along. */
  remove(paths: readonly Path[]): void {
    for (const path of paths) {
      let length = path.length;
      while (length > 0 && !this.#isThere(path.slice(0, length))) length--;
      this.#removed.add(formatPath(path.slice(0, length)));
      for (let outer = 1; outer < length; outer++) this.#around.add(formatPath(path.slice(0, outer)));
    }
    this.#indexes = new Map();
    this.#value = this.hasRemoved([]) ? {} : this.#without(this.#original, []);
  }

  originalPath(path: Path): Path {
    const original: (string | number)[] = [];
    for (const step of path) {
      const indexes = this.#indexes.get(formatPath(original));
      original.push(typeof step === "number" ? indexes?.[step] ?? step : step);
    }
    return original;
  }

  #isThere(path: Path): boolean {
    let node: Json | undefined = this.#original;
    for (const [index, step] of path.entries()) {
      node = childOf(node, step);
      if (node === undefined || this.hasRemoved(path.slice(0, index + 1))) return false;
    }
    return true;
  }

  #without(node: Json, path: Path): Json {
    if (node === null || typeof node !== "object") return node;
    const left = Object.entries(node).filter(([key]) =>
      !this.hasRemoved([...path, isList(node) ? Number(key) : key])
    );
    if (!isList(node)) {
      return Object.fromEntries(left.map(([key, child]) => [key, this.#without(child, [...path, key])]));
    }
    this.#indexes.set(formatPath(path), left.map(([key]) => Number(key)));
    return left.map(([key, child]) => this.#without(child, [...path, Number(key)]));
  }
}
