import type { z } from "zod";
import { type Finding, show } from "./finding.ts";
import { valueAt } from "./json.ts";
import { nearest } from "./nearest.ts";
import type { Path } from "./path.ts";
import { below, fieldOf, keysAt, listFields, schemaAt } from "./schema/walk.ts";
import type { Json } from "./types.ts";

type Issue = z.core.$ZodIssue;

/** What the translation looks at beside the issue. */
export interface IssueContext {
  /** The value that was parsed. */
  readonly value: Json;
  /** How a scalar is spelled in the file; `undefined` where it is not known. */
  readonly sourceAt: (path: Path) => string | undefined;
}

/** Says what the schema found in the words of this program: what is wrong, and what to write instead. */
export function translateIssue(issue: Issue, context: IssueContext): Finding[] {
  const path = stepsOf(issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey(path, key));
    case "invalid_type":
      return [wrongType(path, issue.expected, context)];
    case "invalid_value":
      return [wrongChoice(path, issue.values.map(String), valueAt(context.value, path))];
    case "invalid_union":
      return translateUnion(issue, context);
    case "invalid_key":
      return [{ path, at: "key", message: "This key is not allowed here" }];
    case "too_small":
    case "too_big":
      return [wrongAmount(path, issue, valueAt(context.value, path))];
    case "invalid_format":
      return [{ path, message: `${sentence(issue)}, but is ${show(valueAt(context.value, path))}` }];
    case "custom": {
      if (valueAt(context.value, path) === undefined) return [missing(path)];
      const remedy: unknown = issue.params?.["remedy"];
      const isIncomplete = issue.params?.["isIncomplete"] === true;
      return [{
        path,
        message: issue.message,
        ...(typeof remedy === "string" ? { remedy } : {}),
        ...(isIncomplete ? { isIncomplete } : {}),
      }];
    }
    default:
      return [{ path, message: issue.message }];
  }
}

function stepsOf(path: readonly PropertyKey[]): Path {
  return path.map((step) => typeof step === "number" ? step : String(step));
}

function unknownKey(path: Path, key: string): Finding {
  const schema = schemaAt(path);
  const known = keysAt(schema);
  const meant = nearest(key, known) ?? sameKeyElsewhere(key);
  const usable = known.filter((it) => schema && fieldOf(below(schema, it))?.support === "yes");
  const remedy = key === "<<"
    ? "Merge keys are not part of YAML 1.2; write the keys out"
    : meant === undefined
    ? `Known keys here: ${usable.join(", ")}`
    : `Did you mean "${meant}"?`;
  return { path: [...path, key], at: "key", message: `Unknown key "${key}"`, remedy };
}

let supportedPaths: readonly string[] | undefined;

/** `memory` at the top of the file most likely means `vm.memory`. */
function sameKeyElsewhere(key: string): string | undefined {
  supportedPaths ??= listFields().filter((field) => field.support === "yes").map((field) => field.path);
  return supportedPaths.find((path) => (path === key || path.endsWith(`.${key}`)) && !path.includes("["));
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a map of keys and values",
  record: "a map of keys and values",
  array: "a list",
};

function missing(path: Path): Finding {
  return { path, message: "Is missing", remedy: `Add "${path.at(-1) ?? ""}"`, isIncomplete: true };
}

function wrongType(path: Path, expected: string, context: IssueContext): Finding {
  const found = valueAt(context.value, path);
  if (found === undefined) return missing(path);
  const source = context.sourceAt(path);
  const rule = `Must be ${TYPE_WORDS[expected] ?? expected}`;
  if (found === null && source !== undefined && source !== "") {
    return {
      path,
      message: `${rule}, but ${source} without quotes is null in YAML`,
      remedy: `Write "${source}"`,
    };
  }
  if (found === null) {
    return { path, message: `${rule}, but is empty`, remedy: "Give a value or remove the key" };
  }
  const inYaml = expected === "string" && typeof found !== "object" ? " in YAML" : "";
  const message = `${rule}, but is ${describe(found)}${inYaml}`;
  const remedy = typeRemedy(path, expected, found, source ?? String(found));
  return remedy === undefined ? { path, message } : { path, message, remedy };
}

