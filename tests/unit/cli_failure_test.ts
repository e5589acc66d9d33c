import assert from "node:assert/strict";
import { showFailure } from "../../lib/cli/failure.ts";
import { fileName, onlyMachine } from "../../lib/cli/target.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { PLAIN } from "../../lib/ui/style.ts";

function show(error: unknown, output: "text" | "json" = "text"): { code: number; text: string } {
  let text = "";
  const err = { isTerminal: false, columns: 80, write: (part: string) => void (text += part) };
  return { code: showFailure(error, { err, style: PLAIN, output }), text };
}

const FAILURE = new UserError("The disk is full", {
  hint: "Free 3 GiB",
  output: "mke2fs: no space\n",
  exitCode: 5,
});

Deno.test("showFailure() shows output, cause and remedy of a user's error, without a stack", () => {
  assert.deepEqual(show(FAILURE), {
    code: 5,
    text: "mke2fs: no space\nError: The disk is full\nHint: Free 3 GiB\n",
  });
  assert.deepEqual(show(new UserError("No")), { code: EXIT.failed, text: "Error: No\n" });
});

Deno.test("showFailure() gives errors as JSON on one line", () => {
  const { code, text } = show(FAILURE, "json");
  assert.equal(code, 5);
  assert.equal(text.indexOf("\n"), text.length - 1);
  assert.deepEqual(JSON.parse(text), {
    error: "The disk is full",
    hint: "Free 3 GiB",
    output: "mke2fs: no space\n",
    code: 5,
  });
});

Deno.test("showFailure() calls everything else a bug and shows its stack", () => {
  const { code, text } = show(new TypeError("x is undefined"));
  assert.equal(code, EXIT.failed);
  assert.match(text, /at .*cli_failure_test\.ts/);
  assert.match(text, /Error: This is a bug in machine: x is undefined\n/);
});

Deno.test("showFailure() ends an interrupted look with 130, and knows it from a time-out", () => {
  assert.equal(show(new DOMException("Interrupted", "AbortError")).code, EXIT.interrupted);
  assert.match(show(new DOMException("qmp: no answer", "TimeoutError")).text, /bug/);
});

Deno.test("onlyMachine() takes the only one and lists the others", () => {
  assert.equal(onlyMachine(["dev"]), "dev");
  const expected = (message: RegExp) => (error: unknown) =>
    error instanceof UserError && error.exitCode === EXIT.invalid && message.test(error.message) &&
    !!error.hint;
  assert.throws(() => onlyMachine([]), expected(/no machine yet/));
  assert.throws(() => onlyMachine(["dev", "web"]), expected(/There are 2: dev, web$/));
});

Deno.test("fileName() is short for files below the folder of the call", () => {
  const at = { cwd: "/home/ada/src" };
  assert.equal(fileName("/home/ada/src/machine.yaml", at), "machine.yaml");
  assert.equal(fileName("/home/ada/src/a/b.yaml", at), "a/b.yaml");
  assert.equal(fileName("/home/ada/machine.yaml", at), "/home/ada/machine.yaml");
  assert.equal(fileName("-", at), "standard input");
});
