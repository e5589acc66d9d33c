import { messageOf } from "../host/errors.ts";
import { isActionable } from "../plan/effects.ts";
import { makePlan } from "../plan/plan.ts";
import type { Item, Plan, PlannedChange } from "../plan/types.ts";
import type { Look, World } from "../resources/contract.ts";
import { KINDS } from "../resources/registry.ts";
import { lookAround, type LookOptions } from "../resources/look.ts";
import { itemsOf } from "./items.ts";

/** A look and what follows from it. */
export interface Planned {
  readonly look: Look;
  readonly items: readonly Item[];
  readonly plan: Plan;
}

/** Looks around and plans; interruptions are asked for by name only where something would be interrupted. */
export async function planNow(world: World, options: LookOptions): Promise<Planned> {
  const look = await lookAround(world, options);
  const items = await itemsOf(world, look);
  const plan = makePlan(items, { machine: world.name, protect: world.machine?.protect ?? false });
  const changes = await Promise.all(plan.changes.map((change) => withInterrupts(world, look, change)));
  return { look, items, plan: { ...plan, changes } };
}

async function withInterrupts(world: World, look: Look, change: PlannedChange): Promise<PlannedChange> {
  if (!isActionable(change) || change.effect === "live") return change;
  const kind = KINDS.find((candidate) => candidate.kind === change.address);
  if (!kind?.interrupts || look.vm.state !== "running") return change;
  try {
    const names = await kind.interrupts(world, look, change);
    return names.length === 0 ? change : { ...change, interrupts: names };
  } catch (error) {
    return { ...change, interrupts: [`containers that could not be listed (${messageOf(error)})`] };
  }
}
