/** Numbers from 0 up to 1 that a seed repeats (Mulberry32, which is small and even enough for choices). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: MACHINE_TEST_SEED to repeat one, else another one each time. It is printed. */
export function seedOf(what: string): number {
  const given = Deno.env.get("MACHINE_TEST_SEED");
  const seed = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : Number(given);
  console.log(`${what}: MACHINE_TEST_SEED=${seed}`);
  return seed;
}

/** A list in another order. */
export function shuffle<T>(list: readonly T[], random: () => number): T[] {
  const left = [...list];
  return list.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!);
}
