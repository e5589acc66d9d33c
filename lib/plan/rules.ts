import { worstOf } from "./effects.ts";
import { equal } from "./equal.ts";
import type { Change, Item, PlannedChange } from "./types.ts";

/** One case of what is wanted and what was found, and what follows from it. */
export interface Rule {
  readonly name: string;
  readonly fits: (item: Item) => boolean;
  readonly line: (item: Item) => PlannedChange;
}

/** Every case, the first that fits decides. */
export const RULES: readonly Rule[] = [
  {
    name: "what may not be touched is blocked",
    fits: ({ refusal }) => refusal !== undefined,
    line: (item) => lineOf(item, "blocked", { reason: item.refusal }),
  },
  {
    name: "what is known later is deferred",
    fits: ({ observed }) => observed.state === "unknown" && observed.until !== undefined,
    line: (item) => lineOf(item, "deferred", { reason: unknownReason(item) }),
  },
  {
    name: "what could not be looked at is blocked",
    fits: ({ observed }) => observed.state === "unknown",
    line: (item) => lineOf(item, "blocked", { reason: unknownReason(item) }),
  },
  {
    name: "what nobody wants and is not ours stays",
    fits: ({ desired, observed }) =>
      desired === undefined && !(observed.state === "present" && observed.owned),
    line: (item) => lineOf(item, "none"),
  },
  {
    name: "what nobody wants any more is deleted",
    fits: ({ desired }) => desired === undefined,
    line: (item) => lineOf(item, "delete", { ...item.removal }),
  },
  {
    name: "what is wanted and absent is created",
    fits: ({ observed }) => observed.state === "absent",
    line: (item) => lineOf(item, "create", { effect: item.creation?.effect, reason: reasonToCreate(item) }),
  },
  {
    name: "what is not ours on the host is blocked",
    fits: ({ observed, realm }) => observed.state === "present" && !observed.owned && realm === "host",
    line: (item) => lineOf(item, "blocked", { reason: "it exists and is not ours" }),
  },
  {
    name: "what is equal stays",
    fits: (item) => changesOf(item).length === 0,
    line: (item) => lineOf(item, "none"),
  },
  {
    name: "what cannot be changed in place is made anew",
    fits: (item) => ["recreate", "data-loss"].includes(worstOf(changesOf(item))),
    line: (item) => changed(item, "recreate"),
  },
  { name: "what differs is updated", fits: () => true, line: (item) => changed(item, "update") },
];

/** Decides about one thing. */
export function planItem(item: Item): PlannedChange {
  return RULES.find(({ fits }) => fits(item))!.line(item);
}

function changesOf({ desired, observed, compare }: Item): readonly Change[] {
  return observed.state === "present" ? compare(desired, observed.value) : [];
}

function changed(item: Item, action: "update" | "recreate"): PlannedChange {
  const paths = changesOf(item).map((change) => explain(change, item));
  return lineOf(item, action, { effect: worstOf(paths), paths });
}

function unknownReason({ observed }: Item): string | undefined {
  return observed.state === "unknown" ? observed.reason : undefined;
}

/** What was applied and is gone was taken away by somebody else. */
function reasonToCreate({ last, creation }: Item): string | undefined {
  if (last === undefined) return creation?.reason;
  return creation?.reason === undefined ? "removed outside" : `removed outside; ${creation.reason}`;
}

/** What is there differs from what was applied last, too: so the difference was made by somebody else. */
function explain(change: Change, { last, observed, compare }: Item): Change {
  if (last === undefined || change.note !== undefined || observed.state !== "present") return change;
  const isOutside = compare(last, observed.value).some(({ path, before }) =>
    path === change.path && equal(before, change.before)
  );
  return isOutside ? { ...change, note: "changed outside" } : change;
}

interface LineParts {
  readonly effect?: PlannedChange["effect"] | undefined;
  readonly reason?: string | undefined;
  readonly paths?: readonly Change[];
}

function lineOf(item: Item, action: PlannedChange["action"], parts: LineParts = {}): PlannedChange {
  return {
    address: item.address,
    phase: item.phase,
    action,
    effect: parts.effect ?? "live",
    paths: parts.paths ?? [],
    dependsOn: item.dependsOn,
    ...(parts.reason === undefined ? {} : { reason: parts.reason }),
    ...(item.path === undefined ? {} : { path: item.path }),
    ...(item.order === undefined ? {} : { order: item.order }),
  };
}
