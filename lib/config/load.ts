import { dirname, join, resolve } from "node:path";
import { variableAsSet, workingDir } from "../host/environment.ts";
import { messageOf } from "../host/errors.ts";
import { exists } from "../host/files.ts";
import { readUpTo } from "../host/input.ts";
import { homeDir } from "../host/paths.ts";
import type { HostFacts } from "../host/system.ts";
import { checkMachine } from "./check.ts";
import { expandTexts } from "./expand.ts";
import { type DeclaredMount, normalForm } from "./normal.ts";
import { parsePath, type Path } from "./path.ts";
import { locate, sortProblems } from "./problem.ts";
import { parseShape } from "./shape.ts";
import { findUnsupported } from "./support.ts";
import type { LoadedMachine, Position, Problem } from "./types.ts";
import { parseYaml, YAML_LIMITS, type YamlDocument } from "./yaml.ts";

/** Where a machine file comes from. */
export type LoadSource =
  | { readonly path: string }
  | { readonly stdin: true; readonly text: string | Uint8Array };

export type LoadResult =
  | { readonly ok: true; readonly loaded: LoadedMachine }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads a machine file and holds it against this computer: text → value → types → normal form → checks.
 * Every problem comes back, in the order of the file. Nothing is written.
 */
export async function loadMachine(source: LoadSource, host: HostFacts): Promise<LoadResult> {
  const file = "path" in source ? source.path : "-";
  const start: Position = { file, line: 1, column: 1 };
  const read = await readText(source);
  if ("message" in read) return { ok: false, problems: [{ at: start, path: "", ...read }] };
  const yaml = parseYaml(read.text, file);
  if (!yaml.ok) return { ok: false, problems: sortProblems(yaml.problems) };

  const { document } = yaml;
  const origin = "path" in source ? resolve(source.path) : "-";
  const folder = "path" in source ? dirname(origin) : workingDir();
  const expanded = expandTexts(document.value, variableAsSet);
  const unsupported = findUnsupported(expanded.value);
  const shape = parseShape(expanded.value, expanded.findings, document.sourceAt);
  const form = normalForm(shape, { host, folder });
  const placeOf = (path: Path) => formatPosition(document.keyAt(path) ?? start);
  const checked = await checkMachine(form, host, placeOf);

  const findings = [...expanded.findings, ...unsupported, ...shape.findings, ...checked];
  if (findings.length > 0) {
    return { ok: false, problems: sortProblems(findings.map((finding) => locate(finding, document, start))) };
  }
  const positionOf = (path: string) =>
    positionIn(document, resolveIdentity(parsePath(path), form.declaredMounts));
  return { ok: true, loaded: { machine: form.machine, origin, positionOf } };
}

/** The file that is meant when none is named: ./machine.yaml, then ~/.config/machine/machine.yaml. */
export async function findDefaultFile(): Promise<string | undefined> {
  for (const path of ["machine.yaml", join(homeDir(), ".config", "machine", "machine.yaml")]) {
    if (await exists(path)) return path;
  }
  return undefined;
}

type ReadResult = { readonly text: string } | { readonly message: string; readonly remedy: string };

async function readText(source: LoadSource): Promise<ReadResult> {
  if ("stdin" in source) return decode(source.text);
  try {
    const bytes = await readUpTo(source.path, YAML_LIMITS.bytes + 1);
    if (bytes) return decode(bytes);
  } catch (error) {
    return {
      message: `The file cannot be read: ${messageOf(error)}`,
      remedy: "Name a text file that you may read",
    };
  }
  return {
    message: "The file does not exist",
    remedy: "Name your machine file with -f, or write a machine.yaml here",
  };
}

const NOT_A_TEXT = {
  remedy: "A machine file is YAML, a text in UTF-8; look whether this is the file you meant",
};

function decode(input: string | Uint8Array): ReadResult {
  const size = typeof input === "string" ? new TextEncoder().encode(input).length : input.length;
  if (size > YAML_LIMITS.bytes) {
    return {
      message: "The file is larger than 1 MiB",
      remedy: "Move generated content out of the machine file",
    };
  }
  let text: string;
  try {
    text = typeof input === "string" ? input : new TextDecoder("utf-8", { fatal: true }).decode(input);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { message: "The file is not valid UTF-8", ...NOT_A_TEXT };
  }
  if (text.includes("\0")) return { message: "The file is binary: it holds a NUL byte", ...NOT_A_TEXT };
  return { text };
}

function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

function positionIn(document: YamlDocument, path: Path): Position | undefined {
  for (let length = path.length; length > 0; length--) {
    const at = document.keyAt(path.slice(0, length));
    if (at) return at;
  }
  return undefined;
}

/** `mounts[/src]` is the entry with that target: entries of the normal form have no index of the file. */
function resolveIdentity(path: Path, mounts: readonly DeclaredMount[]): Path {
  const [list, target, ...rest] = path;
  if (list !== "mounts" || typeof target !== "string") return path;
  const entry = mounts.find((it) => it.mount.target === target);
  return entry ? [...entry.path, ...rest] : ["mounts"];
}
