import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parse, Parser, visit } from "yaml";
import type { Document, Node, ParsedNode } from "yaml";
import type { MergeTag, ScalarNode, SourceNode } from "./node.ts";
import { formatPath, type Path } from "./path.ts";
import type { Position, Problem } from "./types.ts";

/** Limits that no machine file comes near, and that keep hostile input from costing seconds or memory. */
export const YAML_LIMITS = { bytes: 2 ** 20, depth: 32, values: 10_000, lexemes: 150_000 } as const;

export type YamlResult =
  | { readonly ok: true; readonly documents: readonly SourceNode[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads the YAML 1.2 documents of a text; those without content are left out. Every problem of the text is
 * reported, warnings of the parser too.
 */
export function parseYaml(text: string, file: string): YamlResult {
  const lines = new LineCounter();
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const fail = (offset: number, message: string, remedy: string): YamlResult => ({
    ok: false,
    problems: [{ at: place(offset), path: "", message, remedy }],
  });

  const composed = compose(text, lines);
  if (composed.kind === "refused") return fail(composed.offset, composed.message, composed.remedy);
  const faults = composed.documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])
    .filter((fault) => !MERGE_TAGS.some((tag) => fault.message === `Unresolved tag: ${tag}`));
  if (faults.length > 0) return { ok: false, problems: faultProblems(faults, place) };

  const reader = new Reader(place);
  const documents = composed.documents.flatMap((document) => {
    const { contents } = document;
    return contents && !isNothing(contents) ? [reader.read(document, contents)] : [];
  });
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  return documents.length > 0 ? { ok: true, documents } : fail(
    0,
    "The file is empty",
    'Say at least "apiVersion: machine/v1"; every other key has a default',
  );
}

const MERGE_TAGS: readonly MergeTag[] = ["!override", "!reset"];

const MOVE_OUT = "Move generated content out of the machine file";

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

/** Where a node stands, and the way to it, for a message. */
interface Spot {
  readonly path: Path;
  readonly key: Position;
  readonly at: Position;
}

/** Turns nodes into values with places. Aliases are followed here, so that they are counted. */
class Reader {
  readonly problems: Problem[] = [];
  readonly #place: (offset: number) => Position;
  #targets: ReadonlyMap<Node, Node> = new Map();
  #values = 0;
  /** The outermost alias that is being followed. */
  #aliasAt: Position | undefined;
  #stopped = false;

  constructor(place: (offset: number) => Position) {
    this.#place = place;
  }

  read(document: Document.Parsed, root: Node): SourceNode {
    this.#targets = aliasTargets(document);
    const at = this.#startOf(root);
    return this.#node(root, { path: [], key: at, at });
  }

  #node(node: unknown, spot: Spot): SourceNode {
    if (this.#stopped) return nothingAt(spot);
    if (++this.#values > YAML_LIMITS.values) {
      return this.#stop(spot, `The file holds more than ${YAML_LIMITS.values} values`);
    }
    if (spot.path.length > YAML_LIMITS.depth) {
      return this.#stop(spot, `Maps and lists are nested more than ${YAML_LIMITS.depth} levels deep`);
    }
    if (isAlias(node)) return this.#alias(node, spot);
    const { key, at } = spot;
    const tag = MERGE_TAGS.find((known) => isTagged(node, known));
    const place = tag === undefined ? { key, at } : { key, at, tag };
    if (isMap(node)) return { kind: "map", ...place, entries: this.#entries(node.items, spot) };
    if (isSeq(node)) {
      const items = node.items.map((item, index) => {
        const start = isEmpty(item) ? at : this.#startOf(item);
        return this.#node(item, { path: [...spot.path, index], key: start, at: start });
      });
      return { kind: "list", ...place, items };
    }
    const source = isScalar(node) && typeof node.source === "string" ? { source: node.source } : {};
    return { kind: "scalar", ...place, value: this.#scalar(scalarValue(node, tag), spot), ...source };
  }

  #alias(node: Node, spot: Spot): SourceNode {
    const target = this.#targets.get(node);
    if (!target) {
      this.#report(spot.at, spot.path, "This alias names no anchor above it");
      return nothingAt(spot);
    }
    const outer = this.#aliasAt;
    this.#aliasAt ??= spot.at;
    const value = this.#node(target, spot);
    this.#aliasAt = outer;
    return value;
  }

  #entries(items: readonly { key: unknown; value: unknown }[], { path }: Spot): Map<string, SourceNode> {
    const entries = new Map<string, SourceNode>();
    for (const { key, value } of items) {
      const keyNode = isAlias(key) ? this.#targets.get(key) : key;
      const start = this.#startOf(key);
      if (!isScalar(keyNode) || keyNode.value === null || keyNode.value === "__proto__") {
        this.#report(start, path, "A key must be a text", "Put the key in quotes");
        continue;
      }
      const tag = MERGE_TAGS.find((known) => isTagged(key, known));
      if (tag !== undefined) {
        this.#report(start, path, `The tag "${tag}" stands before a key`, "Write it before the key's value");
      }
      // A number as key keeps its spelling: 0644 is not 644 here
      const name = typeof keyNode.value === "string"
        ? keyNode.value
        : keyNode.source ?? String(keyNode.value);
      const below = [...path, name];
      const first = entries.get(name)?.key;
      if (first) {
        const remedy = `Remove it here or in line ${first.line}`;
        this.#report(start, below, `The key "${name}" is given twice`, remedy);
        continue;
      }
      const at = isEmpty(value) ? start : this.#startOf(value);
      entries.set(name, this.#node(value, { path: below, key: start, at }));
    }
    return entries;
  }

  #scalar(value: unknown, { at, path }: Spot): ScalarNode["value"] {
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

  #stop(spot: Spot, what: string): SourceNode {
    this.#stopped = true;
    if (this.#aliasAt) {
      const remedy = "Write the values out instead of repeating aliases of aliases";
      this.#report(this.#aliasAt, [], `${what} once its aliases are followed`, remedy);
    } else {
      this.#report(spot.at, [], what, MOVE_OUT);
    }
    return nothingAt(spot);
  }

  #report(at: Position, path: Path, message: string, remedy?: string): void {
    const problem = { at, path: formatPath(path), message };
    this.problems.push(remedy === undefined ? problem : { ...problem, remedy });
  }
}

function nothingAt({ key, at }: Spot): SourceNode {
  return { kind: "scalar", key, at, value: null };
}

function isTagged(node: unknown, tag: string): boolean {
  return (isScalar(node) || isMap(node) || isSeq(node)) && node.tag === tag;
}

/** The parser takes a plain scalar with a tag that it does not know for a text: it is read without the tag. */
function scalarValue(node: unknown, tag: MergeTag | undefined): unknown {
  if (!isScalar(node)) return node;
  const { type, source } = node;
  const isRead = tag !== undefined && type === "PLAIN" && source !== undefined;
  return isRead ? parse(source, { schema: "core" }) : node.value;
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
