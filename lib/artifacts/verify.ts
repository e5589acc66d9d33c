import { join } from "node:path";
import { readTextIfPresent, statIfPresent } from "../host/files.ts";
import { listNames } from "../host/folders.ts";
import { artifactCache, checkContent, parseReceipt, readReceipt } from "./cache.ts";
import type { Release } from "./catalogue.ts";
import { checksumOf, hasDigest } from "./checksums.ts";
import { mirrorName, mirrorOf, type MirrorSettings } from "./mirror.ts";

/** How a release stands in a cache or a folder. */
export type ReleaseState = "good" | "damaged" | "absent" | "no checksum";

/** What was found of one file. */
export interface Verified {
  /** As below a mirror. */
  readonly path: Release["path"];
  /** The mirror that it came from, or is in. */
  readonly mirror: string;
  /** Where the file is. */
  readonly file: string;
  readonly state: ReleaseState;
}

/** Reads everything that was fetched into the cache and compares it with its checksum. */
export async function verifyCache(cacheDir: string, signal?: AbortSignal): Promise<readonly Verified[]> {
  const cache = artifactCache(cacheDir);
  const folder = join(cache.root, "receipts");
  const found: Verified[] = [];
  for (const name of await listNames(folder)) {
    const text = name.endsWith(".json") ? await readTextIfPresent(join(folder, name)) : undefined;
    const receipt = text === undefined ? undefined : parseReceipt(text);
    if (!receipt) continue;
    const { path, mirror, digest } = receipt;
    const state = await checkContent(cache, digest, signal);
    found.push({ path, mirror, file: cache.content(digest), state });
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Compares releases in a folder of a mirror's layout with their checksums. */
export async function verifyFolder(
  folder: string,
  releases: readonly Release[],
  signal?: AbortSignal,
): Promise<readonly Verified[]> {
  const found: Verified[] = [];
  for (const { path, fileName, checksumPath } of releases) {
    const file = join(folder, path);
    const digest = checksumOf(fileName, await readTextIfPresent(join(folder, checksumPath)) ?? "");
    const isThere = (await statIfPresent(file))?.isFile ?? false;
    const state: ReleaseState = !isThere
      ? "absent"
      : digest === undefined
      ? "no checksum"
      : await hasDigest(file, digest, signal)
      ? "good"
      : "damaged";
    found.push({ path, mirror: folder, file, state });
  }
  return found;
}

/** Whether a release of a mirror was fetched, by its receipt and without reading all of it. */
export async function isCached(
  release: Release,
  { settings, cacheDir }: { readonly settings: MirrorSettings; readonly cacheDir: string },
): Promise<boolean> {
  const cache = artifactCache(cacheDir);
  const receipt = await readReceipt(cache, mirrorName(mirrorOf(settings)), release.path);
  if (!receipt) return false;
  const info = await statIfPresent(cache.content(receipt.digest));
  return info?.isFile === true && info.size === receipt.sizeBytes;
}
