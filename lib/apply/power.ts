import { EXIT, UserError } from "../host/errors.ts";
import type { PlannedChange } from "../plan/types.ts";
import { endAgent } from "../resources/agent.ts";
import { dockerContextKind } from "../resources/docker/context.ts";
import type { AnyKind, Look } from "../resources/contract.ts";
import { powerOff } from "../resources/power.ts";
import { settingsOf } from "../resources/record.ts";
import { reconcile } from "./apply.ts";
import { jobFor, openRound } from "./job.ts";
import { lookAround } from "../resources/look.ts";
import { type HeldMachine, holdMachine, knownMachine } from "./operation.ts";
import type { OperationOptions, Outcome } from "./types.ts";

/** What is to go down is not waited for. */
const LOOK_MS = 5000;

/** What stops, starts and restarts take. */
export type PowerOptions = OperationOptions & { readonly name: string };

const NOTHING: Outcome = { exitCode: EXIT.done, done: [], failed: [], skipped: [], open: [] };

/** Stops a machine: withdraws what would point at nothing, then the VM. A stopped one stays as it is. */
export async function stopMachine(options: PowerOptions): Promise<Outcome> {
  using held = await holdMachine(options.name, options);
  const look = await lookAround(held.world, { signal: options.abortSignal, patienceMs: LOOK_MS });
  if (look.vm.state === "unknown") throw new UserError(`Cannot stop "${options.name}": ${look.vm.reason}`);
  await held.store.update({ stopped: true }); // said before it is done: a VM that is gone now was stopped on purpose
  await withdraw(held, look, options);
  await turnOff(held, look, options);
  return { ...NOTHING, done: ["vm"] };
}

/** Starts a machine as it was last applied. */
export async function startMachine(options: PowerOptions): Promise<Outcome> {
  const world = await knownMachine(options.name);
  const { record } = world;
  const machine = settingsOf(record);
  if (!machine) {
    throw new UserError(`Machine "${options.name}" was deleted; only its data disk is left`, {
      hint: "machine apply -f FILE makes the machine again around it",
    });
  }
  return await reconcile({
    machine,
    origin: record.origin,
    world,
    options,
    // What was applied before was agreed to before; only what would destroy something needs a new word.
    approval: { allowed: new Set(["live", "service", "restart"]) },
    takeOver: false,
    dryRun: false,
  });
}

/** Stops the VM and starts it again; what the host points at stays. */
export async function restartMachine(options: PowerOptions): Promise<Outcome> {
  {
    using held = await holdMachine(options.name, options);
    const look = await lookAround(held.world, { signal: options.abortSignal, patienceMs: LOOK_MS });
    if (look.vm.state === "unknown") {
      throw new UserError(`Cannot restart "${options.name}": ${look.vm.reason}`);
    }
    await turnOff(held, look, options);
  }
  return await startMachine(options);
}

async function withdraw(held: HeldMachine, look: Look, options: OperationOptions): Promise<void> {
  await asStep("context:docker", held, look, options, async (job) => {
    const kind: AnyKind = dockerContextKind;
    await kind.undo(job);
  });
}

async function turnOff(held: HeldMachine, look: Look, options: OperationOptions): Promise<void> {
  await asStep("vm", held, look, options, async (job) => {
    await powerOff(job);
    await endAgent(held.world, look);
  });
}

/** Runs some work as a step of its own, with its progress shown. */
async function asStep(
  address: string,
  held: HeldMachine,
  look: Look,
  options: OperationOptions,
  work: (job: ReturnType<typeof jobFor>) => Promise<void>,
): Promise<void> {
  const action = "delete";
  const step: PlannedChange = { address, phase: 0, action, effect: "live", paths: [], dependsOn: [] };
  const { world, store } = held;
  const round = openRound({ world, look, store, emit: options.emit, signal: options.abortSignal });
  await using _door = round.guest;
  const started = performance.now();
  options.emit({ kind: "step-start", address, action, text: "" });
  await work(jobFor(round, step));
  options.emit({ kind: "step-done", address, action, ms: Math.round(performance.now() - started) });
}
