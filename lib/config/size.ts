const UNITS_IN_KIB: Readonly<Record<string, number>> = { KiB: 1, MiB: 2 ** 10, GiB: 2 ** 20, TiB: 2 ** 30 };

/** A size in MiB, or what is wrong with it and how to write it. */
export type SizeResult =
  | { readonly ok: true; readonly sizeMiB: number }
  | { readonly ok: false; readonly message: string; readonly remedy: string };

/**
 * Reads a size such as `4GiB` or `1.5GiB`. Units are powers of two and are never guessed, because
 * 4G is 4·10⁹ bytes to some programs and 4·2³⁰ to others.
 */
export function parseSize(value: unknown): SizeResult {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") {
    return wrong("Must be a size, a number with a unit", "Write for example 4GiB");
  }
  const parts = /^([+-]?)(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  if (!parts) {
    return wrong(
      `${JSON.stringify(text)} is not a size`,
      "Write a number and KiB, MiB, GiB or TiB, as in 4GiB",
    );
  }
  const [, sign, digits = "", unit = ""] = parts;
  if (unit === "") return wrong(`The size ${text} has no unit`, `Write ${digits}MiB or ${digits}GiB`);
  const unitKiB = UNITS_IN_KIB[unit];
  if (unitKiB === undefined) {
    return wrong(`"${unit}" is not a unit of sizes`, `Write ${digits}${meantUnit(unit)}`);
  }
  if (sign === "-" || Number(digits) === 0) {
    return wrong(`The size ${text} is not more than zero`, "Write a size above zero");
  }
  const sizeMiB = Number(digits) * unitKiB / 1024;
  if (Number.isSafeInteger(sizeMiB)) return { ok: true, sizeMiB };
  return wrong(
    `The size ${text} is not a whole number of MiB`,
    `Write ${Math.max(1, Math.round(sizeMiB))}MiB`,
  );
}

/** Writes a size in the largest unit that needs no fraction. */
export function formatSize(sizeMiB: number): string {
  if (sizeMiB % 2 ** 20 === 0) return `${sizeMiB / 2 ** 20}TiB`;
  return sizeMiB % 1024 === 0 ? `${sizeMiB / 1024}GiB` : `${sizeMiB}MiB`;
}

function meantUnit(unit: string): string {
  const first = unit[0]?.toUpperCase() ?? "";
  return Object.keys(UNITS_IN_KIB).find((known) => known.startsWith(first)) ?? "GiB";
}

function wrong(message: string, remedy: string): SizeResult {
  return { ok: false, message, remedy };
}
