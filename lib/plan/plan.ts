import { isActionable } from "./effects.ts";
import { planItem } from "./rules.ts";
import type { Address, Item, Plan, PlannedChange } from "./types.ts";

/** What the planner is told beside the items. */
export interface PlanOptions {
  readonly machine: string;
  /** Refuses what would make a disk anew or lose data. */
  readonly protect: boolean;
  /** The plan takes everything away: work runs backwards through the phases. */
  readonly removing?: boolean;
}

/** What is done to the lines of a plan as a whole, one after the other. */
export interface Pass {
  readonly name: string;
  readonly run: (lines: readonly PlannedChange[], options: PlanOptions) => readonly PlannedChange[];
}

/** Every pass, in order. */
export const PASSES: readonly Pass[] = [
  { name: "a protected machine keeps its disks", run: protectLines },
  { name: "lines stand in the order of work", run: sortLines },
  { name: "what depends on something blocked or deferred waits", run: holdDependants },
  { name: "what stands on something made anew is looked at again", run: deferShaken },
];

/** Compares what is wanted with what was found and says what to do, in the order in which to do it. */
export function makePlan(items: readonly Item[], options: PlanOptions): Plan {
  const changes = PASSES.reduce<readonly PlannedChange[]>(
    (lines, pass) => pass.run(lines, options),
    items.map(planItem),
  );
  const grows = changes.some(({ action }) => action === "deferred" || action === "recreate");
  return { machine: options.machine, changes, complete: !grows };
}

function protectLines(lines: readonly PlannedChange[], { protect }: PlanOptions): readonly PlannedChange[] {
  return lines.map((change) => {
    const destroys = change.effect === "recreate" || change.effect === "data-loss";
    if (!protect || !destroys || !isActionable(change)) return change;
    const reason = `"protect: true" refuses ${change.effect}; set it to false to allow this`;
    return { ...change, action: "blocked", effect: "live", reason };
  });
}

/** In the order of work. */
function sortLines(lines: readonly PlannedChange[], { removing }: PlanOptions): readonly PlannedChange[] {
  return lines.toSorted((a, b) => compareLines(a, b, removing ?? false));
}

function compareLines(a: PlannedChange, b: PlannedChange, removing: boolean): number {
  const removal = (change: PlannedChange) => removing || change.action === "delete";
  // What is no longer wanted goes first, backwards, so that nothing is removed under a dependant.
  if (removal(a) !== removal(b)) return removal(a) ? -1 : 1;
  const order = a.phase - b.phase || (a.order ?? 0) - (b.order ?? 0) ||
    (a.address < b.address ? -1 : a.address > b.address ? 1 : 0);
  return removal(a) ? -order : order;
}

/** What depends on something that is blocked, or not knowable yet, shares its fate and says so. */
function holdDependants(lines: readonly PlannedChange[]): readonly PlannedChange[] {
  const held = new Map<Address, "blocked" | "deferred">();
  for (const { address, action } of lines) {
    if (action === "blocked" || action === "deferred") held.set(address, action);
  }
  let result = lines;
  for (let before = -1; before !== held.size;) {
    before = held.size;
    result = result.map((change) => {
      if (!isActionable(change) || change.action === "delete") return change;
      const causes = change.dependsOn.filter((address) => held.has(address));
      const cause = causes.find((address) => held.get(address) === "blocked") ?? causes[0];
      if (cause === undefined) return change;
      const action = held.get(cause)!;
      held.set(change.address, action);
      const reason = action === "blocked"
        ? `it needs ${cause}, which is blocked`
        : `after ${cause}, which is known later`;
      return { ...change, action, effect: "live", reason };
    });
  }
  return result;
}

/** What stands on a thing that is made anew or taken away was looked at before that: it is looked at again after. */
function deferShaken(
  lines: readonly PlannedChange[],
  { removing }: PlanOptions,
): readonly PlannedChange[] {
  if (removing) return lines;
  const shaken = new Map<Address, Address>();
  for (const { address, action } of lines) {
    if (action === "recreate" || action === "delete") shaken.set(address, address);
  }
  for (let before = -1; before !== shaken.size;) {
    before = shaken.size;
    for (const { address, dependsOn } of lines) {
      const cause = dependsOn.find((on) => shaken.has(on));
      if (cause !== undefined && !shaken.has(address)) shaken.set(address, shaken.get(cause)!);
    }
  }
  return lines.map((change) => {
    const ground = change.dependsOn.find((address) => shaken.has(address));
    const waits = isActionable(change) && change.action !== "delete";
    if (ground === undefined || !waits) return change;
    const reason = `known after ${shaken.get(ground)}`;
    // What will be lost is known already, and has to be agreed to with the rest.
    const effect = change.effect === "data-loss" ? change.effect : "live";
    return { ...change, action: "deferred", effect, reason };
  });
}
