import type { ApplyCommand, GlobalOptions } from "../../lib/cli/command.ts";
import type { Context } from "../../lib/cli/context.ts";

/** The options that every command has, when none is given. */
export const GLOBALS: GlobalOptions = {
  file: undefined,
  machine: undefined,
  output: "text",
  quiet: false,
  verbose: false,
  noColor: false,
};

/** `machine apply` without any option. */
export const APPLY: ApplyCommand = {
  ...GLOBALS,
  kind: "apply",
  plan: undefined,
  yes: false,
  allow: [],
  targets: [],
  takeOver: false,
  prune: false,
  dryRun: false,
  refreshOnly: false,
  tryMs: undefined,
  lockTimeoutMs: 1000,
};

/** A context that remembers what was written, and answers questions with the given line. */
export function fakeContext(answer?: string, parts: Partial<Context> = {}) {
  const written = { out: "", err: "" };
  const keyboard = makeKeyboard();
  const stream = (name: "out" | "err") => ({
    isTerminal: false,
    columns: 80,
    write: (text: string) => void (written[name] += text),
  });
  const context: Context = {
    out: stream("out"),
    err: stream("err"),
    cwd: "/work",
    version: "1.2.3",
    commandLine: "machine apply",
    noColorVariable: undefined,
    canAsk: answer !== undefined,
    readLine: () => Promise.resolve(answer),
    readStdin: () => Promise.resolve(new Uint8Array()),
    onInterrupt: keyboard.onInterrupt,
    ...parts,
  };
  return { context, written, keyboard };
}

/** Something to press Ctrl-C on. */
export function makeKeyboard() {
  const callbacks = new Set<() => void>();
  return {
    press: () => callbacks.forEach((callback) => callback()),
    isTaken: () => callbacks.size > 0,
    onInterrupt: (callback: () => void) => {
      callbacks.add(callback);
      return () => void callbacks.delete(callback);
    },
  };
}
