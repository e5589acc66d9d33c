import type { LoadedMachine, Machine } from "../config/types.ts";
import { makePlan } from "../plan/plan.ts";
import type { Address, Item, Observed } from "../plan/types.ts";
import type { AnyKind, World } from "../resources/contract.ts";
import { KINDS } from "../resources/registry.ts";
import type { DiffResult } from "./types.ts";
import { makeWorld } from "./world.ts";

/**
 * What changing one file into another would do to a machine that is as the first one says. No machine is looked at:
 * what a look would find is said by the kinds themselves.
 * @param from `undefined`: the machine is new
 * @param to `undefined`: the machine is to go
 */
export async function diffFiles(
  from: LoadedMachine | undefined,
  to: LoadedMachine | undefined,
): Promise<DiffResult> {
  const name = (to ?? from)!.machine.name;
  const bare = { ...await makeWorld(name, undefined), record: undefined };
  const before = withMachine(bare, from?.machine);
  const after = withMachine(bare, to?.machine);
  const items = await Promise.all(KINDS.map((kind) => itemsOfKind(kind, before, after)));
  const plan = makePlan(items.flat(), {
    machine: name,
    protect: to?.machine.protect ?? false,
    removing: !to,
  });
  return { plan: { ...plan, complete: true }, notes: [] };
}

function withMachine(world: World, machine: Machine | undefined): World {
  return { ...world, machine };
}

async function itemsOfKind(kind: AnyKind, before: World, after: World): Promise<Item[]> {
  const [old, wanted] = [await kind.desired(before), await kind.desired(after)];
  return [...new Set([...old.keys(), ...wanted.keys()])].map((address: Address): Item => {
    const [was, wants] = [old.get(address), wanted.get(address)];
    const observed: Observed<unknown> = was === undefined
      ? { state: "absent" }
      : { state: "present", value: kind.expected(was), owned: true };
    return {
      address,
      phase: kind.phase,
      realm: kind.realm,
      dependsOn: kind.dependsOn(address, wants),
      desired: wants,
      observed,
      compare: (want, found) => kind.compare(want, found),
      path: kind.path(address),
      ...(wants !== undefined && kind.order ? { order: kind.order(wants) } : {}),
      ...(kind.removal && observed.state === "present"
        ? { removal: kind.removal(after, observed.value) }
        : {}),
    };
  });
}
