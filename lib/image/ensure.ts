import { join } from "node:path";
import { ensurePrivateDir } from "../host/files.ts";
import { listNames, renameFolder } from "../host/folders.ts";
import { lock } from "../host/lock.ts";
import { buildImage, removeBuildTree } from "./build.ts";
import { findBaseImage, imagesDir, readBaseImage } from "./cache.ts";
import type { OnProgress } from "./progress.ts";
import { imageKey } from "./recipe.ts";
import type { BaseImage, Recipe } from "./types.ts";

/** What {@link ensureBaseImage} takes. */
export interface EnsureOptions {
  readonly cacheDir: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal;
  readonly lockTimeoutMs: number;
}

/** Start of the names of folders that are being filled; only the holder of the lock has one. */
const BUILDING = ".building-";

/**
 * Gives the image of a recipe, from the cache or built now. Of two callers one builds, the other waits for it.
 * @throws UserError when it cannot be built, or with exit code 75 when another builder takes too long
 */
export async function ensureBaseImage(recipe: Recipe, options: EnsureOptions): Promise<BaseImage> {
  const found = await findBaseImage(recipe, options);
  if (found) return found;
  const images = imagesDir(options.cacheDir);
  await ensurePrivateDir(images);
  using _lock = await lock(join(images, "lock"), {
    command: `building the image ${recipe.name}`,
    timeoutMs: options.lockTimeoutMs,
    onWait: (holder) =>
      options.onProgress(`Waiting for process ${holder?.pid ?? "?"}, which builds an image`),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return await findBaseImage(recipe, options) ?? await build(recipe, images, options);
}

async function build(recipe: Recipe, images: string, options: EnsureOptions): Promise<BaseImage> {
  await removeLeftovers(images);
  const folder = join(images, `${BUILDING}${crypto.randomUUID().slice(0, 8)}`);
  await ensurePrivateDir(folder);
  try {
    await buildImage(recipe, folder, options);
  } catch (error) {
    await removeBuildTree(folder);
    throw error;
  }
  const place = join(images, imageKey(recipe));
  await removeBuildTree(place); // what stands there was looked at and is not whole
  await renameFolder(folder, place);
  const image = await readBaseImage(place);
  if (image === undefined) throw new Error(`The image in ${place} cannot be read back`);
  return image;
}

/** Removes what builders that were killed have left: we hold the lock, so nobody else is building. */
async function removeLeftovers(images: string): Promise<void> {
  for (const name of await listNames(images)) {
    if (name.startsWith(BUILDING)) await removeBuildTree(join(images, name));
  }
}
