import { EFFECTS } from "../../lib/plan/effects.ts";
import type { Effect, Observed } from "../../lib/plan/types.ts";
import type { AnyKind, Look, World } from "../../lib/resources/contract.ts";
import { KINDS } from "../../lib/resources/registry.ts";
import { type Mutant, swap } from "./mutant.ts";

const NOTHING = () => Promise.resolve();

/** The effect beside another one. */
export function neighbour(effect: Effect): Effect {
  return EFFECTS[EFFECTS.indexOf(effect) + 1] ?? EFFECTS.at(-2)!;
}

/** Looks, and says another thing of everything that is wanted. */
function seeing(see: (desired: unknown) => Observed<unknown>): AnyKind["observe"] {
  return (_world: World, _look: Look, desired: ReadonlyMap<string, unknown>) =>
    Promise.resolve(new Map([...desired].map(([address, wanted]) => [address, see(wanted)])));
}

interface Breakage {
  readonly what: string;
  readonly parts: (kind: AnyKind) => Readonly<Record<string, unknown>> | undefined;
  readonly noticedBy: readonly string[];
}

const BREAKAGES: readonly Breakage[] = [
  {
    what: "undo does nothing",
    parts: () => ({ undo: NOTHING, together: undefined }),
    noticedBy: ["removal", "switch", "change", "deletion"],
  },
  {
    what: "apply does nothing",
    parts: () => ({ apply: NOTHING, together: undefined }),
    noticedBy: ["apply", "power", "host-drift", "image"],
  },
  {
    what: "everything is seen as absent",
    parts: () => ({ observe: seeing(() => ({ state: "absent" })) }),
    noticedBy: ["apply"],
  },
  {
    what: "everything is seen as unknown",
    parts: () => ({ observe: seeing(() => ({ state: "unknown", reason: "sabotage" })) }),
    noticedBy: ["apply"],
  },
  {
    what: "everything is seen as it should be",
    parts: (kind) => ({
      observe: seeing(
        (desired) => ({ state: "present", owned: true, value: kind.expected(desired) }),
      ),
    }),
    noticedBy: [
      "apply",
      "drift",
      "engine-drift",
      "host-drift",
      "host-change",
      "switch",
      "commands",
      "change",
      "image",
    ],
  },
  {
    what: "nothing differs",
    parts: () => ({ compare: () => [] }),
    noticedBy: ["change", "drift", "engine-drift", "host-drift", "host-change", "commands", "power"],
  },
  {
    what: "something always differs",
    parts: () => ({ compare: () => [{ path: "vm", before: 1, after: 2, effect: "live" }] }),
    noticedBy: ["apply"],
  },
  {
    what: "it depends on nothing",
    parts: () => ({ dependsOn: () => [] }),
    noticedBy: ["dependencies", "failure", "change"],
  },
  {
    what: "it needs to know nothing of the guest",
    parts: ({ query }) => query && { query: () => ({}) },
    noticedBy: ["apply"],
  },
  {
    what: "what it finds afterwards is nothing",
    parts: () => ({ expected: () => ({}) }),
    noticedBy: ["expected"],
  },
  {
    what: "nothing is refused",
    parts: ({ refusal }) => refusal && { refusal: () => undefined },
    noticedBy: ["missing", "unusable"],
  },
  {
    what: "nothing is named that it interrupts",
    parts: ({ interrupts }) => interrupts && { interrupts: () => Promise.resolve([]) },
    noticedBy: ["names"],
  },
  {
    what: "nothing is checked before it begins",
    parts: ({ preflight }) => preflight && { preflight: NOTHING },
    noticedBy: ["preflight", "archive", "plugins"],
  },
  {
    what: "its things have no order",
    parts: ({ order }) => order && { order: undefined },
    noticedBy: ["commands"],
  },
  {
    what: "creating it costs more or less",
    parts: ({ creation }) =>
      creation && {
        creation: (...words: Parameters<typeof creation>) => {
          const said = creation(...words);
          return { ...said, effect: neighbour(said.effect) };
        },
      },
    noticedBy: ["costs"],
  },
  {
    what: "removing it costs more or less",
    parts: ({ removal }) =>
      removal && {
        removal: (...words: Parameters<typeof removal>) => {
          const said = removal(...words);
          return { ...said, effect: neighbour(said.effect) };
        },
      },
    noticedBy: ["costs"],
  },
];

/** Every part of every kind of resource, broken. */
export const KIND_MUTANTS: readonly Mutant[] = KINDS.flatMap((kind) =>
  BREAKAGES.flatMap(({ what, parts, noticedBy }): Mutant[] => {
    const broken = parts(kind);
    return broken ? [{ name: `${kind.kind}: ${what}`, breakIt: () => swap(kind, broken), noticedBy }] : [];
  })
);
