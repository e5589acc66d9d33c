import { yamlText } from "./yaml_text.ts";

/** Data as a program reads it. Ends with a line break. */
export function dataText(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : yamlText(value);
}
