import { UserError } from "../host/errors.ts";
import { ensureAgent } from "../resources/agent.ts";
import type { World } from "../resources/contract.ts";
import { runInSession } from "../resources/session.ts";
import type { Emit } from "./events.ts";
import { knownMachine } from "./operation.ts";

/** What `shell` and `exec` take. */
export interface InGuestOptions {
  readonly name: string;
  /** Program and arguments; a login shell when left out. */
  readonly command?: readonly string[];
  /** The folder of the host that the command was called in; used in the guest where it is mounted. */
  readonly cwd: string;
  readonly emit: Emit;
  /** As root, not as the machine's user. */
  readonly asRoot?: boolean;
  /** Looks at what is known of the machine. @throws UserError when it cannot do that */
  readonly onWorld?: (world: World) => void;
  /** Looks at the guest before anything runs there. @throws UserError when it cannot do that */
  readonly whenReachable?: (world: World) => Promise<void>;
}

/**
 * Runs a program or a shell in the guest as the machine's user, or as root, over a connection of its own.
 * @returns its exit code
 */
export async function runInGuest(options: InGuestOptions): Promise<number> {
  const world = await knownMachine(options.name);
  const { machine, record: { sshPort } } = world;
  options.onWorld?.(world);
  const vm = await world.platform.vm.look(world.folder);
  if (vm.state === "stopped" || !machine || sshPort === undefined) {
    throw new UserError(`Machine "${options.name}" does not run`, { hint: `machine start ${options.name}` });
  }
  await ensureAgent(world, vm, (text) => options.emit({ kind: "note", text }));
  await options.whenReachable?.(world);
  return await runInSession({ folder: world.folder, machine, sshPort }, options);
}
