import assert from "node:assert/strict";
import type { OperationOptions, Outcome } from "../../lib/apply/types.ts";
import { watchInterrupts } from "../../lib/cli/interrupts.ts";
import { carryOut, type OperationCommand, runOperation } from "../../lib/cli/operation.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import type { Plan } from "../../lib/plan/types.ts";
import { fakeContext, GLOBALS, makeKeyboard } from "./cli_fixture.ts";

const COMMAND: OperationCommand = { ...GLOBALS, lockTimeoutMs: 1000 };

const PLAN: Plan = {
  machine: "dev",
  changes: [{ address: "vm", phase: 3, action: "create", effect: "live", paths: [], dependsOn: [] }],
  complete: true,
};

const DONE: Outcome = { exitCode: 0, done: ["vm"], failed: [], skipped: [], open: [] };

function work({ emit }: OperationOptions): Promise<Outcome> {
  emit({ kind: "plan", plan: PLAN, round: 1 });
  emit({ kind: "plan", plan: PLAN, round: 1 });
  emit({ kind: "step-start", address: "vm", action: "create", text: "starting QEMU" });
  emit({ kind: "step-done", address: "vm", action: "create", ms: 1000 });
  emit({ kind: "plan", plan: { machine: "dev", changes: [], complete: true }, round: 2 });
  return Promise.resolve(DONE);
}

Deno.test("runOperation() writes plan and outcome as data, progress beside it", async () => {
  const { context, written } = fakeContext();
  assert.equal(await runOperation(COMMAND, { work }, context), 0);
  assert.equal(
    written.out,
    "+ vm  create  live\nPlan: 1 to add, 0 to change, 0 to remove, 0 blocked. Worst effect: live.\nDone: vm.\n",
  );
  assert.equal(written.err, "· vm  starting QEMU\n✓ vm  created  1.0 s\n");
});

Deno.test("runOperation() writes nothing but JSON Lines with -o json", async () => {
  const { context, written } = fakeContext("y");
  let asks: unknown;
  await runOperation({ ...COMMAND, output: "json", quiet: true }, {
    work: (options, approval) => {
      asks = approval.ask;
      return work(options);
    },
  }, context);
  const kinds = written.out.trimEnd().split("\n").map((line) => JSON.parse(line).kind);
  assert.deepEqual(kinds, ["plan", "plan", "step-start", "step-done", "plan", "outcome"]);
  assert.equal(asks, undefined);
  assert.equal(written.err, "");
});

Deno.test("runOperation() names the machine in every line of JSON, behind what kind of line it is", async () => {
  const { context, written } = fakeContext();
  await runOperation({ ...COMMAND, output: "json", quiet: true }, { machine: "dev", work }, context);
  for (const line of written.out.trimEnd().split("\n")) {
    assert.deepEqual(Object.keys(JSON.parse(line)).slice(0, 2), ["kind", "machine"]);
    assert.equal(JSON.parse(line).machine, "dev");
  }
});

Deno.test("carryOut() shows every address of one machine of several with its name", async () => {
  const { context, written } = fakeContext();
  const open = { ...PLAN.changes[0]!, address: "mount:/src", action: "blocked" as const };
  const outcome: Outcome = {
    ...DONE,
    exitCode: 5,
    failed: [{ address: "user", error: "no" }],
    skipped: ["engine:docker"],
    open: [open],
  };
  const ended = await carryOut(COMMAND, {
    machine: "dev",
    isOneOfSeveral: true,
    work: async (options) => {
      await work(options);
      options.emit({ kind: "step-failed", address: "user", action: "update", error: "no" });
      options.emit({ kind: "step-skipped", address: "engine:docker", action: "create", because: "user" });
      return outcome;
    },
  }, context);
  assert.deepEqual(ended, { outcome, interrupted: false });
  assert.equal(
    written.out,
    `+ dev/vm  create  live
Plan: 1 to add, 0 to change, 0 to remove, 0 blocked. Worst effect: live.
✗ dev/user: no
Left out, because of what failed: dev/engine:docker
Open:
  ! dev/mount:/src  blocked
Done: dev/vm.
`,
  );
  assert.equal(
    written.err,
    `· dev/vm  starting QEMU
✓ dev/vm  created  1.0 s
✗ dev/user  update failed: no
- dev/engine:docker  left out, because dev/user failed
`,
  );
});

