import { join } from "node:path";
import { readTextIfPresent, statIfPresent } from "../host/files.ts";
import { imageKey } from "./recipe.ts";
import type { BaseImage, Recipe } from "./types.ts";

/** Names of the files of an image in its folder. */
export const IMAGE_FILE_NAMES = {
  disk: "disk.qcow2",
  kernel: "vmlinuz",
  initrd: "initrd",
  meta: "meta.json",
} as const;

/** `meta.json`: an image without the paths, which the folder gives, and what proves that it is whole. */
export interface ImageMeta extends Omit<BaseImage, "disk" | "kernel" | "initrd"> {
  readonly formatVersion: 1;
  /** Bytes of each file. */
  readonly sizes: { readonly disk: number; readonly kernel: number; readonly initrd: number };
  /** Versions of the packages that decide what the image can do. */
  readonly packages: Readonly<Record<string, string>>;
}

/** Where the images of a cache lie. */
export function imagesDir(cacheDir: string): string {
  return join(cacheDir, "images");
}

/** Looks up the image of a recipe; `undefined` when it has to be built. Writes nothing, and reads one small file. */
export async function findBaseImage(
  recipe: Recipe,
  options: { readonly cacheDir: string },
): Promise<BaseImage | undefined> {
  const key = imageKey(recipe);
  const image = await readBaseImage(join(imagesDir(options.cacheDir), key));
  return image?.key === key ? image : undefined;
}

/**
 * Reads the image in a folder.
 * @returns `undefined` when none is there, or one whose files do not have the sizes recorded when it was built
 */
export async function readBaseImage(folder: string): Promise<BaseImage | undefined> {
  const text = await readTextIfPresent(join(folder, IMAGE_FILE_NAMES.meta));
  const meta = text === undefined ? undefined : parseMeta(text);
  if (meta === undefined) return undefined;
  const { formatVersion: _format, sizes, packages: _packages, ...image } = meta;
  const path = (part: keyof typeof sizes) => join(folder, IMAGE_FILE_NAMES[part]);
  for (const part of ["disk", "kernel", "initrd"] as const) {
    const info = await statIfPresent(path(part));
    if (!info?.isFile || info.size !== sizes[part]) return undefined;
  }
  return { ...image, disk: path("disk"), kernel: path("kernel"), initrd: path("initrd") };
}

/** `undefined` for a text that this program has not written: the image is then built again. */
function parseMeta(text: string): ImageMeta | undefined {
  try {
    const meta = JSON.parse(text) as ImageMeta;
    return meta.formatVersion === 1 && typeof meta.sizes?.disk === "number" ? meta : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
