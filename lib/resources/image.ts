import { findBaseImage } from "../image/cache.ts";
import { ensureBaseImage } from "../image/ensure.ts";
import { packagesFor } from "../image/packages.ts";
import type { BaseImage, Recipe } from "../image/types.ts";
import type { Observed } from "../plan/types.ts";
import { statIfPresent } from "../host/files.ts";
import type { Job, Kind, World } from "./contract.ts";

const LOCK_TIMEOUT_MS = 30 * 60_000;

/** What goes into the base image of a machine. */
export function recipeFor(world: World): Recipe | undefined {
  const machine = world.machine;
  if (!machine) return undefined;
  return {
    name: machine.vm.image.name,
    arch: machine.vm.arch,
    packages: packagesFor(machine.runtime.engine),
  };
}

/**
 * The base image in the cache. Only its being there is compared: what was baked into it is a cache of work,
 * and the system disk keeps the base that it was made on.
 */
export const imageKind: Kind<Recipe, BaseImage> = {
  kind: "image",
  phase: 1,
  realm: "machine",
  path: () => "vm.image",
  dependsOn: () => [],
  desired: (world) => {
    const recipe = recipeFor(world);
    return new Map(recipe ? [["image", recipe]] : []);
  },
  async observe(world, _look, desired) {
    const recipe = desired.get("image");
    const base = await recordedBase(world) ??
      (recipe && await findBaseImage(recipe, { cacheDir: world.cacheDir }));
    const observed: Observed<BaseImage> = base
      ? { state: "present", value: base, owned: false } // shared by machines: no machine takes it away
      : { state: "absent" };
    return new Map([["image", observed]]);
  },
  compare: () => [],
  creation: (world) => ({
    effect: "live",
    reason: world.record?.base ? "the base image under the system disk is gone" : "is built on this computer",
  }),
  apply: async (job, recipe) => {
    await baseFor(job, recipe);
  },
  undo: () => Promise.resolve(),
};

/** The base image that a machine's recipe asks for, built now if the cache does not hold it. */
export async function baseFor(job: Job, recipe: Recipe): Promise<BaseImage> {
  return await ensureBaseImage(recipe, {
    cacheDir: job.world.cacheDir,
    onProgress: job.progress,
    signal: job.signal,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  });
}

/** The base that the system disk was made on, as long as its files are there. */
async function recordedBase(world: World): Promise<BaseImage | undefined> {
  const base = world.record?.base;
  if (!base) return undefined;
  for (const file of [base.disk, base.kernel, base.initrd]) {
    if (await statIfPresent(file) === undefined) return undefined;
  }
  return base;
}
