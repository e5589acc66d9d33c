import { EXIT, UserError } from "../host/errors.ts";
import type { Address, PlannedChange } from "../plan/types.ts";
import { endAgent } from "../resources/agent.ts";
import { dockerContextKind } from "../resources/docker/context.ts";
import type { AnyKind, Job, Look } from "../resources/contract.ts";
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
  return await holdMachine(options.name, options, (held) => stopHeld(held, { ...options, ...held.options }));
}

async function stopHeld(held: HeldMachine, options: PowerOptions): Promise<Outcome> {
  const look = await lookAround(held.world, { signal: options.abortSignal, patienceMs: LOOK_MS });
  if (look.vm.state === "unknown") throw new UserError(`Cannot stop "${options.name}": ${look.vm.reason}`);
  await held.store.update({ stopped: true }); // said before it is done: a VM that is gone now was stopped on purpose
  await withdraw({ held, look, options });
  await turnOff({ held, look, options });
  return { ...NOTHING, done: ["vm"] };
}

/** Starts a machine as it was last applied. */
export async function startMachine(options: PowerOptions): Promise<Outcome> {
  const world = await knownMachine(options.name, options.platform);
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
    keepsTrial: true,
  });
}

/** Stops the VM and starts it again; what the host points at stays. */
export async function restartMachine(options: PowerOptions): Promise<Outcome> {
  await holdMachine(options.name, options, async (held) => {
    const look = await lookAround(held.world, { signal: options.abortSignal, patienceMs: LOOK_MS });
    if (look.vm.state === "unknown") {
      throw new UserError(`Cannot restart "${options.name}": ${look.vm.reason}`);
    }
    await turnOff({ held, look, options: held.options });
    return NOTHING;
  });
  return await startMachine(options);
}

async function withdraw(at: Descent): Promise<void> {
  await asStep(DOCKER_CONTEXT, at, async (job) => {
    const kind: AnyKind = dockerContextKind;
    await kind.undo(job);
  });
}

async function turnOff(at: Descent): Promise<void> {
  await asStep(VM, at, async (job) => {
    await powerOff(job);
    await endAgent(at.held.world, at.look);
  });
}

/** A machine on its way down. */
interface Descent {
  readonly held: HeldMachine;
  readonly look: Look;
  readonly options: OperationOptions;
}

/** A step that takes down what comes back with the next start. */
interface PowerStep {
  readonly address: Address;
  /** What is said of it when it is done. */
  readonly past: string;
  /** What is gone after it, by our own doing: the next plan must not say that somebody else removed it. */
  readonly ends: readonly Address[];
}

const DOCKER_CONTEXT: PowerStep = {
  address: "context:docker",
  past: "withdrawn",
  ends: ["context:docker"],
};
const VM: PowerStep = {
  address: "vm",
  past: "stopped",
  ends: ["agent", "socket:docker", "socket:containerd"],
};

/** Runs some work as a step of its own, with its progress shown. */
async function asStep(
  { address, past, ends }: PowerStep,
  { held: { world, store }, look, options }: Descent,
  work: (job: Job) => Promise<void>,
): Promise<void> {
  const action = "delete";
  const step: PlannedChange = { address, phase: 0, action, effect: "live", paths: [], dependsOn: [] };
  const round = openRound({ world, look, store, emit: options.emit, signal: options.abortSignal });
  await using _door = round.guest;
  const started = performance.now();
  options.emit({ kind: "step-start", address, action, text: "" });
  await work(jobFor(round, step));
  const applied = Object.entries(store.value!.applied).filter(([name]) => !ends.includes(name));
  await store.update({ applied: Object.fromEntries(applied) });
  options.emit({ kind: "step-done", address, action, past, ms: Math.round(performance.now() - started) });
}
