import { effectOf } from "../config/effects.ts";
import { bakedFor } from "../image/packages.ts";
import type { BaseImage, Recipe } from "../image/types.ts";
import type { Observed } from "../plan/types.ts";
import type { Job, Kind, World } from "./contract.ts";

/** What goes into the base image of a machine. */
export function recipeFor(world: World): Recipe | undefined {
  const machine = world.machine;
  if (!machine) return undefined;
  return {
    name: machine.vm.image.name,
    arch: machine.vm.arch,
    packages: bakedFor(machine.runtime.engine),
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
      (recipe && await world.platform.images.find(recipe, world.cacheDir));
    const observed: Observed<BaseImage> = base
      ? { state: "present", value: base, owned: false } // shared by machines: no machine takes it away
      : { state: "absent" };
    return new Map([["image", observed]]);
  },
  compare: () => [],
  expected: ({ name, arch }) => ({
    name,
    arch,
    key: "",
    disk: "",
    digest: "",
    kernel: "",
    initrd: "",
    commandLine: "",
    sizeMiB: 0,
    builtAt: "",
  }),
  creation: (world) => ({
    effect: effectOf("image"),
    reason: world.record?.base ? "the base image under the system disk is gone" : "is built on this computer",
  }),
  apply: async (job, recipe) => {
    await baseFor(job, recipe);
  },
  undo: () => Promise.resolve(),
  // The cache is nobody's machine: it may be filled before anything that runs is stopped for it.
  async preflight(jobs) {
    for (const { job, desired } of jobs) if (desired) await baseFor(job, desired);
  },
};

/** The base image that a machine's recipe asks for, built now if the cache does not hold it. */
export async function baseFor(job: Job, recipe: Recipe): Promise<BaseImage> {
  return await job.world.platform.images.ensure(recipe, job.world.cacheDir, job);
}

/** The base that the system disk was made on, as long as its files are there. */
async function recordedBase({ record, platform }: World): Promise<BaseImage | undefined> {
  return record?.base && await platform.images.isWhole(record.base) ? record.base : undefined;
}
