import type fc from "fast-check";
import type { Simulation } from "../simulation.ts";

/** Something that holds for every machine. */
export interface Property<T> {
  /** As it is named on the command line. */
  readonly name: string;
  /** What it says, as a sentence. */
  readonly says: string;
  readonly samples: fc.Arbitrary<T>;
  /** How many samples it tries for a hundred machines, when each is many machines in itself. */
  readonly percent?: number;
  /** Tries it with a sample, on a computer without any machine. @throws Error when it does not hold */
  holds(simulation: Simulation, sample: T): Promise<void>;
}

/** A property whose samples are its own business. */
// deno-lint-ignore no-explicit-any
export type AnyProperty = Property<any>;
