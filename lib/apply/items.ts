import { UserError } from "../host/errors.ts";
import type { Address, Item, Observed } from "../plan/types.ts";
import type { AnyKind, Look, World } from "../resources/contract.ts";
import { KINDS } from "../resources/registry.ts";
import { desiredHash } from "./applied.ts";

/** What the planner compares: every kind's things, or those of some kinds, wanted and found. */
export async function itemsOf(world: World, look: Look, kinds = KINDS): Promise<Item[]> {
  const groups = await Promise.all(kinds.map(async (kind) => {
    const desired = await kind.desired(world);
    const observed = await observeSafely(kind, { world, look, desired });
    const addresses = new Set([...desired.keys(), ...observed.keys()]);
    return [...addresses].map((address): Item => {
      const wanted = desired.get(address);
      const refusal = wanted === undefined ? undefined : kind.refusal?.(world, wanted);
      const applied = world.record?.applied[address];
      return {
        address,
        phase: kind.phase,
        realm: kind.realm,
        dependsOn: kind.dependsOn(address, wanted),
        desired: wanted,
        observed: observed.get(address) ?? { state: "unknown", reason: "it was not looked at" },
        compare: (want, found) => kind.compare(want, found),
        path: kind.path(address),
        ...(wanted !== undefined && applied === desiredHash(wanted) ? { unedited: true } : {}),
        ...(wanted !== undefined && kind.creation ? { creation: kind.creation(world, look, wanted) } : {}),
        ...(kind.removal ? { removal: kind.removal } : {}),
        ...(refusal === undefined ? {} : { refusal }),
      };
    });
  }));
  return groups.flat();
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
