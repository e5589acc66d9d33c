import { z } from "zod";
import { parsePath } from "./path.ts";
import type { EffectRule, KeyEffect } from "./schema/field.ts";
import { machineFile } from "./schema/machine.ts";
import { below, fieldOf } from "./schema/walk.ts";

/** What a change costs, from harmless to worst. */
export type ChangeEffect = Exclude<KeyEffect, "none" | "identity">;

/** Effects of what is observed and no key says: the file cannot change it, but it can differ from what it should be. */
export const STATE_EFFECTS = {
  /** A VM that is down takes nothing along; one that hangs is started anew. */
  "vm.running": { down: "live", stuck: "restart" },
  "agent": "live",
  "agent.build": "live",
  "agent.config": "live",
  /** The base image in the cache. */
  "image": "live",
  /** The data disk's places in the guest. */
  "folders": "live",
  /** A systemd unit that is not active, not enabled or not there. */
  "unit": "live",
  /** A socket of the guest on the host. */
  "socket": "live",
  "user.key": "live",
  "user.home": "live",
  "user.groups": "live",
  "runtime.docker.context.endpoint": "live",
} as const satisfies Readonly<Record<string, EffectRule>>;

/**
 * What a change at a path costs: of a key of the file, e.g. `vm.disk`, `mounts[/src].type`, `sysctl["vm.x"]`, or of
 * something in {@link STATE_EFFECTS}. The schema decides; what it does not say of a key itself is said above it.
 * @param which the case, where the effect depends on the change, e.g. "grow"
 * @throws Error when there is no such path or case: a mistake in this program
 */
export function effectOf(path: string, which?: string): ChangeEffect {
  const rule: EffectRule = stateEffect(path) ?? ruleAt(path);
  if (typeof rule === "string" && which !== undefined) {
    throw new Error(`The effect of ${path} has no cases, and no "${which}"`);
  }
  const effect = typeof rule === "string" ? rule : which === undefined ? undefined : caseOf(rule, which);
  if (effect === undefined) {
    throw new Error(
      `The effect of ${path} depends on the change: ${Object.keys(rule).join(", ")}; not "${which}"`,
    );
  }
  if (effect === "none" || effect === "identity") throw new Error(`A change of ${path} has no effect`);
  return effect;
}

function stateEffect(path: string): EffectRule | undefined {
  return Object.entries(STATE_EFFECTS).find(([name]) => name === path)?.[1];
}

function caseOf(rule: Readonly<Record<string, KeyEffect>>, which: string): KeyEffect | undefined {
  return Object.hasOwn(rule, which) ? rule[which] : undefined;
}

function ruleAt(path: string): EffectRule {
  let schema: z.core.$ZodType = machineFile;
  let rule: EffectRule | undefined;
  for (const step of parsePath(path)) {
    // Whatever JSON holds: what is below is as the key above says
    if (schema instanceof z.ZodCustom) break;
    const next = below(schema, step);
    if (next === undefined) throw new Error(`The format has no ${path}`);
    schema = next;
    rule = fieldOf(schema)?.effect ?? rule;
  }
  if (rule === undefined) throw new Error(`"${path}" names no key`);
  return rule;
}
