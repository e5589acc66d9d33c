import type { Finding } from "./finding.ts";
import { isList } from "./json.ts";
import type { Path } from "./path.ts";
import type { Json } from "./types.ts";

/** Gives a variable of the environment; `undefined` when it is not set. */
export type Lookup = (name: string) => string | undefined;

/** What expanding gave. */
export interface Expanded {
  readonly value: Json;
  readonly findings: readonly Finding[];
}

/**
 * Replaces `${env:NAME}` and `${env:NAME:-default}` in every text of a value; the default also stands in for an
 * empty variable, as in a shell. `$${` gives `${`. Other uses of `$` are left alone: scripts are full of them.
 */
export function expandTexts(value: Json, lookup: Lookup): Expanded {
  const findings: Finding[] = [];
  const expand = (node: Json, path: Path): Json => {
    if (typeof node === "string") {
      return expandText(node, lookup, (problem) => findings.push({ path, ...problem }));
    }
    if (isList(node)) return node.map((item, index) => expand(item, [...path, index]));
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, expand(item, [...path, key])]));
  };
  return { value: expand(value, []), findings };
}

type Report = (problem: { message: string; remedy: string }) => void;

function expandText(text: string, lookup: Lookup, report: Report): string {
  return text.replaceAll(
    /\$\$\{|\$\{(env|cmd):([^}]*)(\}?)/g,
    (whole, kind?: string, body = "", end = "") => {
      if (whole === "$${") return "${";
      if (kind === "cmd") {
        report({
          message: `"${whole}" is not supported yet`,
          remedy: "Set an environment variable and use ${env:NAME}",
        });
        return whole;
      }
      const parts = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(body);
      if (!parts || end === "") {
        report({
          message: `"${whole}" does not name a variable`,
          remedy: "Write ${env:NAME} or ${env:NAME:-default}; $${ gives a plain ${",
        });
        return whole;
      }
      const [, name = "", fallback] = parts;
      const found = lookup(name);
      if (fallback !== undefined) return found || fallback;
      if (found !== undefined) return found;
      report({
        message: `The environment variable "${name}" is not set`,
        remedy: `Set it, or give a default: \${env:${name}:-default}`,
      });
      return whole;
    },
  );
}
