import assert from "node:assert/strict";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { type Progress, showProgress } from "../../lib/ui/progress.ts";
import { PLAIN } from "../../lib/ui/style.ts";

/** A display on a stream that only remembers, with a clock and a ticker moved by hand. */
function display(options: { isTerminal: boolean; quiet?: boolean; prefix?: string }) {
  let text = "";
  let nowMs = 0;
  let draw: (() => void) | undefined;
  const progress: Progress = showProgress({
    stream: { isTerminal: options.isTerminal, columns: 40, write: (part) => void (text += part) },
    style: PLAIN,
    quiet: options.quiet ?? false,
    ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
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

Deno.test("showProgress() shows what commands of the user said, line by line, and nothing that draws", () => {
  const { at, written } = display({ isTerminal: false });
  at(0, START);
  at(1, { kind: "output", address: "provision:tools", text: "one\n\x1b[2Jtwo\n" });
  assert.equal(written(), "· vm  starting QEMU\n│ one\n│ two\n");
});

Deno.test("showProgress() says what came of a step where the action's own word does not", () => {
  const { at, written } = display({ isTerminal: false });
  at(0, { kind: "step-done", address: "vm", action: "delete", past: "stopped", ms: 2500 });
  at(1, { kind: "step-done", address: "file:/etc/a", action: "delete", ms: 1000 });
  assert.equal(written(), "✓ vm  stopped  2.5 s\n✓ file:/etc/a  removed  1.0 s\n");
});

/** The events of files that are made at once. */
function groupOf(count: number) {
  const addresses = Array.from({ length: count }, (_, index) => `file:/etc/${index}`);
  const action = "create" as const;
  const starts = addresses.map((address): ApplyEvent => ({ kind: "step-start", address, action, text: "" }));
  const dones = addresses.map((address): ApplyEvent => ({ kind: "step-done", address, action, ms: 1000 }));
  const begin: ApplyEvent = { kind: "together-start", of: "file", action, addresses, ms: 0 };
  const end: ApplyEvent = { kind: "together-done", of: "file", action, addresses, ms: 1000 * count };
  return { addresses, begin, starts, dones, end };
}

Deno.test("showProgress() shows many steps that are done at once as one", () => {
  for (const isTerminal of [true, false]) {
    const { at, written, lastLine, progress, isTicking } = display({ isTerminal, prefix: "dev/" });
    const { addresses, begin, starts, dones, end } = groupOf(500);
    for (const event of [begin, ...starts]) at(0, event);
    assert.equal(progress.current(), "500 × file");
    at(3000, { kind: "progress", address: addresses[7]!, text: "writing" });
    if (isTerminal) assert.match(lastLine(), /^. 500 × dev\/file {2}writing {2}3 s$/);
    for (const event of [...dones, end]) at(5000, event);
    assert.deepEqual([progress.current(), isTicking()], [undefined, false]);
    const lines = written().split("\n");
    assert.equal(lines.at(-2)!.split("\r\x1b[2K").at(-1), "✓ 500 × dev/file  created  8 min 20 s");
    if (!isTerminal) {
      assert.deepEqual(lines.slice(0, -2), ["· 500 × dev/file", "· 500 × dev/file  writing  3.0 s"]);
    }
    assert.doesNotMatch(written(), /etc/);
  }
});

Deno.test("showProgress() shows a few steps that are done at once each by its name", () => {
  const { at, written } = display({ isTerminal: false });
  const { begin, starts, dones, end } = groupOf(4);
  for (const event of [begin, ...starts, ...dones, end]) at(0, event);
  const names = [0, 1, 2, 3];
  assert.equal(
    written(),
    [
      ...names.map((name) => `· file:/etc/${name}\n`),
      ...names.map((name) => `✓ file:/etc/${name}  created  1.0 s\n`),
    ].join(""),
  );
});

Deno.test("showProgress() names each of many steps once they are done one by one, because together they failed", () => {
  const { at, written } = display({ isTerminal: false });
  const { addresses, begin, starts, dones } = groupOf(5);
  for (const event of [begin, ...starts]) at(0, event);
  addresses.forEach((address, index) => {
    at(0, starts[index]!);
    if (index === 1) at(0, { kind: "step-failed", address, action: "create", error: "no such owner" });
    else at(0, dones[index]!);
  });
  const lines = written().trimEnd().split("\n");
  assert.deepEqual(lines.slice(0, 5), [
    "· 5 × file",
    "· file:/etc/0",
    "✓ file:/etc/0  created  1.0 s",
    "· file:/etc/1",
    "✗ file:/etc/1  create failed: no such owner",
  ]);
  assert.equal(lines.filter((line) => line.startsWith("✓")).length, 4);
  // The next ones that are done at once are one line again.
  const next = groupOf(6);
  for (const event of [next.begin, ...next.starts, ...next.dones, next.end]) at(0, event);
  assert.ok(written().endsWith("· 6 × file\n✓ 6 × file  created  6.0 s\n"));
});

Deno.test("showProgress() with -q says of many steps only which ones failed", () => {
  const { at, written } = display({ isTerminal: true, quiet: true });
  const { begin, starts, dones, end } = groupOf(20);
  for (const event of [begin, ...starts, ...dones, end]) at(0, event);
  assert.equal(written(), "");
  at(0, { kind: "step-failed", address: "file:/etc/1", action: "create", error: "no" });
  assert.equal(written(), "✗ file:/etc/1  create failed: no\n");
});
