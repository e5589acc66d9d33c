import type { z } from "zod";
import { STATE_EFFECTS } from "../../lib/config/effects.ts";
import { type EffectRule, type Field, fields, type KeyEffect } from "../../lib/config/schema/field.ts";
import { machineFile } from "../../lib/config/schema/machine.ts";
import { below, listFields } from "../../lib/config/schema/walk.ts";
import { PASSES } from "../../lib/plan/plan.ts";
import { RULES } from "../../lib/plan/rules.ts";
import { OwnedStore } from "../../lib/resources/owned.ts";
import { RecordStore } from "../../lib/resources/record.ts";
import { type Mutant, swap, without } from "./mutant.ts";

const KEY_EFFECTS: readonly KeyEffect[] = [
  "none",
  "identity",
  "live",
  "service",
  "restart",
  "recreate",
  "data-loss",
];

function other(effect: KeyEffect): KeyEffect {
  return KEY_EFFECTS[KEY_EFFECTS.indexOf(effect) + 1] ?? KEY_EFFECTS.at(-2)!;
}

/** A rule with each of its effects in turn replaced by its neighbour. */
function broken(rule: EffectRule): readonly (readonly [what: string, rule: EffectRule])[] {
  if (typeof rule === "string") return [[`${rule} → ${other(rule)}`, other(rule)]];
  return Object.entries(rule).map(([which, effect]) =>
    [`${which}: ${effect} → ${other(effect)}`, { ...rule, [which]: other(effect) }] as const
  );
}

/** The schema at a path as {@link listFields} writes it. */
function schemaAt(path: string): z.core.$ZodType {
  const steps = path.replaceAll("[]", ".0").replaceAll(".*", ".any").split(".");
  let schema: z.core.$ZodType = machineFile;
  for (const step of steps) {
    const next = below(schema, step === "0" ? 0 : step);
    if (!next) throw new Error(`The format has no ${path}`);
    schema = next;
  }
  return schema;
}

/** Every key that is supported, with another effect. */
const KEY_MUTANTS: readonly Mutant[] = listFields().filter(({ support }) => support === "yes").flatMap(
  ({ path, effect }) =>
    broken(effect).map(([what, rule]): Mutant => ({
      name: `effect of ${path}, ${what}`,
      noticedBy: ["effects"],
      breakIt: () => {
        const schema = schemaAt(path);
        const get = fields.get.bind(fields);
        const said = (at: z.core.$ZodType): Field | undefined => {
          const field = get(at);
          return at === schema && field ? { ...field, effect: rule } : field;
        };
        return swap(fields, { get: said });
      },
    })),
);

const STATE_MUTANTS: readonly Mutant[] = Object.entries(STATE_EFFECTS).flatMap(([name, effect]) =>
  broken(effect).map(([what, rule]): Mutant => ({
    name: `effect of ${name}, ${what}`,
    noticedBy: ["effects"],
    breakIt: () => swap(STATE_EFFECTS, { [name]: rule }),
  }))
);

/** Every rule and every pass of the planner, left out. The last rule takes what no other one took. */
const PLANNER_MUTANTS: readonly Mutant[] = [
  ...RULES.map(({ name }, index): Mutant => ({
    name: `rule "${name}" left out`,
    noticedBy: ["plan-unknown", "plan-foreign", "plan-worst", "plan-rounds", "power", "change"],
    breakIt: () => without(RULES, index),
  })),
  ...PASSES.map(({ name }, index): Mutant => ({
    name: `pass "${name}" left out`,
    noticedBy: ["plan-protect", "plan-blocked", "plan-removal", "change", "kill"],
    breakIt: () => without(PASSES, index),
  })),
];

const run = OwnedStore.prototype.run;

/** The guest's list of what is ours, kept badly. */
const LIST_MUTANTS: readonly Mutant[] = ([
  ["nothing is noted before it is done", ({ claimed: _, ...change }) => change],
  ["nothing is noted once it is done", ({ applied: _, ...change }) => change],
  ["what is gone stays noted", ({ forgotten: _, ...change }) => change],
  [
    "files are written without keeping what stood there",
    (change) => ({
      ...change,
      ops: change.ops.map((op) => op.op === "own" ? { op: "write", files: [op.file] } : op),
    }),
  ],
  [
    "files are removed without putting back what stood there",
    (change) => ({
      ...change,
      ops: change.ops.map((op) => op.op === "disown" ? { ...op, op: "remove" } : op),
    }),
  ],
  [
    "files that somebody has changed are removed",
    (change) => ({
      ...change,
      ops: change.ops.map((op) => op.op === "abandon" ? { ...op, op: "disown" } : op),
    }),
  ],
] satisfies readonly (readonly [string, (change: Parameters<typeof run>[0]) => Parameters<typeof run>[0]])[])
  .map(([name, changed]): Mutant => ({
    name: `guest's list: ${name}`,
    noticedBy: ["removal", "kept-edits", "kill", "change"],
    breakIt: () =>
      swap(OwnedStore.prototype, {
        run(this: OwnedStore, ...[change, signal]: Parameters<typeof run>) {
          return run.call(this, changed(change), signal);
        },
      }),
  }));

const update = RecordStore.prototype.update;

/** The host's record, kept badly. */
const RECORD_MUTANTS: readonly Mutant[] = ([
  "applied",
  "machine",
  "growing",
  "attempted",
  "dataDiskUuid",
  "base",
  "stopped",
  "previousContext",
] as const)
  .map((key): Mutant => ({
    name: `record: "${key}" is never written down`,
    noticedBy: ["drift", "power", "growth", "half-made", "deletion", "apply", "kill"],
    breakIt: () =>
      swap(RecordStore.prototype, {
        update(this: RecordStore, ...[parts]: Parameters<typeof update>) {
          const { [key]: _left, ...rest } = parts;
          return update.call(this, rest);
        },
      }),
  }));

/** Everything that is not a kind of resource, broken. */
export const RULE_MUTANTS: readonly Mutant[] = [
  ...PLANNER_MUTANTS,
  ...LIST_MUTANTS,
  ...RECORD_MUTANTS,
  ...KEY_MUTANTS,
  ...STATE_MUTANTS,
];
