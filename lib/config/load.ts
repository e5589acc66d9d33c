import { dirname, join, resolve } from "node:path";
import { variableAsSet, workingDir } from "../host/environment.ts";
import { exists } from "../host/files.ts";
import { homeDir } from "../host/paths.ts";
import type { HostFacts } from "../host/system.ts";
import { checkMachine } from "./check.ts";
import { expandTexts } from "./expand.ts";
import { Extender, type FileName } from "./extends.ts";
import { keyFinder } from "./locate_key.ts";
import { documentOf, type SourceNode } from "./node.ts";
import { normalForm } from "./normal.ts";
import type { Path } from "./path.ts";
import { locate, sortProblems } from "./problem.ts";
import { parseShape } from "./shape.ts";
import { decodeSourceText, readSourceText } from "./source_text.ts";
import { findUnsupported } from "./support.ts";
import type { LoadedMachine, Machine, Position, Problem } from "./types.ts";
import { parseYaml } from "./yaml.ts";

/** Where a machine file comes from. */
export type LoadSource =
  | { readonly path: string }
  | { readonly stdin: true; readonly text: string | Uint8Array };

export type MachinesResult =
  | { readonly ok: true; readonly machines: readonly LoadedMachine[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads the machines of a file, one per document, and holds them against this computer: text → documents → what
 * they extend → types → normal form → checks. Every problem comes back, in the order of the file. Nothing is written.
 */
export async function loadMachines(source: LoadSource, host: HostFacts): Promise<MachinesResult> {
  const file = "path" in source ? source.path : "-";
  const text = "path" in source ? await readSourceText(source.path) : decodeSourceText(source.text);
  if (text.kind !== "text") {
    const at = { file, line: 1, column: 1 };
    const { message, remedy } = text.kind === "missing" ? NO_FILE : text;
    return { ok: false, problems: [{ at, path: "", message, remedy }] };
  }
  const yaml = parseYaml(text.text, file);
  if (!yaml.ok) return { ok: false, problems: sortProblems(yaml.problems, file) };

  const origin = "path" in source ? resolve(source.path) : "-";
  const extender = new Extender(host.home);
  extender.addFolder(file, "path" in source ? dirname(origin) : workingDir());
  const results: DocumentResult[] = [];
  for (const node of yaml.documents) {
    results.push(await loadDocument(node, { host, extender, name: { shown: file, id: origin } }));
  }
  const settled = settleCurrent(results);
  const problems = [...settled.flatMap((result) => result.problems), ...checkApart(settled)];
  if (problems.length > 0) return { ok: false, problems: sortProblems(problems, file) };
  return { ok: true, machines: settled.map((result) => result.loaded) };
}

/** The file that is meant when none is named: ./machine.yaml, then ~/.config/machine/machine.yaml. */
export async function findDefaultFile(): Promise<string | undefined> {
  for (const path of ["machine.yaml", join(homeDir(), ".config", "machine", "machine.yaml")]) {
    if (await exists(path)) return path;
  }
  return undefined;
}

const NO_FILE = {
  message: "The file does not exist",
  remedy: "Name your machine file with -f, or write a machine.yaml here",
};

/** What tells a file's machines apart on this computer. */
const APART: readonly Apart[] = [
  {
    path: "name",
    of: ({ name }) => `The machine "${name}"`,
    remedy: "Give one of them another name",
  },
  {
    path: "ssh.port",
    of: ({ ssh }) => ssh.port === 0 ? undefined : `The port "${ssh.port}"`,
    remedy: "Give one of them another port",
  },
  {
    path: "runtime.docker.context.name",
    of: ({ runtime }) => `The docker context "${runtime.docker.context.name}"`,
    remedy: "Give one of them another name",
  },
  {
    path: "runtime.docker.context.current",
    of: ({ runtime }) => runtime.docker.context.current ? "The current docker context" : undefined,
    remedy: 'Write "current: false" for all machines but one',
  },
];

interface Apart {
  readonly path: string;
  /** What the machine has and no other one may have, in words; `undefined` when it has none. */
  readonly of: (machine: Machine) => string | undefined;
  readonly remedy: string;
}

interface DocumentContext {
  readonly host: HostFacts;
  readonly extender: Extender;
  readonly name: FileName;
}

/** A document's machine; with problems it is what could be understood of it. */
interface DocumentResult {
  readonly loaded: LoadedMachine;
  readonly problems: readonly Problem[];
  /** What it says of the current docker context. */
  readonly declaredCurrent: boolean | undefined;
  /** Where it begins. */
  readonly start: Position;
}

async function loadDocument(node: SourceNode, context: DocumentContext): Promise<DocumentResult> {
  const { host, extender, name } = context;
  const extended = await extender.extend(node, [name]);
  const document = documentOf(extended.node);
  const fileAt = (path: Path) => document.valueAt(path)?.file ?? name.shown;
  const expanded = expandTexts(document.value, variableAsSet);
  const shape = parseShape(expanded.value, expanded.findings, document.sourceAt);
  const form = normalForm(shape, {
    host,
    resolve: (path, at) => extender.paths.resolve(path, fileAt(at)),
  });
  const placeOf = (path: Path) => formatPosition(document.keyAt(path) ?? document.root.at);
  const findings = [
    ...expanded.findings,
    ...findUnsupported(expanded.value),
    ...shape.findings,
    ...await checkMachine(form, host, placeOf),
  ];
  return {
    loaded: {
      machine: form.machine,
      origin: name.id,
      positionOf: keyFinder(document, extender.paths),
    },
    problems: [...extended.problems, ...findings.map((finding) => locate(finding, document))],
    declaredCurrent: form.declaredCurrent,
    start: document.root.at,
  };
}

/**
 * Gives the current docker context to one machine of the file: to the one that says so, else to the first. Otherwise
 * each would take it from the other at every apply.
 */
function settleCurrent(results: readonly DocumentResult[]): readonly DocumentResult[] {
  const isSaid = results.some(({ declaredCurrent }) => declaredCurrent === true);
  return results.map((result, index) => {
    const current = result.declaredCurrent ?? (!isSaid && index === 0);
    return { ...result, loaded: { ...result.loaded, machine: withCurrent(result.loaded.machine, current) } };
  });
}

function withCurrent(machine: Machine, current: boolean): Machine {
  const { runtime } = machine;
  const context = { ...runtime.docker.context, current };
  return { ...machine, runtime: { ...runtime, docker: { ...runtime.docker, context } } };
}

/** Each value that machines may not share, where a second one has it; the names first, for they give other names. */
function checkApart(results: readonly DocumentResult[]): Problem[] {
  const isNamed = ({ problems }: DocumentResult) =>
    !problems.some(({ path }) => path === "" || path === "name");
  const isRight = ({ problems }: DocumentResult) => problems.length === 0;
  return APART.map((apart) => checkShared(results.filter(apart.path === "name" ? isNamed : isRight), apart))
    .find((problems) => problems.length > 0) ?? [];
}

function checkShared(results: readonly DocumentResult[], { path, of, remedy }: Apart): Problem[] {
  const first = new Map<string, Position>();
  return results.flatMap(({ loaded, start }): Problem[] => {
    const what = of(loaded.machine);
    if (what === undefined) return [];
    const at = loaded.positionOf(path) ?? start;
    const other = first.get(what);
    if (!other) {
      first.set(what, at);
      return [];
    }
    const place = formatPosition(other);
    // What a file says that both extend has one place, and two machines.
    const message = place === formatPosition(at)
      ? `${what} is declared here for more than one machine`
      : `${what} is also declared at ${place}`;
    return [{ at, path, message, remedy }];
  });
}

function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}
