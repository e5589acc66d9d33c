import type { Address } from "../plan/types.ts";

/** From this number on, addresses of one kind are counted instead of named. */
const MANY = 8;

/** Addresses by name; of a kind with many of them, how many there are: `500 × file`. */
export function countedNames(addresses: readonly Address[], prefix = ""): readonly string[] {
  const kinds = Map.groupBy(addresses, (address) => address.split(":", 1)[0]!);
  return [...kinds].flatMap(([kind, all]) =>
    all.length < MANY ? all.map((address) => `${prefix}${address}`) : [`${all.length} × ${prefix}${kind}`]
  );
}
