import { type ProcessResult, run, type RunOptions } from "./process.ts";

/**
 * Runs a program as root of its own small world, which ends with this process: killed, even by SIGKILL, nothing
 * that it started is left running and nothing that it mounted stays mounted.
 *
 * setpriv(1) kills unshare(1) when we die, unshare kills its child (`--kill-child`), and that child is process 1
 * of a pid namespace, so the kernel ends all that descends from it (pid_namespaces(7)). Who is not root becomes root
 * of a user namespace with the ids of /etc/subuid (`--map-auto`); files of its root belong to the user outside.
 */
export function runConfined(argv: readonly string[], options: RunOptions = {}): Promise<ProcessResult> {
  return run([...confinement(), ...argv], {
    ...options,
    // unshare ignores SIGTERM and SIGINT while it waits for its child.
    killSignal: "SIGKILL",
    env: { ...options.env, PATH: administratorPath() },
  });
}

function confinement(): string[] {
  const mapping = Deno.uid() === 0 ? [] : ["--user", "--map-root-user", "--map-auto"];
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  return ["setpriv", "--pdeathsig", "KILL", "--", "unshare", ...mapping, ...namespaces, "--"];
}

/** PATH with the folders of administrators' programs, which an unprivileged user on Debian does not have in it. */
function administratorPath(): string {
  const own = (Deno.env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(":");
  return [...new Set([...own, "/usr/local/sbin", "/usr/sbin", "/sbin"])].join(":");
}
