import { safeParse } from "zod";
import { isList } from "./json.ts";
import { machineJsonSchema } from "./json_schema.ts";
import { parsePath } from "./path.ts";
import type { EffectRule, MergeRule } from "./schema/field.ts";
import { defaultOf, type ListedField, listFields, schemaAt } from "./schema/walk.ts";
import type { Json } from "./types.ts";
import { choice, code, isSchema, type JsonSchema, valueWords } from "./value_words.ts";

/** Columns of a line: those of `deno fmt`, which has nothing left to change then. */
const COLUMNS = 110;

/** The text of docs/fields.md: every key of the format, made from the schema alone. */
export function renderFieldReference(): string {
  const root = machineJsonSchema();
  if (!isSchema(root)) throw new Error("The schema of the machine file is no map");
  const fields = listFields();
  const later = fields.filter((field) => isLater(field, fields)).length;
  const count = `The format has ${fields.length} keys: ${fields.length - later} of them work today, ` +
    `${later} are marked "not supported yet".`;
  return [
    ...INTRODUCTION.split("\n\n").map(wrapList),
    wrap(count),
    ...blocksOf(fields).flatMap((block) => [
      `## ${block[0]!.path}`,
      block.map((field) => wrap(`- ${entryOf(field, root, fields)}`, "  ")).join("\n"),
    ]),
  ].join("\n\n") + "\n";
}

const INTRODUCTION = `# machine.yaml, key by key

<!-- Made from lib/config/schema by \`deno task docs\`; a test compares it. Do not edit it by hand. -->

A machine file is YAML 1.2. Each of its documents, with \`---\` between them, is a machine with a name of its own. Every key at the top may be left out: \`apiVersion: machine/v1\` alone is a machine. A key that is unknown or not supported yet is an error with its line and column; nothing is ignored. \`machine schema\` prints the same format as JSON Schema, for editors. [profiles/docker.yaml](../profiles/docker.yaml) is an example to copy.

- **Sizes** have a unit, \`KiB\`, \`MiB\`, \`GiB\` or \`TiB\`, in powers of two. \`4GiB\` and \`4096MiB\` mean the same.
- **Paths** of the host may be relative to the folder of the file; \`~\` is your home folder. A bare \`~\` is null in YAML, so it stands in quotes.
- **Variables**: in a text, \`\${env:NAME}\` gives a variable of the environment, and \`\${env:NAME:-default}\` a default where it is not set or empty. \`$\${\` gives a plain \`\${\`. What a variable gives is a text, never a number or a boolean.
- **Change** says what a change of the key can cost. \`live\`: nothing is interrupted. \`service\`: a daemon in the guest restarts, and containers may stop. \`restart\`: the VM restarts. \`recreate\`: the system disk is made anew, the data disk stays. \`data-loss\`: something that holds your data goes. \`identity\`: it names another machine. \`none\`: nothing happens. What a change at hand costs, \`machine diff\` says.
- **Extends**: the profiles and files in \`extends\` are laid over each other from left to right, then the file itself over all of them. A file that is extended has one document and may extend others; its relative paths start at its own folder. Its \`apiVersion\`, \`name\` and \`extends\` are its own and are not inherited: a machine is named by the file that declares it.
- **Merge** says how a key meets the same key of a file that is extended; where nothing is said, the value that is said last stands alone. \`!override\` before a value lets it stand alone in any case, with nothing of what is extended; \`!reset null\` goes back to the default.
- In a path, \`[]\` is any entry of a list and \`*\` any key of a map.`;

/** A key below one that is not supported is not supported either. */
function isLater(field: ListedField, fields: readonly ListedField[]): boolean {
  const isAbove = ({ path }: ListedField) =>
    field.path.startsWith(`${path}.`) || field.path.startsWith(`${path}[`);
  return fields.some((other) => (other === field || isAbove(other)) && other.support === "later");
}

