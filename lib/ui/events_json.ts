import type { ApplyEvent, Emit } from "../apply/events.ts";
import type { Outcome } from "../apply/types.ts";
import { planJson } from "./plan_json.ts";
import type { TextStream } from "./style.ts";

/** An emitter that writes each event as one line of JSON. */
export function jsonEvents(stream: TextStream, options: { readonly verbose: boolean }): Emit {
  return (event) => stream.write(`${JSON.stringify(eventJson(event, options))}\n`);
}

/** The closing line of JSON: how the operation ended. */
export function outcomeJson(outcome: Outcome): string {
  const { exitCode, done, failed, skipped, open, reason, next } = outcome;
  const waiting = planJson({ machine: "", changes: open, complete: true }, { verbose: false }).changes;
  return `${
    JSON.stringify({
      kind: "outcome",
      exitCode,
      done,
      failed,
      skipped,
      open: waiting,
      reason: reason ?? null,
      next: next ?? [],
    })
  }\n`;
}

function eventJson(event: ApplyEvent, options: { readonly verbose: boolean }): unknown {
  return event.kind === "plan"
    ? { kind: "plan", round: event.round, plan: planJson(event.plan, options) }
    : event;
}
