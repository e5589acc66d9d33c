/** Keys whose values never show, wherever they stand in a path or inside a value. */
const SECRET_KEY = /password|token|secret|auth|credential/i;

/** What stands in place of a secret. */
const MASK = "***";

/** A value with its secrets masked: by the names of keys, and passwords inside URLs. */
export function maskSecrets(path: string, value: unknown): unknown {
  if (value === undefined || value === null || typeof value === "boolean") return value;
  if (SECRET_KEY.test(path)) return MASK;
  if (typeof value === "string") return value.replace(/(:\/\/[^/\s:@]*):[^/\s@]+@/g, `$1:${MASK}@`);
  if (Array.isArray(value)) return value.map((entry) => maskSecrets("", entry));
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, maskSecrets(key, entry)]));
}

/** A value on one line, secrets masked; words that need no quotes have none. */
export function formatValue(path: string, value: unknown): string {
  const masked = maskSecrets(path, value);
  if (masked === undefined) return "(none)";
  if (masked === MASK) return MASK;
  if (typeof masked === "string" && /^[\w./:@~+-]+$/.test(masked)) return masked;
  return JSON.stringify(masked);
}
