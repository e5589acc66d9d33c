import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, visit } from "yaml";
import type { Document, Node, ParsedNode } from "yaml";
import { formatPath, type Path } from "./path.ts";
import type { Json, Position, Problem } from "./types.ts";

/** Limits that no machine file comes near, and that keep hostile input from costing seconds or memory. */
export const YAML_LIMITS = { bytes: 2 ** 20, depth: 32, values: 10_000, lexemes: 150_000 } as const;

/** The one document of a text, as plain values, with the place of each of them. */
export interface YamlDocument {
  readonly value: Json;
  /** Where the value at a path begins; of an alias, where the alias stands. */
  readonly valueAt: (path: Path) => Position | undefined;
  /** Where the key of a path begins; of an entry of a list, where the entry begins. */
  readonly keyAt: (path: Path) => Position | undefined;
  /** How a scalar is spelled in the text, without its quotes. */
  readonly sourceAt: (path: Path) => string | undefined;
}

export type YamlResult =
  | { readonly ok: true; readonly document: YamlDocument }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads one YAML 1.2 document; every problem of the text is reported, warnings of the parser too. */
export function parseYaml(text: string, file: string): YamlResult {
  const lines = new LineCounter();
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const fail = (offset: number, message: string, remedy?: string): YamlResult => ({
    ok: false,
    problems: [{ at: place(offset), path: "", message, ...(remedy === undefined ? {} : { remedy }) }],
  });

  const composed = compose(text, lines);
  if (composed.kind === "refused") return fail(composed.offset, composed.message, composed.remedy);
  const [document, second] = composed.documents;
  const faults = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
  if (faults.length > 0) {
    return { ok: false, problems: faultProblems(faults, place) };
  }
  if (second) {
    return fail(second.contents?.range[0] ?? second.range[0], "A second document begins here", ONE_DOCUMENT);
  }
  if (!document?.contents || isNothing(document.contents)) {
    return fail(
      0,
      "The file is empty",
      'Say at least "apiVersion: machine/v1"; every other key has a default',
    );
  }
  return new Reader(document, place).read(document.contents);
}

const MOVE_OUT = "Move generated content out of the machine file";
const ONE_DOCUMENT = "Write one document per file for now, each machine into its own file";

type Composed =
  | { readonly kind: "composed"; readonly documents: readonly Document.Parsed[] }
  | { readonly kind: "refused"; readonly offset: number; readonly message: string; readonly remedy: string };

/**
 * Parses in two steps, because composing is recursive: the tokens come from a parser with its own stack, whose
 * height is looked at, so that deep nesting is refused before anything recurses over it.
 */
function compose(text: string, lines: LineCounter): Composed {
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  let offset = 0;
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (!MARKS.has(lexeme)) offset += lexeme.length;
    if (depthOf(parser) > YAML_LIMITS.depth) {
      return {
        kind: "refused",
        offset: Math.max(offset - lexeme.length, 0),
        message: `Maps and lists are nested more than ${YAML_LIMITS.depth} levels deep`,
        remedy: "Nothing in a machine file nests as deep; look for brackets that are not closed",
      };
    }
    if (++lexemes > YAML_LIMITS.lexemes) return tooMany(offset);
  }
  tokens.push(...parser.end());
  const composer = new Composer({ schema: "core", uniqueKeys: false, prettyErrors: false });
  return { kind: "composed", documents: [...composer.compose(tokens, true, text.length)] };
}

/** What the lexer says between the pieces of the text: byte order, begin of document, flow error, scalar. */
const MARKS: ReadonlySet<string> = new Set(["\ufeff", "\u0002", "\u0018", "\u001f"]);

function tooMany(offset: number): Composed {
  const message = `The file holds more than ${YAML_LIMITS.values} values`;
  return { kind: "refused", offset, message, remedy: MOVE_OUT };
}

function depthOf(parser: Parser): number {
  if (parser.stack.length <= YAML_LIMITS.depth) return 0;
  return parser.stack.filter((token) => /^(block-map|block-seq|flow-collection)$/.test(token.type)).length;
}

function isNothing(node: ParsedNode): boolean {
  return isScalar(node) && node.value === null && !node.tag && node.range[0] === node.range[1];
}

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

/** One problem per line: what the parser says further on in a line follows from the first. */
function faultProblems(faults: readonly Fault[], place: (offset: number) => Position): Problem[] {
  const byLine = new Map<number, Problem>();
  for (const fault of faults.toSorted((a, b) => a.pos[0] - b.pos[0])) {
    const at = place(fault.pos[0]);
    if (!byLine.has(at.line)) byLine.set(at.line, faultProblem(fault, at));
  }
  return [...byLine.values()];
}

function faultProblem(fault: Fault, at: Position): Problem {
  const tag = /^Unresolved tag: (.*)$/.exec(fault.message)?.[1];
  if (tag === "!override" || tag === "!reset") {
    return { at, path: "", message: `The tag "${tag}" is not supported yet`, remedy: "Remove the tag" };
  }
  if (tag !== undefined) {
    return {
      at,
      path: "",
      message: `Unknown tag "${tag}"`,
      remedy: "Remove the tag, or quote the text that begins with it",
    };
  }
  const message = `The file is not valid YAML: ${fault.message}`;
  if (fault.code === "TAB_AS_INDENT") return { at, path: "", message, remedy: "Indent with spaces" };
  if (/flow-map-start/.test(fault.message)) {
    return { at, path: "", message, remedy: 'Put texts with brackets in quotes: "${env:NAME}"' };
  }
  if (fault.code === "BAD_SCALAR_START") return { at, path: "", message, remedy: "Put the text in quotes" };
  return { at, path: "", message };
}

