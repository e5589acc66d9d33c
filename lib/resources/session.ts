import type { Machine, Mount } from "../config/types.ts";
import { runInteractive } from "../guest/terminal.ts";
import type { MachineFolder } from "../host/paths.ts";
import { hasTerminal } from "../host/tty.ts";
import { rootTarget } from "./power.ts";

/** A running machine, as far as a session needs to know it. */
export interface SessionMachine {
  readonly folder: MachineFolder;
  readonly machine: Machine;
  readonly sshPort: number;
}

/** What runs in a session. */
export interface SessionOptions {
  /** Program and arguments; a login shell when left out. */
  readonly command?: readonly string[];
  /** The folder of the host that the command was called in; used in the guest where it is mounted. */
  readonly cwd: string;
  /** As root, not as the machine's user. */
  readonly asRoot?: boolean;
}

/**
 * Runs a program or a shell in the guest as the machine's user, or as root, over a connection of its own. Gives its
 * exit code.
 */
export async function runInSession(at: SessionMachine, options: SessionOptions): Promise<number> {
  const cwd = folderInGuest(at.machine.mounts, options.cwd);
  const root = rootTarget(at.folder, at.sshPort);
  return await runInteractive(options.asRoot ? root : { ...root, user: at.machine.user.name }, {
    tty: hasTerminal(),
    agentForward: at.machine.ssh.agent,
    ...(options.command ? { command: options.command } : {}),
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Where a folder of the host is in the guest; of nested mounts the nearest counts. */
export function folderInGuest(mounts: readonly Mount[], folder: string): string | undefined {
  const mount = [...mounts].sort((a, b) => b.source.length - a.source.length)
    .find(({ source }) => folder === source || folder.startsWith(`${source}/`));
  return mount && `${mount.target}${folder.slice(mount.source.length)}`;
}
