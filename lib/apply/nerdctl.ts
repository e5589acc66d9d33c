import { UserError } from "../host/errors.ts";
import type { World } from "../resources/contract.ts";
import { NERDCTL } from "../resources/nerdctl/files.ts";
import type { Emit } from "./events.ts";
import { runInGuest } from "./shell.ts";

/** What `nerdctl` takes. */
export interface NerdctlOptions {
  readonly name: string;
  /** What nerdctl is told. */
  readonly words: readonly string[];
  readonly cwd: string;
  readonly emit: Emit;
}

const LOOK_MS = 10_000;

/**
 * Runs nerdctl in the guest as root, in the folder of the host where that is mounted.
 * @returns its exit code
 * @throws UserError when the machine has none
 */
export async function runNerdctlInGuest({ words, ...options }: NerdctlOptions): Promise<number> {
  return await runInGuest({
    ...options,
    command: [NERDCTL, ...words],
    asRoot: true,
    whenReachable: requireNerdctl,
    onWorld: requireContainerd,
  });
}

function requireContainerd({ name, machine }: World): void {
  if (machine === undefined) return;
  const { engine, containerd } = machine.runtime;
  if (engine !== "containerd") {
    throw new UserError(`nerdctl works with containerd, and the engine of machine "${name}" is ${engine}`, {
      hint: engine === "docker"
        ? "machine exec docker …; or runtime: containerd in the machine file, then machine apply"
        : "runtime: containerd in the machine file, then machine apply",
    });
  }
  if (!containerd.nerdctl) {
    throw new UserError(`Machine "${name}" has no nerdctl: runtime.containerd.nerdctl is false`, {
      hint: "Set it to true in the machine file, then machine apply; machine ctr is there in any case",
    });
  }
}

/** An apply may have done everything else, where the release could not be had. */
async function requireNerdctl({ name, folder, platform }: World): Promise<void> {
  const { facts } = await platform.agents.look(folder, {
    query: { stamps: [NERDCTL] },
    mounts: [],
    timeoutMs: LOOK_MS,
  });
  if (facts.stamp(NERDCTL).state !== "absent") return;
  throw new UserError(`nerdctl is not installed in machine "${name}"`, {
    hint: "machine apply puts it in, or says why it cannot; machine ctr is there in any case",
  });
}
