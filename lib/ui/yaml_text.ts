/**
 * Writes plain values as YAML, for people to read and to paste. It is no library's work because the form is small:
 * block style, and every text that is not plainly a word in double quotes, which YAML 1.2 reads as JSON does.
 */

/** A value as a document of its own; ends with a line break. */
export function yamlText(value: unknown): string {
  const lines = blockLines(JSON.parse(JSON.stringify(value) ?? "null"));
  return `${lines.join("\n")}\n`;
}

/** A text on one line as YAML reads it back. */
export function yamlScalar(value: null | boolean | number | string): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return isWord(value) ? value : JSON.stringify(value).replace(UNPRINTABLE, escape);
}

/** The lines of a value, without indentation of their own. */
export function blockLines(value: unknown): string[] {
  if (Array.isArray(value)) {
    return value.length === 0 ? ["[]"] : value.flatMap((entry) => indented(blockLines(entry), "- ", "  "));
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    return entries.length === 0 ? ["{}"] : entries.flatMap(([key, entry]) => keyLines(key, entry));
  }
  return [yamlScalar(value as null | boolean | number | string)];
}

/** A key with its value, below it where that is longer than a line. */
function keyLines(key: string, value: unknown): string[] {
  const name = yamlScalar(key);
  const literal = typeof value === "string" ? literalLines(value) : undefined;
  if (literal) return [`${name}: ${literal[0]}`, ...indented(literal.slice(1), "  ", "  ")];
  const lines = blockLines(value);
  const isBlock = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  return isBlock ? [`${name}:`, ...indented(lines, "  ", "  ")] : [`${name}: ${lines[0]}`];
}

/** A text of several lines as a literal block; `undefined` where one could not hold it unchanged. */
function literalLines(text: string): string[] | undefined {
  const isPlain = text.includes("\n") && !/^[\s]|[^\n]\n{2,}$|[ \t]$|^\n/.test(text) &&
    !text.includes("\r") &&
    !UNPRINTABLE_TEST.test(text) && !/[ \t]\n/.test(text);
  if (!isPlain) return undefined;
  const keepsEnd = text.endsWith("\n");
  return [keepsEnd ? "|" : "|-", ...(keepsEnd ? text.slice(0, -1) : text).split("\n")];
}

function indented(lines: readonly string[], first: string, others: string): string[] {
  return lines.map((line, index) => line === "" ? "" : `${index === 0 ? first : others}${line}`);
}

/** Words that no reader of YAML takes for a number, a truth value, a date or a mark, also not one of YAML 1.1. */
function isWord(text: string): boolean {
  if (/^\d+[KMGT]iB$/.test(text)) return true;
  if (!/^[A-Za-z/~][\w./+@~-]*(:[\w./+@~-]+)*$/.test(text) || text === "~") return false;
  return !/^(y|n|yes|no|on|off|true|false|null|nan|inf)$/i.test(text);
}

// What YAML does not print as it is (YAML 1.2, 5.1).
const UNPRINTABLE = /[\x7f-\x9f\ufeff\ufffe\uffff\u2028\u2029]/g;
// deno-lint-ignore no-control-regex -- the same, and what JSON escapes too, but for line breaks and tabs
const UNPRINTABLE_TEST = /[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\u2028\u2029]/;

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
