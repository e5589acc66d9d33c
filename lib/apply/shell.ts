import { hasTerminal } from "../host/tty.ts";
import { UserError } from "../host/errors.ts";
import { runInteractive } from "../guest/terminal.ts";
import { rootTarget } from "../resources/power.ts";
import { ensureAgent } from "./ensure_agent.ts";
import type { Emit } from "./events.ts";
import { lookAtVm } from "../drivers/qemu/look.ts";
import { knownMachine } from "./operation.ts";

/** What `shell` and `exec` take. */
export interface InGuestOptions {
  readonly name: string;
  /** Program and arguments; a login shell when left out. */
  readonly command?: readonly string[];
  /** The folder of the host that the command was called in; used in the guest where it is mounted. */
  readonly cwd: string;
  readonly emit: Emit;
}

/**
 * Runs a program or a shell in the guest as the machine's user, over a connection of its own.
 * @returns its exit code
 */
export async function runInGuest(options: InGuestOptions): Promise<number> {
  const world = await knownMachine(options.name);
  const { machine, sshPort } = world.record;
  const vm = await lookAtVm(world.folder);
  if (vm.state === "stopped" || !machine || sshPort === undefined) {
    throw new UserError(`Machine "${options.name}" does not run`, { hint: `machine start ${options.name}` });
  }
  await ensureAgent(world, vm, options.emit);
  // Longest target first: nested mounts have the nearer one's meaning.
  const mount = [...machine.mounts].sort((a, b) => b.source.length - a.source.length)
    .find(({ source }) => options.cwd === source || options.cwd.startsWith(`${source}/`));
  return await runInteractive({ ...rootTarget(world.folder, sshPort), user: machine.user.name }, {
    tty: hasTerminal(),
    agentForward: machine.ssh.agent,
    ...(options.command ? { command: options.command } : {}),
    ...(mount ? { cwd: `${mount.target}${options.cwd.slice(mount.source.length)}` } : {}),
  });
}