/** The keys of each key at the top of the file, with that key first. */
function blocksOf(fields: readonly ListedField[]): ListedField[][] {
  const blocks = new Map<string, ListedField[]>();
  for (const field of fields) {
    const top = /^[^.[]+/.exec(field.path)![0];
    blocks.set(top, [...blocks.get(top) ?? [], field]);
  }
  return [...blocks.values()];
}

function entryOf(field: ListedField, root: JsonSchema, fields: readonly ListedField[]): string {
  const only = field.supported && `_For now ${choice(field.supported.map(code))}._`;
  const support = isLater(field, fields) ? "_Not supported yet._" : only;
  const schema = jsonSchemaAt(root, field.path);
  const facts = [
    `value: ${valueWords(schema)}`,
    `default: ${defaultWords(field, schema)}`,
    `change: ${effectWords(field.effect)}`,
    ...(field.merge === "replace" ? [] : [`merge: ${mergeWords(field.merge, field.identity)}`]),
  ].join("; ");
  const sentence = `${facts[0]!.toUpperCase()}${facts.slice(1)}.`;
  return [`\`${field.path}\`: ${field.description}.`, support, sentence]
    .filter((part) => part !== undefined).join(" ");
}

/** What stands at a path of the format, as JSON Schema; of a choice, the member that has the next step. */
function jsonSchemaAt(root: JsonSchema, path: string): JsonSchema {
  let schema: JsonSchema | undefined = root;
  for (const step of path.replaceAll("[]", ".[]").split(".")) schema = schema && stepInto(schema, step);
  if (schema === undefined) throw new Error(`The JSON Schema has no ${path}`);
  return schema;
}

function stepInto(schema: JsonSchema, step: string): JsonSchema | undefined {
  const inner = step === "[]"
    ? schema.items
    : step === "*"
    ? schema.additionalProperties
    : schema.properties?.[step];
  if (isSchema(inner)) return inner;
  for (const option of schema.anyOf ?? []) {
    const found = isSchema(option) ? stepInto(option, step) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function defaultWords(field: ListedField, jsonSchema: JsonSchema): string {
  if (field.defaultNote !== undefined) return field.defaultNote;
  const schema = schemaAt(parsePath(field.path.replaceAll("[]", "[0]")));
  if (schema === undefined) throw new Error(`The schema has no ${field.path}`);
  const value = defaultOf(schema);
  if (value === undefined) return safeParse(schema, undefined).success ? "none" : "none, it must be given";
  if (!isEmptyMap(value)) return code(value);
  return jsonSchema.properties ? "what the keys below say" : "an empty map";
}

function isEmptyMap(value: Json): boolean {
  return typeof value === "object" && value !== null && !isList(value) && Object.keys(value).length === 0;
}

function effectWords(effect: EffectRule): string {
  if (typeof effect === "string") return code(effect);
  return Object.entries(effect).map(([when, cost]) => `${code(cost)} (${WHEN[when] ?? when})`).join(", ");
}

/** The cases of an effect that depends on the change, in words. */
const WHEN: Readonly<Record<string, string>> = {
  grow: "larger",
  shrink: "smaller",
  none: "`none`",
  attach: "a machine that has none gets one",
  add: "a new one",
  remove: "taken out",
  delete: "deleted for good",
  share: "the VM has to share another folder",
  remount: "mounted anew",
  start: "where no engine was",
  stop: "the former one stops",
  reload: "keys that dockerd reloads",
  restart: "keys that it reads when it starts",
  other: "other keys",
  newCluster: "keys that make a new cluster",
  shells: "new shells",
  daemons: "daemons",
};

function mergeWords(merge: Exclude<MergeRule, "replace">, identity: readonly string[] | undefined): string {
  switch (merge) {
    case "deep":
      return "key by key";
    case "unite":
      return "both lists as one set";
    case "by-identity":
      return `entry by entry; the same ${(identity ?? []).map(code).join(" and ")} is the same entry`;
  }
}

/** Every item of a list wrapped for itself; other text as one paragraph. */
function wrapList(text: string): string {
  return text.startsWith("- ")
    ? text.split("\n").map((item) => wrap(item, "  ")).join("\n")
    : text.startsWith("<!--")
    ? text
    : wrap(text);
}

/** Breaks a paragraph at spaces, but not inside of `code`. */
function wrap(text: string, indent = ""): string {
  let line = "";
  const lines: string[] = [];
  for (const word of text.match(/(?:`[^`]*`|[^ `])+/g) ?? []) {
    if (line !== "" && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = indent + word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
