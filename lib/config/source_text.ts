import { messageOf } from "../host/errors.ts";
import { readUpTo } from "../host/input.ts";
import { YAML_LIMITS } from "./yaml.ts";

/** The text of a machine file, or what keeps it from being read. */
export type TextResult =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "wrong"; readonly message: string; readonly remedy: string };

/** Reads a machine file: a text in UTF-8 of at most 1 MiB. */
export async function readSourceText(path: string): Promise<TextResult> {
  try {
    const bytes = await readUpTo(path, YAML_LIMITS.bytes + 1);
    return bytes ? decodeSourceText(bytes) : { kind: "missing" };
  } catch (error) {
    return {
      kind: "wrong",
      message: `The file cannot be read: ${messageOf(error)}`,
      remedy: "Name a text file that you may read",
    };
  }
}

/** Takes what was read, e.g. from standard input, for a machine file. */
export function decodeSourceText(input: string | Uint8Array): TextResult {
  const size = typeof input === "string" ? new TextEncoder().encode(input).length : input.length;
  if (size > YAML_LIMITS.bytes) {
    return {
      kind: "wrong",
      message: "The file is larger than 1 MiB",
      remedy: "Move generated content out of the machine file",
    };
  }
  let text: string;
  try {
    text = typeof input === "string" ? input : new TextDecoder("utf-8", { fatal: true }).decode(input);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { kind: "wrong", message: "The file is not valid UTF-8", ...NOT_A_TEXT };
  }
  if (!text.includes("\0")) return { kind: "text", text };
  return { kind: "wrong", message: "The file is binary: it holds a NUL byte", ...NOT_A_TEXT };
}

const NOT_A_TEXT = {
  remedy: "A machine file is YAML, a text in UTF-8; look whether this is the file you meant",
};
