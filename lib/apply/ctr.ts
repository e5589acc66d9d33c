import { UserError } from "../host/errors.ts";
import type { World } from "../resources/contract.ts";
import type { Emit } from "./events.ts";
import { knownMachine } from "./operation.ts";
import { runInGuest } from "./shell.ts";

/** What `ctr` takes. */
export interface CtrOptions {
  readonly name: string;
  /** What ctr is told. */
  readonly words: readonly string[];
  readonly cwd: string;
  readonly emit: Emit;
}

/**
 * Runs containerd's own client in the guest as root, in the folder of the host where that is mounted.
 * @returns its exit code
 * @throws UserError when the machine has no engine
 */
export async function runCtrInGuest({ words, ...options }: CtrOptions): Promise<number> {
  const { machine } = await knownMachine(options.name);
  // Where ctr is not told another one, it unpacks images for overlayfs, whatever the file says.
  const snapshotter = machine?.runtime.engine === "containerd"
    ? machine.runtime.containerd.snapshotter
    : "overlayfs";
  return await runInGuest({
    ...options,
    command: ["env", `CONTAINERD_SNAPSHOTTER=${snapshotter}`, "ctr", ...words],
    asRoot: true,
    onWorld: requireEngine,
  });
}

function requireEngine({ name, machine }: World): void {
  if (machine?.runtime.engine !== "none") return;
  throw new UserError(`Machine "${name}" has no engine, and so no containerd that ctr could ask`, {
    hint: "runtime: containerd or runtime: docker in the machine file, then machine apply",
  });
}
