import type { ApplyEvent } from "../apply/events.ts";
import type { Action, Address } from "../plan/types.ts";
import { clip, formatMs, printable, type Style, type TextStream } from "./style.ts";

/** How {@link showProgress} draws. */
export interface ProgressOptions {
  readonly stream: TextStream;
  readonly style: Style;
  /** `-q`: nothing but failures. */
  readonly quiet: boolean;
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
  readonly startedMs: number;
  /** What is being done or waited for. */
  text: string;
  saidMs: number;
  saidText: string;
}

/** Shows events as they happen: a spinner with what is waited for on a terminal, else plain lines. */
export function showProgress(options: ProgressOptions): Progress {
  const { stream, style, quiet } = options;
  const now = options.now ?? (() => performance.now());
  const tick = options.tick ?? everyFrame;
  let step: Step | undefined;
  let stopTicking: (() => void) | undefined;
  let frame = 0;

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
    const text = clip(`${step.address}  ${step.text}`, stream.columns - elapsed.length - 3);
    stream.write(`\r\x1b[2K${style.yellow(FRAMES[frame++ % FRAMES.length]!)} ${text}${style.dim(elapsed)}`);
  }

  function spin(): void {
    stopTicking ??= tick(draw);
    draw();
  }

  function begin(address: Address, text: string): void {
    const startedMs = now();
    step = { address, startedMs, text: oneLine(text), saidMs: startedMs, saidText: oneLine(text) };
    if (stream.isTerminal) spin();
    else line(`· ${address}  ${step.text}`);
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
    line(`· ${step.address}  ${text}  ${formatMs(now() - step.startedMs)}`);
  }

  function end(address: Address, text: string): void {
    if (step?.address === address) step = undefined;
    line(text);
  }

  function handle(event: ApplyEvent): void {
    switch (event.kind) {
      case "plan":
        return pause();
      case "step-start":
        return begin(event.address, event.text);
      case "progress":
        return goOn(event);
      case "step-done":
        return end(
          event.address,
          `${style.green("✓")} ${event.address}  ${PAST[event.action]}  ${formatMs(event.ms)}`,
        );
      case "step-failed":
        return end(
          event.address,
          `${style.red("✗")} ${event.address}  ${event.action} failed: ${oneLine(event.error)}`,
        );
      case "step-skipped":
        return line(`- ${event.address}  left out, because ${event.because} failed`);
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
  return { address, startedMs, text: "", saidMs: startedMs, saidText: "" };
}

function oneLine(text: string): string {
  return printable(text).split("\n", 1)[0]!.trim();
}

function everyFrame(draw: () => void): () => void {
  const timer = setInterval(draw, FRAME_MS);
  return () => clearInterval(timer);
}