Deno.test("carryOut() says when Ctrl-C had a part in the end", async () => {
  const { context, keyboard } = fakeContext();
  const ended = await carryOut(COMMAND, {
    work: () => (keyboard.press(), Promise.resolve({ ...DONE, exitCode: 5 })),
  }, context);
  assert.deepEqual([ended.outcome.exitCode, ended.interrupted], [5, true]);
});

Deno.test("runOperation() asks on the terminal, beside the data", async () => {
  const { context, written } = fakeContext("y");
  let agreed: boolean | undefined;
  await runOperation(COMMAND, {
    work: async (_options, approval) => {
      agreed = await approval.ask?.(PLAN);
      return DONE;
    },
  }, context);
  assert.equal(agreed, true);
  assert.equal(written.err, "Apply these changes? [y/N] ");
});

Deno.test("runOperation() gives the outcome's exit code and shows what is open", async () => {
  const { context, written } = fakeContext();
  const outcome: Outcome = {
    exitCode: 5,
    done: ["vm"],
    failed: [{ address: "engine:docker", error: "dockerd did not start\nunknown flag --x" }],
    skipped: ["context:docker"],
    open: [{ ...PLAN.changes[0]!, address: "mount:/src", action: "blocked", reason: "/src does not exist" }],
    reason: "Some steps failed",
    next: ["machine shell journalctl -u docker"],
  };
  assert.equal(await runOperation(COMMAND, { work: () => Promise.resolve(outcome) }, context), 5);
  assert.equal(
    written.out,
    `✗ engine:docker: dockerd did not start
    unknown flag --x
Left out, because of what failed: context:docker
Open:
  ! mount:/src  blocked  /src does not exist
Done: vm. Some steps failed.
Next:
  machine shell journalctl -u docker
`,
  );
});

Deno.test("runOperation() turns an interruption into exit code 130", async () => {
  const { context, keyboard } = fakeContext();
  const interrupted = (options: OperationOptions) => {
    keyboard.press();
    return Promise.reject(options.stopSignal.reason);
  };
  await assert.rejects(
    runOperation(COMMAND, { work: interrupted }, context),
    (error) => error instanceof UserError && error.exitCode === EXIT.interrupted,
  );
  assert.equal(keyboard.isTaken(), false);
});

Deno.test("runOperation() takes Ctrl-C at the question for an interruption, not for a no", async () => {
  const { context, keyboard } = fakeContext("y");
  const asked = { ...context, readLine: () => (keyboard.press(), Promise.resolve(undefined)) };
  await assert.rejects(
    runOperation(COMMAND, {
      work: async (_options, approval) => {
        await approval.ask?.(PLAN);
        return DONE;
      },
    }, asked),
    (error) => error instanceof UserError && error.exitCode === EXIT.interrupted,
  );
});

Deno.test("runOperation() passes other failures on", async () => {
  for (const failure of [new UserError("locked"), new DOMException("no answer in 5 s", "TimeoutError")]) {
    await assert.rejects(
      runOperation(COMMAND, { work: () => Promise.reject(failure) }, fakeContext().context),
      (error) => error === failure,
    );
  }
});

Deno.test("watchInterrupts() stops at the first Ctrl-C, aborts at the second, and lets the third through", () => {
  const said: string[] = [];
  const keyboard = makeKeyboard();
  using interrupts = watchInterrupts({
    onInterrupt: keyboard.onInterrupt,
    current: () => "vm",
    say: (line) => said.push(line),
  });
  assert.equal(interrupts.stopSignal.aborted, false);
  keyboard.press();
  assert.deepEqual([interrupts.stopSignal.aborted, interrupts.abortSignal.aborted], [true, false]);
  keyboard.press();
  assert.equal(interrupts.abortSignal.aborted, true);
  assert.equal(keyboard.isTaken(), false);
  assert.match(said[0]!, /^Interrupted: waiting for vm to finish/);
  assert.match(said[1]!, /^Interrupted again/);
});
