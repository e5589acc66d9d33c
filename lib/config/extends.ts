import { dirname, join, normalize } from "node:path";
import { variableAsSet } from "../host/environment.ts";
import { expandTexts } from "./expand.ts";
import { type HostPaths, hostPaths } from "./host_path.ts";
import { mergeFiles, withoutTags } from "./merge.ts";
import { nearest } from "./nearest.ts";
import { documentOf, type MapNode, type SourceNode } from "./node.ts";
import { locate } from "./problem.ts";
import { listProfiles, profileFolder, readProfile } from "./profiles.ts";
import { parseShape } from "./shape.ts";
import { readSourceText, type TextResult } from "./source_text.ts";
import { checkTags } from "./tags.ts";
import type { Position, Problem } from "./types.ts";
import { parseYaml } from "./yaml.ts";

/** A file as it is named in positions, and what tells it from every other. */
export interface FileName {
  /** For people: as the user would name it. */
  readonly shown: string;
  /** The absolute path, "-" for standard input, or the name of a profile. */
  readonly id: string;
}

/** A file laid over everything that it extends. */
export interface Extended {
  readonly node: SourceNode;
  readonly problems: readonly Problem[];
}

/** What a file that is extended gave; no node when it cannot be read. */
interface Layer {
  readonly node?: SourceNode;
  readonly problems: readonly Problem[];
}

/** One entry of `extends`, as it is said. */
interface Word {
  readonly text: string;
  readonly at: Position;
  readonly path: string;
}

/** Keys that say what a file is, and nothing about the machines that extend it. */
const OWN_KEYS = ["apiVersion", "name", "extends"];

/** Follows `extends`, and reads each file once, however often it is said. */
export class Extender {
  readonly paths: HostPaths;
  readonly #folders = new Map<string, string>();
  readonly #layers = new Map<string, Layer>();

  /** @param home the home folder, for `~` */
  constructor(home: string) {
    this.paths = hostPaths(home, this.#folders);
  }

  /** Notes where relative paths of a file start. */
  addFolder(file: string, folder: string): void {
    this.#folders.set(file, folder);
  }

  /**
   * Lays a document over what it extends: the profiles and files from left to right, then the document itself.
   * @param chain the files that led here, the document's own last
   */
  async extend(document: SourceNode, chain: readonly FileName[]): Promise<Extended> {
    const problems = checkTags(document);
    let lower: SourceNode | undefined;
    for (const word of wordsOf(document)) {
      const layer = await this.#layer(word, chain);
      problems.push(...layer.problems);
      if (layer.node) lower = lower ? mergeFiles(lower, layer.node, this.paths) : layer.node;
    }
    return { node: lower ? mergeFiles(lower, document, this.paths) : withoutTags(document), problems };
  }

  async #layer(word: Word, chain: readonly FileName[]): Promise<Layer> {
    const isProfile = !/[/.~]/.test(word.text);
    const name = isProfile ? { shown: `profile:${word.text}`, id: word.text } : this.#fileName(word);
    const repeated = chain.findIndex(({ id }) => id === name.id);
    if (repeated >= 0) {
      const names = [...chain.slice(repeated), name].map(({ shown }) => shown).join(" → ");
      return refuseWord(word, `This file extends itself: ${names}`, "Take one of them out of the chain");
    }
    return this.#layers.get(name.id) ??
      await (isProfile ? this.#readProfile(word, [...chain, name]) : this.#readFile(word, [...chain, name]));
  }

  #fileName({ text, at }: Word): FileName {
    const id = this.paths.resolve(text, at.file);
    if (text.startsWith("/") || text.startsWith("~")) return { id, shown: id };
    // Shown as the user named the file that says it: below the same folder, absolute or not
    return { id, shown: at.file === "-" ? normalize(text) : join(dirname(at.file), text) };
  }

