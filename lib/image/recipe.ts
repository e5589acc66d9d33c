import { sha256 } from "../host/files.ts";
import { customizeScript, DPKG_OPTIONS, prepareScript } from "./customize.ts";
import { COMMAND_LINE } from "./files.ts";
import { imagePackages } from "./packages.ts";
import { SUITE } from "./sources.ts";
import type { Recipe } from "./types.ts";

/** Raised when the way of building changes in a way that no text below shows. */
const BUILD_VERSION = 1;

/** Size of the file system that is built, in MiB; it grows to its disk when the machine boots. */
export const SIZE_MIB = 4096;

/**
 * Names what a recipe gives: everything that goes into the image, but neither where its packages come from nor
 * when. Another key is another image.
 */
export function imageKey(recipe: Recipe): string {
  const packages = imagePackages(recipe);
  const parts = [
    BUILD_VERSION,
    recipe.name,
    recipe.arch,
    SUITE,
    SIZE_MIB,
    COMMAND_LINE,
    packages,
    DPKG_OPTIONS,
    prepareScript(),
    customizeScript(),
  ];
  return `${recipe.name}-${recipe.arch}-${sha256(JSON.stringify(parts)).slice(0, 16)}`;
}
