import { UserError } from "../host/errors.ts";
import type { Address, Item, Observed } from "../plan/types.ts";
import { equal } from "../plan/equal.ts";
import type { AnyKind, Look, World } from "../resources/contract.ts";
import { KINDS } from "../resources/registry.ts";
import { desiredHash } from "./applied.ts";

/** What the planner compares: every kind's things, or those of some kinds, wanted and found. */
export async function itemsOf(world: World, look: Look, kinds = KINDS): Promise<Item[]> {
  const groups = await Promise.all(kinds.map(async (kind) => {
    const desired = await kind.desired(world);
    const observed = await observeSafely(kind, { world, look, desired });
    const last = await lastDesired(kind, world);
    const addresses = new Set([...desired.keys(), ...observed.keys()]);
    return [...addresses].map((address): Item => {
      const wanted = desired.get(address);
      const found = observed.get(address) ?? { state: "unknown", reason: "it was not looked at" };
      const refusal = wanted === undefined ? undefined : kind.refusal?.(world, wanted);
      const before = last(address, wanted);
      return {
        address,
        phase: kind.phase,
        realm: kind.realm,
        dependsOn: kind.dependsOn(address, wanted),
        desired: wanted,
        observed: found,
        compare: (want, found) => kind.compare(want, found),
        path: kind.path(address),
        ...(before === undefined ? {} : { last: before }),
        ...(wanted !== undefined && kind.order ? { order: kind.order(wanted) } : {}),
        ...(wanted !== undefined && kind.creation ? { creation: kind.creation(world, look, wanted) } : {}),
        ...(kind.removal && found.state === "present" ? { removal: kind.removal(world, found.value) } : {}),
        ...(refusal === undefined ? {} : { refusal }),
      };
    });
  }));
  return groups.flat();
}

type Last = (address: Address, wanted: unknown) => unknown;

/**
 * What was wanted of each address when it was applied last. The record keeps only a fingerprint of it; the value is
 * the present one if that has the fingerprint, else that of the machine as last applied, if that has it still.
 */
async function lastDesired(kind: AnyKind, world: World): Promise<Last> {
  const { record } = world;
  // What `stop` has taken down was not taken away by anybody else.
  if (!record || record.stopped && kind.realm !== "guest") return () => undefined;
  const before = record.machine === undefined || equal(record.machine, world.machine)
    ? undefined
    : await kind.desired({ ...world, machine: record.machine });
  return (address, wanted) => {
    const applied = record.applied[address];
    if (applied === undefined) return undefined;
    return [wanted, before?.get(address)].find((value) =>
      value !== undefined && desiredHash(value, record.fingerprintKey) === applied
    );
  };
}

/** What one kind cannot look at is unknown; it does not keep the others from being looked at. */
async function observeSafely(
  kind: AnyKind,
  at: { readonly world: World; readonly look: Look; readonly desired: ReadonlyMap<Address, unknown> },
): Promise<ReadonlyMap<Address, Observed<unknown>>> {
  try {
    return await kind.observe(at.world, at.look, at.desired);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const reason = [error.message, error.hint].filter((part) => part !== undefined).join("; ");
    const addresses = at.desired.size > 0 ? [...at.desired.keys()] : [kind.kind];
    return new Map(addresses.map((address) => [address, { state: "unknown", reason }]));
  }
}