interface Place {
  readonly key: Position;
  readonly value: Position;
  readonly source: string | undefined;
}

/** Turns nodes into values, and notes where each stands. Aliases are followed here, so that they are counted. */
class Reader {
  readonly #places = new Map<string, Place>();
  readonly #problems: Problem[] = [];
  readonly #targets: ReadonlyMap<Node, Node>;
  readonly #place: (offset: number) => Position;
  #values = 0;
  /** The outermost alias that is being followed. */
  #aliasAt: Position | undefined;
  #stopped = false;

  constructor(document: Document.Parsed, place: (offset: number) => Position) {
    this.#place = place;
    this.#targets = aliasTargets(document);
  }

  read(root: Node): YamlResult {
    const at = this.#startOf(root);
    const value = this.#value(root, [], { key: at, value: at });
    if (this.#problems.length > 0) return { ok: false, problems: this.#problems };
    const placeOf = (path: Path) => this.#places.get(formatPath(path));
    return {
      ok: true,
      document: {
        value,
        valueAt: (path) => placeOf(path)?.value,
        keyAt: (path) => placeOf(path)?.key,
        sourceAt: (path) => placeOf(path)?.source,
      },
    };
  }

  #value(node: unknown, path: Path, at: { key: Position; value: Position }): Json {
    if (this.#stopped) return null;
    if (++this.#values > YAML_LIMITS.values) {
      return this.#stop(at.value, `The file holds more than ${YAML_LIMITS.values} values`);
    }
    if (path.length > YAML_LIMITS.depth) {
      return this.#stop(at.value, `Maps and lists are nested more than ${YAML_LIMITS.depth} levels deep`);
    }
    const source = isScalar(node) && typeof node.source === "string" ? node.source : undefined;
    this.#places.set(formatPath(path), { ...at, source });
    if (isAlias(node)) return this.#alias(node, path, at);
    if (isMap(node)) return this.#map(node.items, path);
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const start = this.#startOf(item) ?? at.value;
        return this.#value(item, [...path, index], { key: start, value: start });
      });
    }
    return this.#scalar(isScalar(node) ? node.value : node, path, at.value);
  }

  #alias(node: Node, path: Path, at: { key: Position; value: Position }): Json {
    const target = this.#targets.get(node);
    if (!target) {
      this.#report(at.value, path, "This alias names no anchor above it");
      return null;
    }
    const outer = this.#aliasAt;
    this.#aliasAt ??= at.value;
    const value = this.#value(target, path, at);
    this.#aliasAt = outer;
    return value;
  }

  #map(items: readonly { key: unknown; value: unknown }[], path: Path): Json {
    const entries = new Map<string, Json>();
    for (const { key, value } of items) {
      const keyNode = isAlias(key) ? this.#targets.get(key) : key;
      const start = this.#startOf(key);
      if (!isScalar(keyNode) || keyNode.value === null || keyNode.value === "__proto__") {
        this.#report(start, path, "A key must be a text", "Put the key in quotes");
        continue;
      }
      // A number as key keeps its spelling: 0644 is not 644 here
      const name = typeof keyNode.value === "string"
        ? keyNode.value
        : keyNode.source ?? String(keyNode.value);
      const below = [...path, name];
      if (entries.has(name)) {
        const first = this.#places.get(formatPath(below))?.key;
        this.#report(
          start,
          below,
          `The key "${name}" is given twice`,
          `Remove it here or in line ${first?.line}`,
        );
        continue;
      }
      const valueStart = isEmpty(value) ? start : this.#startOf(value);
      entries.set(name, this.#value(value, below, { key: start, value: valueStart }));
    }
    return Object.fromEntries(entries);
  }

  #scalar(value: unknown, path: Path, at: Position): Json {
    if (value === null || value === undefined) return null;
    if (typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    this.#report(
      at,
      path,
      `${String(value)} is not a value that a machine file can hold`,
      "Put it in quotes",
    );
    return null;
  }

  #startOf(node: unknown): Position {
    const range = isAlias(node) || isScalar(node) || isMap(node) || isSeq(node) ? node.range : undefined;
    return this.#place(range?.[0] ?? 0);
  }

  #stop(at: Position, what: string): Json {
    this.#stopped = true;
    if (this.#aliasAt) {
      const remedy = "Write the values out instead of repeating aliases of aliases";
      this.#report(this.#aliasAt, [], `${what} once its aliases are followed`, remedy);
    } else {
      this.#report(at, [], what, MOVE_OUT);
    }
    return null;
  }

  #report(at: Position, path: Path, message: string, remedy?: string): void {
    const problem = { at, path: formatPath(path), message };
    this.#problems.push(remedy === undefined ? problem : { ...problem, remedy });
  }
}

/** A key without a value has no place of its own: the key is pointed at. */
function isEmpty(value: unknown): boolean {
  return value === null || (isScalar(value) && value.value === null && value.source === "");
}

/** What each alias stands for: the last node above it with that anchor (YAML 1.2.2, section 7.1). */
function aliasTargets(document: Document.Parsed): ReadonlyMap<Node, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  visit(document, {
    Node(_, node) {
      if (!isAlias(node) && node.anchor) anchors.set(node.anchor, node);
      const target = isAlias(node) ? anchors.get(node.source) : undefined;
      if (target) targets.set(node, target);
    },
  });
  return targets;
}
