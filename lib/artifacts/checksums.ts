/** Checksum files are short; something longer is something else. */
export const MOST_CHECKSUM_BYTES = 2 ** 20;

/**
 * Finds a file's SHA-256 in the text of a checksum file: lines of sha256sum(1), `HEX  NAME` or `HEX *NAME`, the name
 * with or without folders before it; or a single HEX where the file is about one file alone.
 * @returns lower-case hex; `undefined` when the text does not tell it
 */
export function checksumOf(fileName: string, text: string): string | undefined {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  for (const line of lines) {
    const [, hex, name] = /^\\?([0-9a-fA-F]{64}) [ *](.+)$/.exec(line) ?? [];
    if (hex !== undefined && name!.slice(name!.lastIndexOf("/") + 1) === fileName) return hex.toLowerCase();
  }
  const [only, ...others] = lines;
  return others.length === 0 && /^[0-9a-fA-F]{64}$/.test(only ?? "") ? only!.toLowerCase() : undefined;
}
