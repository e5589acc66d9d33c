import { fileURLToPath } from "node:url";
import { waitFor } from "../host/clock.ts";
import { variables } from "../host/environment.ts";
import { UserError } from "../host/errors.ts";
import { readTextIfPresent } from "../host/files.ts";
import { holderOf } from "../host/lock.ts";
import type { MachineFolder } from "../host/paths.ts";
import { spawnDetached, tail } from "../host/process.ts";
import { PROXY_VARIABLES } from "../host/proxy.ts";
import { ownProgram } from "../host/self.ts";
import type { AgentStatus } from "./api.ts";
import { agentStatus } from "./client.ts";

/** Options of {@link startAgent}. */
export interface StartAgentOptions {
  readonly signal?: AbortSignal;
  /** URL of the program's source; `main.ts` when left out. Has no meaning in the compiled binary. */
  readonly main?: string;
}

const READY_MS = 15_000;

/** All that an agent gets of the caller's environment: what Deno, ssh and the paths of the machine need. */
const VARIABLES = [
  // For an apply of its own: without them it would take the host's proxy for gone.
  ...PROXY_VARIABLES,
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "TMPDIR",
  "MACHINE_HOME",
  "XDG_CACHE_HOME",
  "DOCKER_CONFIG",
  "XDG_RUNTIME_DIR",
  "DENO_DIR",
  "DENO_TLS_CA_STORE",
  "DENO_CERT",
  "SSL_CERT_FILE",
  "SSH_AUTH_SOCK",
];

/**
 * Starts the agent of a machine in the background, with its `agent.json` written before, and waits until it answers.
 * Of two that start at the same time one ends by itself; both calls give the state of the one that stays.
 * @throws UserError with the end of its log when it does not come up
 */
export async function startAgent(
  folder: MachineFolder,
  options: StartAgentOptions = {},
): Promise<AgentStatus> {
  const running = await agentStatus(folder.agentSocket);
  if (running !== undefined) return running;
  const child = spawnOurselves(folder, "run", options.main);
  let ended = false;
  void child.status.then(() => ended = true);
  const answered = await waitFor(async () => {
    const status = await agentStatus(folder.agentSocket);
    if (status !== undefined) return { status };
    // One that ended because another one has the lock is no failure: that one will answer.
    if (!ended || await holderOf(folder.agentLock) !== undefined) return undefined;
    return { status: await agentStatus(folder.agentSocket) };
  }, {
    timeoutMs: READY_MS,
    firstDelayMs: 30,
    maxDelayMs: 200,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (answered?.status !== undefined) return answered.status;
  const what = answered === undefined ? `did not answer within ${READY_MS / 1000} s` : "ended at its start";
  throw new UserError(`The agent of the machine "${folder.name}" ${what}`, {
    hint: `Its log is ${folder.agentLog}`,
    output: tail(await readTextIfPresent(folder.agentLog) ?? "", 10),
  });
}

/** Starts the command that takes a tried form back, in the background; it outlives the agent, which it may restart. */
export function startRevert(folder: MachineFolder): void {
  spawnOurselves(folder, "revert");
}

function spawnOurselves(
  folder: MachineFolder,
  task: "run" | "revert",
  main = import.meta.resolve("../../main.ts"),
): ReturnType<typeof spawnDetached> {
  const program = ownProgram();
  const source = program.compiled ? [] : ["run", "-A", fileURLToPath(main)];
  return spawnDetached([program.path, ...source, "agent", task, folder.root], {
    log: folder.agentLog,
    cwd: folder.root,
    env: { ...variables(VARIABLES), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
  });
}
