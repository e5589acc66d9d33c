import { join } from "node:path";
import { readTextIfPresent } from "../../lib/host/files.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { type MachineFolder, machineFolderAt } from "../../lib/host/paths.ts";
import { processArguments } from "../../lib/host/process.ts";
import type { AgentConfig, AgentStatus } from "../../lib/agent/api.ts";
import { agentStatus, stopAgent } from "../../lib/agent/client.ts";
import { startAgent } from "../../lib/agent/spawn.ts";
import { childrenOf, type Sshd, sshdTest } from "./sshd_fixture.ts";

export const AGENT_PROGRAM = import.meta.resolve("./agent_program.ts");

/** A machine's folder whose agent is a real background process; ended with the test. */
export interface AgentUnderTest {
  readonly sshd: Sshd;
  readonly folder: MachineFolder;
  configure(changes: Partial<AgentConfig>): Promise<AgentConfig>;
  start(): Promise<AgentStatus>;
  log(): Promise<string>;
  /** The processes of its agents. */
  processes(): number[];
}

/** A test that needs sshd as the guest and an agent's folder. */
export function agentTest(name: string, test: (agent: AgentUnderTest) => Promise<void>): void {
  sshdTest(name, async (sshd) => {
    const folder = machineFolderAt(join(sshd.folder, "dev"));
    await Deno.mkdir(folder.root, { mode: 0o700 });
    let config: AgentConfig = { machine: "dev", root: sshd.target, sockets: [], mounts: [] };
    const agent: AgentUnderTest = {
      sshd,
      folder,
      async configure(changes) {
        config = { ...config, ...changes };
        await Deno.writeTextFile(folder.agentConfig, JSON.stringify(config), { mode: 0o600 });
        return config;
      },
      start: () => startAgent(folder, { main: AGENT_PROGRAM }),
      processes: () => agentsOf(folder.root),
      log: async () => await readTextIfPresent(folder.agentLog) ?? "",
    };
    await agent.configure({});
    try {
      await test(agent);
    } finally {
      await stopAgent(folder.agentSocket);
      await waitFor(async () => agent.processes().length === 0 || undefined, {
        timeoutMs: 5000,
        firstDelayMs: 10,
      });
    }
  });
}

/** Waits until the agent says what is wanted of it. */
export async function untilStatus(
  folder: MachineFolder,
  accepts: (status: AgentStatus) => boolean,
): Promise<AgentStatus> {
  const status = await waitFor(async () => {
    const now = await agentStatus(folder.agentSocket);
    return now !== undefined && accepts(now) ? now : undefined;
  }, { timeoutMs: 20_000, firstDelayMs: 20, maxDelayMs: 100 });
  if (status === undefined) throw new Error("The agent did not come to the wanted state in 20 s");
  return status;
}

/** Agents that this test started, also those that ended and were not yet waited for. */
function agentsOf(root: string): number[] {
  return childrenOf(Deno.pid).filter((pid) => processArguments(pid)?.includes(root) ?? true);
}
