import { join } from "node:path";
import { ensurePrivateDir, readTextIfPresent, sha256, statIfPresent, writeAtomic } from "../host/files.ts";
import type { Release } from "./catalogue.ts";
import { algorithmOf, hasDigest } from "./checksums.ts";

/** What is remembered of a release that was fetched: what it was, and who said so. */
export interface Receipt {
  readonly formatVersion: 1;
  readonly mirror: string;
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** The whole checksum file, for mirrors that are made of what is here. */
  readonly checksums: string;
  readonly fetchedAt: string;
}

/** The files of the cache of releases. */
export interface ArtifactCache {
  readonly root: string;
  readonly lock: string;
  /** The content with a digest, as its release gives it: SHA-256 or SHA-512 in hex. */
  content(digest: string): string;
  /** The content as far as it has come. */
  part(digest: string): string;
  receipt(mirror: string, path: Release["path"]): string;
}

/** Names the files; makes nothing. */
export function artifactCache(cacheDir: string): ArtifactCache {
  const root = join(cacheDir, "artifacts");
  const content = (digest: string) => join(root, algorithmOf(digest) ?? "sha256", digest);
  return {
    root,
    lock: join(root, "lock"),
    content,
    part: (digest) => `${content(digest)}.part`,
    receipt: (mirror, path) => join(root, "receipts", `${sha256(`${mirror}\n${path}`).slice(0, 16)}.json`),
  };
}

/** Makes the cache's folders. */
export async function makeCache({ root }: ArtifactCache): Promise<void> {
  for (const folder of ["sha256", "sha512", "receipts"]) await ensurePrivateDir(join(root, folder));
}

/** What is remembered of a release from a mirror; `undefined` for nothing, and for a text that is not ours. */
export async function readReceipt(
  cache: ArtifactCache,
  mirror: string,
  path: Release["path"],
): Promise<Receipt | undefined> {
  const text = await readTextIfPresent(cache.receipt(mirror, path));
  const receipt = text === undefined ? undefined : parseReceipt(text);
  return receipt?.mirror === mirror && receipt.path === path ? receipt : undefined;
}

/** Reads the text of a receipt; `undefined` for one that this program has not written: the release is fetched again. */
export function parseReceipt(text: string): Receipt | undefined {
  try {
    const receipt = JSON.parse(text) as Partial<Receipt>;
    const isWhole = receipt.formatVersion === 1 && algorithmOf(receipt.digest ?? "") !== undefined &&
      typeof receipt.checksums === "string" && typeof receipt.sizeBytes === "number";
    return isWhole ? receipt as Receipt : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export async function writeReceipt(cache: ArtifactCache, receipt: Receipt): Promise<void> {
  await writeAtomic(cache.receipt(receipt.mirror, receipt.path), JSON.stringify(receipt, undefined, 2));
}

/** How a content stands in the cache. */
export type ContentState = "good" | "absent" | "damaged";

/** Reads a content and compares it with its digest. */
export async function checkContent(
  cache: ArtifactCache,
  digest: string,
  signal?: AbortSignal,
): Promise<ContentState> {
  const path = cache.content(digest);
  if (!(await statIfPresent(path))?.isFile) return "absent";
  return await hasDigest(path, digest, signal) ? "good" : "damaged";
}
