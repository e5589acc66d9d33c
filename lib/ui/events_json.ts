import type { ApplyEvent, Emit } from "../apply/events.ts";
import type { Outcome } from "../apply/types.ts";
import { planJson } from "./plan_json.ts";
import type { PlanJson } from "./plan_schema.ts";
import type { TextStream } from "./style.ts";

/** How events are written. */
export interface EventsJsonOptions {
  readonly verbose: boolean;
  /** The machine that they are about, named in every line: a file may declare several. */
  readonly machine?: string | undefined;
}

/** An emitter that writes each event as one line of JSON. */
export function jsonEvents(stream: TextStream, options: EventsJsonOptions): Emit {
  return (event) =>
    stream.write(`${JSON.stringify(withMachine(eventJson(event, options), options.machine))}\n`);
}

/** The closing line of JSON: how the operation ended. */
export function outcomeJson(outcome: Outcome, machine?: string): string {
  const { exitCode, done, failed, skipped, open, reason, next, triedUntil } = outcome;
  const waiting = planJson({ machine: "", changes: open, complete: true }, { verbose: false }).changes;
  return `${
    JSON.stringify(withMachine({
      kind: "outcome",
      exitCode,
      done,
      failed,
      skipped,
      open: waiting,
      reason: reason ?? null,
      next: next ?? [],
      ...(triedUntil === undefined ? {} : { triedUntil }),
    }, machine))
  }\n`;
}

/** `kind` stays first: that is what a reader decides by. */
function withMachine(
  line: Readonly<Record<string, unknown>> & { readonly kind: string },
  machine: string | undefined,
): object {
  const { kind, ...rest } = line;
  return machine === undefined ? { kind, ...rest } : { kind, machine, ...rest };
}

function eventJson(event: ApplyEvent, options: EventsJsonOptions): { readonly kind: string } {
  return event.kind === "plan" ? planEvent(event.round, planJson(event.plan, options)) : event;
}

function planEvent(round: number, plan: PlanJson) {
  return { kind: "plan", round, plan } as const;
}
