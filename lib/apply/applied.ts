import { createHmac } from "node:crypto";
import type { Address } from "../plan/types.ts";
import type { World } from "../resources/contract.ts";
import type { MachineRecord } from "../resources/record.ts";
import { KINDS } from "../resources/registry.ts";

/** What each address was made equal to, as fingerprints: they tell an edit from drift and give nothing away. */
export type Hashes = Readonly<Record<Address, string>>;

/** A fingerprint of what an address was made equal to. @param key of the machine's record */
export function desiredHash(desired: unknown, key: string): string {
  return createHmac("sha256", key).update(JSON.stringify(sorted(desired)) ?? "").digest("hex");
}

/** The fingerprints of everything that the file wants. */
export async function desiredHashes(world: World, { fingerprintKey }: MachineRecord): Promise<Hashes> {
  const hashes: Record<Address, string> = {};
  for (const kind of KINDS) {
    for (const [address, desired] of await kind.desired(world)) {
      hashes[address] = desiredHash(desired, fingerprintKey);
    }
  }
  return hashes;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]));
}
