import type { Address, Change, Item, Plan, PlannedChange } from "./types.ts";
import { isActionable, worstOf } from "./effects.ts";

/** What the planner is told beside the items. */
export interface PlanOptions {
  readonly machine: string;
  /** Refuses what would make a disk anew or lose data. */
  readonly protect: boolean;
  /** The plan takes everything away: work runs backwards through the phases. */
  readonly removing?: boolean;
}

/** Compares what is wanted with what was found and says what to do, in the order in which to do it. */
export function makePlan(items: readonly Item[], options: PlanOptions): Plan {
  const lines = items.map((item) => protectedLine(planItem(item), options.protect));
  lines.sort((a, b) => compareLines(a, b, options.removing ?? false));
  const held = holdDependants(lines);
  const changes = options.removing ? held : deferShaken(held);
  const grows = changes.some(({ action }) => action === "deferred" || action === "recreate");
  return { machine: options.machine, changes, complete: !grows };
}

/** Decides about one thing. */
export function planItem(item: Item): PlannedChange {
  const { observed, desired } = item;
  if (item.refusal !== undefined) return line(item, "blocked", { reason: item.refusal });
  if (observed.state === "unknown") {
    return observed.until === undefined
      ? line(item, "blocked", { reason: observed.reason })
      : line(item, "deferred", { reason: observed.reason });
  }
  if (desired === undefined) {
    if (observed.state === "absent" || !observed.owned) return line(item, "none");
    return line(item, "delete", { effect: item.removal?.effect, reason: item.removal?.reason });
  }
  if (observed.state === "absent") {
    return line(item, "create", { effect: item.creation?.effect, reason: item.creation?.reason });
  }
  if (!observed.owned && item.realm === "host") {
    return line(item, "blocked", { reason: "it exists and is not ours" });
  }
  const paths = item.compare(desired, observed.value).map((change) => explain(change, item));
  if (paths.length === 0) return line(item, "none");
  const effect = worstOf(paths);
  const action = effect === "recreate" || effect === "data-loss" ? "recreate" : "update";
  return line(item, action, { effect, paths });
}

/** The file still says what was applied last, so the difference was made by somebody else. */
function explain(change: Change, item: Item): Change {
  return item.unedited && change.note === undefined ? { ...change, note: "changed outside" } : change;
}

interface LineParts {
  readonly effect?: PlannedChange["effect"] | undefined;
  readonly reason?: string | undefined;
  readonly paths?: readonly Change[];
}

function line(item: Item, action: PlannedChange["action"], parts: LineParts = {}): PlannedChange {
  return {
    address: item.address,
    phase: item.phase,
    action,
    effect: parts.effect ?? "live",
    paths: parts.paths ?? [],
    dependsOn: item.dependsOn,
    ...(parts.reason === undefined ? {} : { reason: parts.reason }),
    ...(item.path === undefined ? {} : { path: item.path }),
  };
}

function protectedLine(change: PlannedChange, protect: boolean): PlannedChange {
  const destroys = change.effect === "recreate" || change.effect === "data-loss";
  if (!protect || !destroys || !isActionable(change)) return change;
  return {
    ...change,
    action: "blocked",
    effect: "live",
    reason: `"protect: true" refuses ${change.effect}; set it to false to allow this`,
  };
}

function compareLines(a: PlannedChange, b: PlannedChange, removing: boolean): number {
  const removal = (change: PlannedChange) => removing || change.action === "delete";
  // What is no longer wanted goes first, backwards, so that nothing is removed under a dependant.
  if (removal(a) !== removal(b)) return removal(a) ? -1 : 1;
  const order = a.phase - b.phase || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0);
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
function deferShaken(lines: readonly PlannedChange[]): readonly PlannedChange[] {
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
    const cause = shaken.get(change.address);
    const waits = change.action === "create" || change.action === "update";
    if (cause === undefined || !waits) return change;
    return { ...change, action: "deferred", effect: "live", reason: `known after ${cause}` };
  });
}
