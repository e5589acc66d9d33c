import { hashFile } from "../host/files.ts";

/** Checksum files are short; something longer is something else. */
export const MOST_CHECKSUM_BYTES = 2 ** 20;

/** How releases are told to be whole; the length of a digest in hex says which it is. */
export type Algorithm = "sha256" | "sha512";

const ALGORITHMS: Readonly<Record<number, Algorithm>> = { 64: "sha256", 128: "sha512" };

/** The algorithm of a digest in hex; `undefined` for what is none. */
export function algorithmOf(digest: string): Algorithm | undefined {
  return /^[0-9a-fA-F]+$/.test(digest) ? ALGORITHMS[digest.length] : undefined;
}

/** Whether a file's content has a digest. */
export async function hasDigest(path: string, digest: string, signal?: AbortSignal): Promise<boolean> {
  return await digestLike(path, digest, signal) === digest;
}

/** The digest of a file's content in hex, by the algorithm of another digest. */
export async function digestLike(path: string, digest: string, signal?: AbortSignal): Promise<string> {
  return await hashFile(path, { algorithm: algorithmOf(digest) ?? "sha256", ...(signal ? { signal } : {}) });
}

/**
 * Finds a file's digest in the text of a checksum file: lines of sha256sum(1) or sha512sum(1), `HEX  NAME` or
 * `HEX *NAME`, the name with or without folders before it; or a single HEX where the file is about one file alone.
 * @returns lower-case hex; `undefined` when the text does not tell it
 */
export function checksumOf(fileName: string, text: string): string | undefined {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  for (const line of lines) {
    const [, hex, name] = /^\\?([0-9a-fA-F]+) [ *](.+)$/.exec(line) ?? [];
    if (hex === undefined || algorithmOf(hex) === undefined) continue;
    if (name!.slice(name!.lastIndexOf("/") + 1) === fileName) return hex.toLowerCase();
  }
  const [only, ...others] = lines;
  return others.length === 0 && algorithmOf(only ?? "") ? only!.toLowerCase() : undefined;
}
