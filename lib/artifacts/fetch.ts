import { dirname, join } from "node:path";
import { UserError } from "../host/errors.ts";
import {
  ensurePrivateDir,
  readTextIfPresent,
  removeIfPresent,
  renameDurably,
  statIfPresent,
  writeAtomic,
} from "../host/files.ts";
import { kindOf } from "../host/input.ts";
import { type Holder, lock } from "../host/lock.ts";
import { openGrowing, piecesOf } from "../host/pieces.ts";
import {
  type ArtifactCache,
  artifactCache,
  checkContent,
  makeCache,
  readReceipt,
  type Receipt,
  writeReceipt,
} from "./cache.ts";
import type { Release } from "./catalogue.ts";
import { checksumOf, digestLike, hasDigest } from "./checksums.ts";
import { downloadText, downloadTo, mebibytes, type OnProgress } from "./download.ts";
import { type Mirror, mirrorName, mirrorOf, type MirrorSettings, placeIn } from "./mirror.ts";

/** Where a release is taken from and put, and who hears of it. */
export interface FetchOptions {
  readonly settings: MirrorSettings;
  readonly cacheDir: string;
  readonly onProgress?: OnProgress;
  readonly onWait?: (holder: Holder | undefined) => void;
  readonly signal?: AbortSignal;
  /** How long a mirror may be silent; half a minute when left out. */
  readonly stallMs?: number;
}

/** A release in the cache, its content compared with its checksum just now. */
export interface CachedRelease {
  readonly release: Release;
  /** Its file on this computer. */
  readonly path: string;
  /** As its release gives it, SHA-256 or SHA-512 in hex. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** The checksum file that vouches for it. */
  readonly checksums: string;
  /** Whether it was there before. */
  readonly wasCached: boolean;
}

/** Another command may be fetching a large file over a slow line. */
const LOCK_TIMEOUT_MS = 60 * 60_000;

/**
 * Brings a release into the cache: nothing that was fetched and is whole is fetched again, and nothing gets in whose
 * checksum is missing or wrong.
 * @throws UserError with the cause and the way out; the signal's reason when that aborts
 */
