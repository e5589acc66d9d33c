import type { ApplyEvent } from "../apply/events.ts";
import type { Action, Address } from "../plan/types.ts";
import { clip, formatMs, printable, type Style, type TextStream } from "./style.ts";

/** How {@link showProgress} draws. */
export interface ProgressOptions {
  readonly stream: TextStream;
  readonly style: Style;
  /** `-q`: nothing but failures. */
  readonly quiet: boolean;
  /** Stands before every address: `NAME/` where a command is about several machines. */
  readonly prefix?: string;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
  /** Calls back regularly until the returned function is called; tests drive it by hand. */
  readonly tick?: (draw: () => void) => () => void;
}

/** A running display of what a command does. */
export interface Progress {
  /** Takes an event; plans are not its business. */
  handle(event: ApplyEvent): void;
  /** The step that runs now. */
  current(): Address | undefined;
  /** Takes the spinner off the screen until the next event, so that something else can be written. */
  pause(): void;
  /** Ends the display. */
  close(): void;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
/** From this number on, steps that are done at once are shown as one. */
const MANY = 5;
/** At most one plain line per step in this time: logs stay readable. */
const LINE_EVERY_MS = 2000;

const PAST: Readonly<Record<Action, string>> = {
  none: "unchanged",
  create: "created",
  update: "updated",
  recreate: "recreated",
  delete: "removed",
  deferred: "deferred",
  blocked: "blocked",
};

interface Step {
  readonly address: Address;
  /** Its name on the screen. */
  readonly shown: string;
  readonly startedMs: number;
  /** What is being done or waited for. */
  text: string;
  saidMs: number;
  saidText: string;
}

/** Shows events as they happen: a spinner with what is waited for on a terminal, else plain lines. */
export function showProgress(options: ProgressOptions): Progress {
  const { stream, style, quiet, prefix = "" } = options;
  const now = options.now ?? (() => performance.now());
  const tick = options.tick ?? everyFrame;
  let step: Step | undefined;
  let stopTicking: (() => void) | undefined;
  let frame = 0;
  /** Steps that are shown as one. */
  let together = new Map<Address, "waits" | "begun">();

  function line(text: string): void {
    pause();
    stream.write(`${text}\n`);
  }

  function pause(): void {
    if (stopTicking === undefined) return;
    stopTicking();
    stopTicking = undefined;
    stream.write("\r\x1b[2K");
  }

  function draw(): void {
    if (step === undefined) return;
    const elapsed = `  ${Math.floor((now() - step.startedMs) / 1000)} s`;
    const text = clip(`${step.shown}  ${step.text}`, stream.columns - elapsed.length - 3);
    stream.write(`\r\x1b[2K${style.yellow(FRAMES[frame++ % FRAMES.length]!)} ${text}${style.dim(elapsed)}`);
  }

  function spin(): void {
    stopTicking ??= tick(draw);
    draw();
  }

  function begin(address: Address, text: string, shown = `${prefix}${address}`): void {
    const startedMs = now();
    step = { address, shown, startedMs, text: oneLine(text), saidMs: startedMs, saidText: oneLine(text) };
    if (stream.isTerminal) spin();
    else line(`· ${shown}  ${step.text}`.trimEnd());
  }

  function goOn(event: ApplyEvent & { kind: "progress" }): void {
    const share = event.fraction === undefined ? "" : ` ${Math.round(event.fraction * 100)} %`;
    const text = oneLine(event.text) + share;
    if (step?.address !== event.address) return begin(event.address, text);
    step.text = text;
    if (stream.isTerminal) return spin();
    if (now() - step.saidMs < LINE_EVERY_MS || text === step.saidText) return;
    step.saidMs = now();
    step.saidText = text;
    line(`· ${step.shown}  ${text}  ${formatMs(now() - step.startedMs)}`);
  }

  function end(address: Address, text: string): void {
    if (step?.address === address) step = undefined;
    line(text);
  }

  /** Of steps that are shown as one; one that begins again is done on its own, because together they failed. */
  function isHidden(event: ApplyEvent): boolean {
    if (event.kind !== "step-start" && event.kind !== "step-done") return false;
    const state = together.get(event.address);
    if (state === "begun" && event.kind === "step-start") together = new Map();
    if (state === "waits") together.set(event.address, "begun");
    return together.has(event.address);
  }

  /** The name of steps that are done at once: `500 × file`, as everywhere with the machine before the kind. */
  function manyOf(event: ApplyEvent & { kind: "together-start" | "together-done" }, before = ""): string {
    return `${event.addresses.length} × ${before}${event.of}`;
  }

  function handle(event: ApplyEvent): void {
    if (isHidden(event)) return;
    switch (event.kind) {
      case "together-start":
        if (event.addresses.length < MANY) return;
        together = new Map(event.addresses.map((address) => [address, "waits"]));
        return begin(manyOf(event), "", manyOf(event, prefix));
      case "together-done": {
        if (together.size === 0) return;
        together = new Map();
        return end(
          manyOf(event),
          `${style.green("✓")} ${manyOf(event, prefix)}  ${PAST[event.action]}  ${formatMs(event.ms)}`,
        );
      }
      case "plan":
        return pause();
      case "step-start":
        return begin(event.address, event.text);
      case "progress":
        return goOn(step && together.has(event.address) ? { ...event, address: step.address } : event);
      case "step-done":
        return end(
          event.address,
          `${style.green("✓")} ${prefix}${event.address}  ${event.past ?? PAST[event.action]}  ${
            formatMs(event.ms)
          }`,
        );
      case "step-failed":
        return end(
          event.address,
          `${style.red("✗")} ${prefix}${event.address}  ${event.action} failed: ${oneLine(event.error)}`,
        );
      case "step-skipped":
        return line(`- ${prefix}${event.address}  left out, because ${prefix}${event.because} failed`);
      case "output":
        return printable(event.text).trimEnd().split("\n").forEach((text) =>
          line(`${style.dim("│")} ${text}`)
        );
      case "waiting":
        return line(`· ${printable(event.text)}`);
      case "note":
        return line(printable(event.text));
    }
  }

  return {
    handle: (event) => {
      if (!quiet || event.kind === "step-failed") handle(event);
      else if (event.kind === "step-start") step = silentStep(event.address, now());
      else if (event.kind === "step-done") step = undefined;
    },
    current: () => step?.address,
    pause,
    close: () => {
      pause();
      step = undefined;
    },
  };
}

/** A step that nobody sees, remembered because an interruption names it. */
function silentStep(address: Address, startedMs: number): Step {
  return { address, shown: address, startedMs, text: "", saidMs: startedMs, saidText: "" };
}

function oneLine(text: string): string {
  return printable(text).split("\n", 1)[0]!.trim();
}

function everyFrame(draw: () => void): () => void {
  const timer = setInterval(draw, FRAME_MS);
  return () => clearInterval(timer);
}
