import assert from "node:assert/strict";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { type Progress, showProgress } from "../../lib/ui/progress.ts";
import { PLAIN } from "../../lib/ui/style.ts";

/** A display on a stream that only remembers, with a clock and a ticker moved by hand. */
function display(options: { isTerminal: boolean; quiet?: boolean }) {
  let text = "";
  let nowMs = 0;
  let draw: (() => void) | undefined;
  const progress: Progress = showProgress({
    stream: { isTerminal: options.isTerminal, columns: 40, write: (part) => void (text += part) },
    style: PLAIN,
    quiet: options.quiet ?? false,
    now: () => nowMs,
    tick: (callback) => {
      draw = callback;
      return () => void (draw = undefined);
    },
  });
  return {
    progress,
    at: (ms: number, event?: ApplyEvent) => {
      nowMs = ms;
      if (event) progress.handle(event);
      else draw?.();
    },
    isTicking: () => draw !== undefined,
    written: () => text,
    /** What is on the last line of the screen. */
    lastLine: () => text.split("\n").at(-1)!.split("\r\x1b[2K").at(-1)!,
  };
}

const START: ApplyEvent = { kind: "step-start", address: "vm", action: "create", text: "starting QEMU" };
const DONE: ApplyEvent = { kind: "step-done", address: "vm", action: "create", ms: 14_200 };

function wait(text: string, fraction?: number): ApplyEvent {
  return { kind: "progress", address: "vm", text, ...(fraction === undefined ? {} : { fraction }) };
}

Deno.test("showProgress() writes plain lines where there is no terminal, at most one per two seconds", () => {
  const { at, written, isTicking } = display({ isTerminal: false });
  at(0, START);
  at(500, wait("waiting for ssh"));
  at(1900, wait("waiting for ssh"));
  at(2100, wait("waiting for ssh"));
  at(2200, wait("waiting for dockerd"));
  at(4000, wait("waiting for dockerd"));
  at(4200, wait("waiting for dockerd", 0.5));
  at(9000, wait("waiting for dockerd", 0.5));
  at(14_200, DONE);
  assert.equal(
    written(),
    `· vm  starting QEMU
· vm  waiting for ssh  2.1 s
· vm  waiting for dockerd 50 %  4.2 s
✓ vm  created  14.2 s
`,
  );
  assert.equal(isTicking(), false);
});

Deno.test("showProgress() spins on a terminal with the time and what is waited for", () => {
  const { at, lastLine, isTicking, written } = display({ isTerminal: true });
  at(0, START);
  assert.equal(lastLine(), "⠋ vm  starting QEMU  0 s");
  at(12_300, wait("waiting for ssh"));
  assert.match(lastLine(), /^. vm {2}waiting for ssh {2}12 s$/);
  at(13_400);
  assert.match(lastLine(), /^. vm {2}waiting for ssh {2}13 s$/);
  at(13_500, wait("a very long text that would not fit on one line of the screen"));
  assert.equal(lastLine().length, 39);
  at(14_200, DONE);
  assert.equal(lastLine(), "");
  assert.ok(written().endsWith("\r\x1b[2K✓ vm  created  14.2 s\n"));
  assert.equal(isTicking(), false);
});

Deno.test("showProgress() says what failed and what was left out because of it", () => {
  const { at, written } = display({ isTerminal: false });
  at(0, START);
  at(100, { kind: "step-failed", address: "vm", action: "create", error: "QEMU ended\nlong output" });
  at(200, { kind: "step-skipped", address: "mount:/src", action: "create", because: "vm" });
  at(300, { kind: "note", text: "KVM runs no guest here: emulating" });
  assert.equal(
    written(),
    `· vm  starting QEMU
✗ vm  create failed: QEMU ended
- mount:/src  left out, because vm failed
KVM runs no guest here: emulating
`,
  );
});

Deno.test("showProgress() is silent with -q but for failures, and still knows its step", () => {
  const { at, written, progress } = display({ isTerminal: true, quiet: true });
  at(0, START);
  at(1, wait("waiting for ssh"));
  assert.equal(progress.current(), "vm");
  at(2, DONE);
  at(3, { kind: "waiting", text: "an apply is running" });
  assert.equal(written(), "");
  at(4, { kind: "step-failed", address: "vm", action: "create", error: "QEMU ended" });
  assert.equal(written(), "✗ vm  create failed: QEMU ended\n");
});

Deno.test("showProgress() names the running step and forgets it when it ends", () => {
  for (const quiet of [true, false]) {
    const { at, progress } = display({ isTerminal: false, quiet });
    assert.equal(progress.current(), undefined);
    at(0, START);
    assert.equal(progress.current(), "vm");
    at(1, DONE);
    assert.equal(progress.current(), undefined, `quiet: ${quiet}`);
  }
});

Deno.test("showProgress() takes its line off the screen while something else is written", () => {
  const { at, progress, lastLine, isTicking } = display({ isTerminal: true });
  at(0, START);
  progress.pause();
  assert.equal(lastLine(), "");
  assert.equal(isTicking(), false);
  at(100, wait("waiting for ssh"));
  assert.equal(isTicking(), true);
  progress.close();
  assert.equal(isTicking(), false);
  assert.equal(progress.current(), undefined);
});
