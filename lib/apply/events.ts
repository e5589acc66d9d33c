import type { Action, Address, Plan } from "../plan/types.ts";

/** What happens while a command works; a renderer turns it into text or JSON. */
export type ApplyEvent =
  | { readonly kind: "plan"; readonly plan: Plan; readonly round: number }
  | { readonly kind: "step-start"; readonly address: Address; readonly action: Action; readonly text: string }
  | {
    readonly kind: "progress";
    readonly address: Address;
    /** What is being done or waited for now. */
    readonly text: string;
    /** Share done, 0 to 1, where it is known. */
    readonly fraction?: number;
  }
  | {
    readonly kind: "step-done";
    readonly address: Address;
    readonly action: Action;
    readonly ms: number;
    /** What came of it, where the action's own word does not say it: what was stopped was not removed. */
    readonly past?: string;
  }
  | {
    readonly kind: "step-failed";
    readonly address: Address;
    readonly action: Action;
    readonly error: string;
  }
  | {
    readonly kind: "step-skipped";
    readonly address: Address;
    readonly action: Action;
    readonly because: Address;
  }
  /** Many steps of one kind begin at once, and have come to their end; each has its own events too. */
  | {
    readonly kind: "together-start" | "together-done";
    readonly of: string;
    readonly action: Action;
    readonly addresses: readonly Address[];
    readonly ms: number;
  }
  /** What commands of the user said. */
  | { readonly kind: "output"; readonly address: Address; readonly text: string }
  | { readonly kind: "waiting"; readonly text: string }
  | { readonly kind: "note"; readonly text: string };

/** Takes events as they happen; never throws. */
export type Emit = (event: ApplyEvent) => void;
