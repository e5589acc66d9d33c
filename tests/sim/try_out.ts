import fc from "fast-check";
import { stringify } from "yaml";
import { USUAL_SETTING } from "./host_setting.ts";
import type { AnyProperty } from "./properties/property.ts";
import { Simulation } from "./simulation.ts";

/** How many samples, and which ones. */
export interface Amount {
  readonly machines: number;
  readonly seed: number;
  /** The place of one sample among them, as a failure names it. */
  readonly path?: string;
  /** Leaves a sample that fails as it is, instead of looking for a smaller one. */
  readonly isQuick?: true;
}

/** What came of trying a property out. */
export type Tried =
  | { readonly holds: true; readonly machines: number; readonly ms: number }
  | { readonly holds: false; readonly failure: string; readonly machines: number; readonly ms: number };

/** How long a smaller sample that fails is looked for. */
const SHRINK_MS = 30_000;

/** Tries a property with random samples; of one that fails the smallest is told. */
export async function tryOut(
  property: AnyProperty,
  { machines, seed, path, isQuick }: Amount,
): Promise<Tried> {
  const started = performance.now();
  let failedAt = Infinity;
  await using simulation = await Simulation.make();
  const tried = await fc.check(
    fc.asyncProperty(property.samples, async (sample) => {
      if (performance.now() - failedAt > SHRINK_MS) return; // the smallest that was found so far is small enough
      simulation.setHost(USUAL_SETTING);
      await simulation.clear();
      try {
        await property.holds(simulation, sample);
      } catch (error) {
        failedAt = Math.min(failedAt, performance.now());
        throw error;
      }
    }),
    {
      numRuns: Math.max(1, Math.round(machines * (property.percent ?? 100) / 100)),
      seed,
      ...(path === undefined ? {} : { path }),
      endOnFailure: isQuick ?? false,
    },
  );
  const ms = performance.now() - started;
  if (!tried.failed) return { holds: true, machines: tried.numRuns, ms };
  const failure = [
    `"${property.name}" does not hold: ${property.says}`,
    `Again: deno task sim --property ${property.name} --seed ${tried.seed} --path ${tried.counterexamplePath}`,
    stringify(JSON.parse(JSON.stringify(tried.counterexample?.[0] ?? null)), {
      aliasDuplicateObjects: false,
    }),
    tried.errorInstance instanceof Error ? tried.errorInstance.stack : String(tried.errorInstance),
  ].join("\n");
  return { holds: false, failure, machines: tried.numRuns, ms };
}