  async #readProfile(word: Word, chain: readonly FileName[]): Promise<Layer> {
    const text = await readProfile(word.text);
    if (text !== undefined) {
      this.addFolder(`profile:${word.text}`, profileFolder());
      return await this.#read({ kind: "text", text }, chain);
    }
    const profiles = await listProfiles();
    const near = nearest(word.text, profiles);
    const list = `Profiles: ${profiles.join(", ")}; a file is named with its folder, e.g. ./${word.text}`;
    const remedy = near === undefined ? list : `Did you mean "${near}"? ${list}`;
    return refuseWord(word, `There is no profile "${word.text}"`, remedy);
  }

  async #readFile(word: Word, chain: readonly FileName[]): Promise<Layer> {
    const { id, shown } = chain.at(-1)!;
    const text = await readSourceText(id);
    if (text.kind === "missing") {
      const remedy = "Correct the path; it starts at the folder of the file that says it";
      return refuseWord(word, `The file "${word.text}" does not exist`, remedy);
    }
    this.addFolder(shown, dirname(id));
    return await this.#read(text, chain);
  }

  async #read(text: Exclude<TextResult, { kind: "missing" }>, chain: readonly FileName[]): Promise<Layer> {
    const { id, shown } = chain.at(-1)!;
    const layer = await this.#parse(text, shown, chain);
    this.#layers.set(id, layer);
    return layer;
  }

  async #parse(
    text: Exclude<TextResult, { kind: "missing" }>,
    file: string,
    chain: readonly FileName[],
  ): Promise<Layer> {
    const start = { file, line: 1, column: 1 };
    if (text.kind === "wrong") return refuse(start, text.message, text.remedy);
    const yaml = parseYaml(text.text, file);
    if (!yaml.ok) return yaml;
    const [document, second] = yaml.documents;
    if (second) {
      const remedy = "Write each machine into its own file; what they share can be extended by all";
      return refuse(second.at, "A file that is extended has one document, but a second begins here", remedy);
    }
    if (document?.kind !== "map") {
      return refuse(document?.at ?? start, "Must be a map of keys and values", "Write it as a machine file");
    }
    const { node, problems } = await this.extend(document, chain);
    return { node: withoutOwnKeys(node), problems: [...problems, ...checkAlone(document)] };
  }
}

/** The texts of `extends`; what has another form there is for the type check to report. */
function wordsOf(document: SourceNode): Word[] {
  const list = document.kind === "map" ? document.entries.get("extends") : undefined;
  if (list?.kind !== "list") return [];
  return list.items.flatMap((item, index): Word[] => {
    if (item.kind !== "scalar" || typeof item.value !== "string" || item.value === "") return [];
    const { value, findings } = expandTexts(item.value, variableAsSet);
    if (typeof value !== "string" || findings.length > 0) return [];
    return [{ text: value, at: item.at, path: `extends[${index}]` }];
  });
}

/**
 * What is wrong in a file that is extended whatever is laid over it. That something is missing is not: the file that
 * extends it may say it. Nor is a variable that is not set, unless it is needed to go on.
 */
function checkAlone(node: MapNode): Problem[] {
  const document = documentOf(withoutTags(node));
  const { value, findings } = expandTexts(document.value, variableAsSet);
  const wrong = parseShape(value, findings, document.sourceAt).findings.filter((it) => !it.isIncomplete);
  const unset = findings.filter(({ path }) => path[0] === "extends");
  return [...wrong, ...unset].map((finding) => locate(finding, document));
}

function withoutOwnKeys(node: SourceNode): SourceNode {
  if (node.kind !== "map") return node;
  return { ...node, entries: new Map([...node.entries].filter(([key]) => !OWN_KEYS.includes(key))) };
}

function refuse(at: Position, message: string, remedy: string): Layer {
  return { problems: [{ at, path: "", message, remedy }] };
}

function refuseWord({ at, path }: Word, message: string, remedy: string): Layer {
  return { problems: [{ at, path, message, remedy }] };
}