export async function fetchRelease(release: Release, options: FetchOptions): Promise<CachedRelease> {
  const cache = artifactCache(options.cacheDir);
  await makeCache(cache);
  using _held = await lock(cache.lock, {
    command: `machine artifacts fetch ${release.name}`,
    timeoutMs: LOCK_TIMEOUT_MS,
    ...(options.onWait ? { onWait: options.onWait } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const mirror = mirrorOf(options.settings);
  const known = await readReceipt(cache, mirrorName(mirror), release.path);
  if (known && await checkContent(cache, known.digest, options.signal) === "good") {
    return cached(release, { cache, receipt: known, wasCached: true });
  }
  if (mirror.kind === "web" && options.settings.offline) throw offlineError(release, mirror);
  const checksums = await checksumsOf(release, mirror, options);
  const digest = checksumOf(release.fileName, checksums);
  if (digest === undefined) {
    throw new UserError(`${placeIn(mirror, release.checksumPath)} has no checksum of ${release.fileName}`, {
      hint: `Without one it is not used: complete the mirror, or name another artifacts.mirror`,
    });
  }
  const wasCached = await checkContent(cache, digest, options.signal) === "good";
  if (!wasCached) await bring(release, { cache, mirror, digest, options });
  const receipt: Receipt = {
    formatVersion: 1,
    mirror: mirrorName(mirror),
    path: release.path,
    digest,
    sizeBytes: (await statIfPresent(cache.content(digest)))!.size,
    checksums,
    fetchedAt: new Date().toISOString(),
  };
  await writeReceipt(cache, receipt);
  return cached(release, { cache, receipt, wasCached });
}

/** Puts a release and its checksum file into a folder, which is a mirror then. Gives where the release is. */
export async function addToMirror(found: CachedRelease, folder: string): Promise<string> {
  const to = join(folder, found.release.path);
  await ensurePrivateDir(dirname(to));
  const part = `${to}.part`;
  if ((await statIfPresent(to))?.size !== found.sizeBytes || !await hasDigest(to, found.digest)) {
    await copyFile(found.path, part, {});
    await renameDurably(part, to, 0o644);
  }
  await writeAtomic(join(folder, found.release.checksumPath), found.checksums, 0o644);
  return to;
}

interface Kept {
  readonly cache: ArtifactCache;
  readonly receipt: Receipt;
  readonly wasCached: boolean;
}

function cached(release: Release, { cache, receipt, wasCached }: Kept): CachedRelease {
  const { digest, sizeBytes, checksums } = receipt;
  return { release, path: cache.content(digest), digest, sizeBytes, checksums, wasCached };
}

async function checksumsOf(release: Release, mirror: Mirror, options: FetchOptions): Promise<string> {
  const place = placeIn(mirror, release.checksumPath);
  options.onProgress?.(`asking for the checksum of ${release.fileName}`);
  if (mirror.kind === "folder") await requireFolder(mirror.folder);
  const text = mirror.kind === "folder"
    ? await readTextIfPresent(place)
    : await downloadText(place, { ...downloadOptions(mirror, options) });
  if (text !== undefined) return text;
  throw new UserError(`There is no checksum of ${release.fileName}: ${place} does not exist`, {
    hint:
      "artifacts.mirror needs the layout of the official addresses, with the checksum file of each release: " +
      "machine artifacts fetch --to FOLDER makes such a folder",
  });
}

async function requireFolder(folder: string): Promise<void> {
  if (await kindOf(folder) === "folder") return;
  throw new UserError(`The folder of artifacts.mirror does not exist: ${folder}`, {
    hint: "Name another artifacts.mirror; machine artifacts fetch --to FOLDER makes such a folder",
  });
}

function downloadOptions(mirror: Mirror & { readonly kind: "web" }, options: FetchOptions) {
  return {
    ...(mirror.authorization === undefined ? {} : { authorization: mirror.authorization }),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
  };
}

interface Bringing {
  readonly cache: ArtifactCache;
  readonly mirror: Mirror;
  readonly digest: string;
  readonly options: FetchOptions;
}

/** Brings the content with a digest into the cache. What was gone on with and turns out wrong is fetched once more. */
async function bring(release: Release, { cache, mirror, digest, options }: Bringing): Promise<void> {
  const [place, part] = [placeIn(mirror, release.path), cache.part(digest)];
  const { onProgress, signal } = options;
  const report: OnProgress = (text, fraction) =>
    onProgress?.(`fetching ${release.fileName}: ${text}`, fraction);
  let goesOn: boolean;
  do {
    if (mirror.kind === "folder") {
      goesOn = false;
      await requireFile(release, place);
      await copyFile(place, part, { onProgress: report, ...(signal ? { signal } : {}) });
    } else {
      goesOn = await downloadTo(place, part, { ...downloadOptions(mirror, options), onProgress: report });
    }
    onProgress?.(`comparing ${release.fileName} with its checksum`);
    const got = await digestLike(part, digest, signal);
    if (got === digest) return await renameDurably(part, cache.content(digest), 0o600);
    for (const file of [part, `${part}.json`]) await removeIfPresent(file);
    if (goesOn) continue;
    throw new UserError(`The checksum of ${place} is wrong: it is ${got}, and should be ${digest}`, {
      hint:
        "Nothing of it is used. The mirror's file is damaged or was replaced: name another artifacts.mirror",
    });
  } while (goesOn);
}

async function requireFile(release: Release, place: string): Promise<void> {
  if (await kindOf(place) === "file") return;
  throw new UserError(`${release.fileName} is not in the mirror: ${place} does not exist`, {
    hint: "machine artifacts fetch --to FOLDER fills such a folder",
  });
}

/** Copies a file piece by piece, so that a large one can be interrupted. */
async function copyFile(
  from: string,
  to: string,
  { onProgress, signal }: { readonly onProgress?: OnProgress; readonly signal?: AbortSignal },
): Promise<void> {
  const totalBytes = (await statIfPresent(from))?.size ?? 0;
  using file = await openGrowing(to, true);
  let copiedBytes = 0;
  for await (const piece of piecesOf(from, signal)) {
    await file.write(piece);
    copiedBytes += piece.length;
    if (totalBytes > 0) {
      onProgress?.(mebibytes(copiedBytes, totalBytes), Math.min(copiedBytes / totalBytes, 1));
    }
  }
  await file.sync();
}

function offlineError(release: Release, mirror: Mirror): UserError {
  return new UserError(
    `${release.fileName} is not in the cache, and artifacts.offline forbids to fetch it from ${
      mirrorName(mirror)
    }`,
    {
      hint: `Set artifacts.offline: false and run machine artifacts fetch ${release.name}, ` +
        "or name a folder as artifacts.mirror",
    },
  );
}
