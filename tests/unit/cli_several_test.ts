import assert from "node:assert/strict";
import { combineEnds, type MachineEnd, onEach, targetsByMachine } from "../../lib/cli/several.ts";
import type { LoadedMachine } from "../../lib/config/types.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { fakeContext, GLOBALS } from "./cli_fixture.ts";
import { MACHINE } from "./resources_fixture.ts";

function loaded(name: string): LoadedMachine {
  return { machine: { ...MACHINE, name }, origin: "/x/machine.yaml", positionOf: () => undefined };
}

function end(exitCode: number, worked = false): MachineEnd {
  return { exitCode, worked };
}

const CODES: readonly (readonly [ends: readonly MachineEnd[], code: number])[] = [
  [[], 0],
  [[end(0), end(0, true)], 0],
  [[end(0), end(2)], 2],
  [[end(2), end(1)], 1],
  [[end(4), end(0)], 4],
  [[end(4), end(0, true)], 5],
  [[end(0, true), end(75)], 5],
  [[end(0, true), end(2)], 2],
  [[end(75), end(1)], 1],
  [[end(75), end(2)], 75],
  [[end(5, true), end(0)], 5],
  [[end(3), end(4)], 3],
  [[end(130)], 130],
  [[end(0, true), end(130)], 5],
];

Deno.test("combineEnds() is 0 when all are, 5 when some work was done and some failed, else the worst", () => {
  for (const [ends, code] of CODES) assert.equal(combineEnds(ends), code, JSON.stringify(ends));
  assert.equal(combineEnds([end(0, true), end(1)]), EXIT.partial);
});

Deno.test("onEach() gives each of several machines its turn, under its name", async () => {
  const { context, written } = fakeContext();
  const seen: string[] = [];
  const ends = await onEach(
    [loaded("a"), loaded("b"), loaded("c")],
    { command: GLOBALS, context, isSeveral: true, hasHeaders: true },
    ({ machine }) => {
      seen.push(machine.name);
      if (machine.name === "b") throw new UserError("It is locked", { exitCode: EXIT.locked, hint: "Wait" });
      return Promise.resolve(end(0, true));
    },
  );
  assert.deepEqual(seen, ["a", "b", "c"]);
  assert.equal(written.out, "Machine a\nMachine b\nMachine c\n");
  assert.equal(written.err, "Error: b: It is locked\nHint: Wait\n");
  assert.equal(combineEnds(ends), EXIT.partial);
});

Deno.test("onEach() lets the only machine fail as a command does, without a header", async () => {
  const { context, written } = fakeContext();
  const failure = new UserError("It is locked");
  await assert.rejects(
    onEach([loaded("a")], { command: GLOBALS, context, isSeveral: false }, () => Promise.reject(failure)),
    (error) => error === failure,
  );
  assert.deepEqual(written, { out: "", err: "" });
});

Deno.test("onEach() leaves the rest as it is after Ctrl-C, and lets bugs through", async () => {
  const { context } = fakeContext();
  const options = { command: GLOBALS, context, isSeveral: true };
  const machines = [loaded("a"), loaded("b")];
  const seen: string[] = [];
  await onEach(machines, options, ({ machine }) => {
    seen.push(machine.name);
    return Promise.resolve({ ...end(5, true), interrupted: true });
  });
  await onEach(machines, options, ({ machine }) => {
    seen.push(machine.name);
    return Promise.reject(new UserError("Interrupted", { exitCode: EXIT.interrupted }));
  });
  assert.deepEqual(seen, ["a", "a"]);
  await assert.rejects(onEach(machines, options, () => Promise.reject(new TypeError("bug"))), TypeError);
});

Deno.test("onEach() names the machine that failed in JSON too", async () => {
  const { context, written } = fakeContext();
  const command = { ...GLOBALS, output: "json" as const };
  const fail = () => Promise.reject(new UserError("It is locked", { exitCode: EXIT.locked }));
  await onEach([loaded("a")], { command, context, isSeveral: true }, fail);
  assert.deepEqual(JSON.parse(written.err), {
    machine: "a",
    error: "It is locked",
    hint: null,
    output: null,
    code: EXIT.locked,
  });
});

Deno.test("onEach() writes no header into JSON", async () => {
  const { context, written } = fakeContext();
  const command = { ...GLOBALS, output: "json" as const };
  await onEach(
    [loaded("a"), loaded("b")],
    { command, context, isSeveral: true, hasHeaders: true },
    () => Promise.resolve(end(0)),
  );
  assert.equal(written.out, "");
});

const TARGETS: readonly (readonly [targets: readonly string[], names: readonly string[], byName: unknown])[] =
  [
    [[], ["a", "b"], { a: [], b: [] }],
    [["a/vm"], ["a", "b"], { a: ["vm"] }],
    [["b/mount:/src/x", "a/vm", "b/vm"], ["a", "b"], { b: ["mount:/src/x", "vm"], a: ["vm"] }],
    [[], ["a"], { a: [] }],
    [["vm", "a/mount", "mount:/src", "port:8080/tcp"], ["a"], {
      a: ["vm", "mount", "mount:/src", "port:8080/tcp"],
    }],
  ];

Deno.test("targetsByMachine() gives each machine its targets, and leaves out the others", () => {
  for (const [targets, names, byName] of TARGETS) {
    assert.deepEqual(Object.fromEntries(targetsByMachine(targets, names)), byName, targets.join(" "));
  }
});

Deno.test("targetsByMachine() refuses a target of no machine, or of one that is not meant", () => {
  const invalid = (text: RegExp) => (error: unknown) =>
    error instanceof UserError && error.exitCode === EXIT.invalid &&
    text.test(`${error.message}; ${error.hint}`);
  assert.throws(
    () => targetsByMachine(["mount:/src"], ["a", "b"]),
    invalid(/^Of which machine is "mount:\/src"\? There are 2: a, b; .*--target a\/mount:\/src, or .* -m$/),
  );
  assert.throws(() => targetsByMachine(["c/vm"], ["a", "b"]), invalid(/not meant here; Machines: a, b$/));
  assert.throws(() => targetsByMachine(["c/vm"], ["a"]), invalid(/not meant here; Machines: a$/));
});
