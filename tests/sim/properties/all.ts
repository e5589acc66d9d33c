import * as approval from "./approval.ts";
import * as care from "./care.ts";
import * as cni from "./cni.ts";
import * as convergence from "./convergence.ts";
import * as drift from "./drift.ts";
import * as engines from "./engines.ts";
import * as interruption from "./interruption.ts";
import * as knowledge from "./knowledge.ts";
import { PLANNER } from "./planner.ts";
import type { AnyProperty } from "./property.ts";
import * as removal from "./removal.ts";
import * as sources from "./sources.ts";
import * as takenOver from "./taken_over.ts";

/** Everything that has to hold. */
export const PROPERTIES: readonly AnyProperty[] = [
  convergence.apply,
  convergence.change,
  convergence.order,
  convergence.reading,
  interruption.kill,
  interruption.growth,
  interruption.killTwice,
  interruption.killEverywhere,
  interruption.failure,
  removal.removal,
  removal.deletion,
  removal.halfMade,
  drift.drift,
  drift.engineDrift,
  drift.driftAndEdit,
  drift.keptEdits,
  knowledge.unknown,
  knowledge.expected,
  approval.approval,
  approval.prediction,
  approval.protection,
  approval.keptDisks,
  care.power,
  sources.missing,
  sources.archive,
  sources.unusable,
  care.foreign,
  care.preflight,
  care.names,
  care.hostDrift,
  care.image,
  care.dependencies,
  care.costs,
  care.commands,
  engines.switching,
  engines.oneEngine,
  cni.rivals,
  cni.plugins,
  takenOver.hostChange,
  takenOver.closed,
  takenOver.secrets,
  ...PLANNER,
];