/** The likeliest way to write what was meant. */
function typeRemedy(path: Path, expected: string, found: Json, source: string): string | undefined {
  if (source.includes("${")) return "Write the value itself here: what a variable gives is always a text";
  if (expected === "string" && typeof found !== "object") return `Put it in quotes: "${source}"`;
  if (expected === "array" && typeof found !== "object") return `Write a list: [${source}]`;
  if (expected === "object" && typeof found === "string" && typeof path.at(-1) === "number") {
    return `Write {${keysAt(schemaAt(path))[0] ?? "key"}: "${found}"}`;
  }
  if (typeof found !== "string") return undefined;
  if (expected === "boolean") {
    const word = BOOLEAN_WORDS[found.toLowerCase()];
    return word && `Write ${word}${word === found ? " without quotes" : ""}`;
  }
  const isNumber = (expected === "number" || expected === "int") && /^\d+$/.test(found);
  return isNumber ? `Write ${found} without quotes` : undefined;
}

/** What YAML 1.1 took for true and false, and YAML 1.2 reads as texts. */
const BOOLEAN_WORDS: Readonly<Record<string, string>> = {
  true: "true",
  yes: "true",
  on: "true",
  false: "false",
  no: "false",
  off: "false",
};

function describe(value: Json): string {
  if (typeof value === "string") return `the text ${show(value)}`;
  return typeof value === "number" ? `the number ${value}` : show(value);
}

function wrongChoice(path: Path, choices: readonly string[], found: Json | undefined): Finding {
  const list = choices.map((choice) => `"${choice}"`).join(", ");
  if (choices.length === 1) return { path, message: `Must be ${list}, but is ${show(found)}` };
  const message = `Must be one of ${list}, but is ${show(found)}`;
  const near = typeof found === "string" ? nearest(found, choices) : undefined;
  return near === undefined ? { path, message } : { path, message, remedy: `Did you mean "${near}"?` };
}

function wrongAmount(
  path: Path,
  issue: Issue & { code: "too_small" | "too_big" },
  found: Json | undefined,
): Finding {
  if (issue.origin === "string") return { path, message: "Must not be empty" };
  if (issue.origin === "array") return { path, message: "Must not be an empty list" };
  const bound = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
  return { path, message: `Must be ${bound}, but is ${show(found)}` };
}

/** A schema's own sentence ("Must be …"); the library's where the schema gives none, e.g. for URLs. */
function sentence(issue: Issue & { code: "invalid_format" }): string {
  if (issue.message.startsWith("Must ")) return issue.message;
  return issue.format === "url" ? "Must be a URL" : issue.message;
}

/**
 * Of the forms that a value may have, the one is spoken of that its kind fits: a misspelt key in a map is not
 * answered with "must be a text".
 */
function translateUnion(issue: Issue & { code: "invalid_union" }, context: IssueContext): Finding[] {
  const path = stepsOf(issue.path);
  const forms = issue.errors.map((issues) => issues.filter((it) => it !== undefined));
  const fitting = forms.filter((issues) =>
    !issues.some((it) => it.code === "invalid_type" && it.path.length === 0)
  );
  const isText = typeof valueAt(context.value, path) === "string";
  const chosen = fitting.find((issues) =>
    isText || !issues.some((it) => it.path.length === 0 && isChoice(it))
  );
  if (chosen) {
    return chosen.flatMap((it) => translateIssue({ ...it, path: [...issue.path, ...it.path] }, context));
  }
  const words = forms.flat().filter((it) => it.path.length === 0).map(formWord);
  const found = valueAt(context.value, path);
  return [{ path, message: `Must be ${[...new Set(words)].join(" or ")}, but is ${show(found)}` }];
}

function isChoice(issue: Issue): boolean {
  return issue.code === "invalid_value";
}

function formWord(issue: Issue): string {
  if (issue.code === "invalid_type") return TYPE_WORDS[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return issue.values.map((value) => `"${String(value)}"`).join(", ");
  return issue.message;
}
