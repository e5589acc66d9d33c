import type { AgentStatus, LookAnswer, MountLook } from "../agent/api.ts";
import { agentLook, agentStatus } from "../agent/client.ts";
import { lookAtVm } from "../drivers/qemu/look.ts";
import { bootFailure } from "../drivers/qemu/start.ts";
import type { VmLook } from "../drivers/types.ts";
import { type GuestQuery, parseAnswer, queryScript } from "../guest/query.ts";
import { waitFor } from "../host/clock.ts";
import { count } from "../host/counts.ts";
import { messageOf, UserError } from "../host/errors.ts";
import { statIfPresent } from "../host/files.ts";
import type { Observed } from "../plan/types.ts";
import type { GuestLook, Look, World } from "./contract.ts";
import { rootTarget } from "./power.ts";
import { KINDS } from "./registry.ts";
import { sshForward } from "./vm.ts";

/** A busy emulated guest answers late; one that does not answer in this time is unknown. */
const GUEST_LOOK_MS = 30_000;

export { lookAtVm };

/** How a look is done. */
export interface LookOptions {
  readonly signal: AbortSignal;
  /** How long a guest that does not answer yet is waited for; it may just be booting. */
  readonly patienceMs: number;
}

/** Looks at everything once: QEMU, the agent, and, in one round trip, the guest. Only reads. */
export async function lookAround(world: World, options: LookOptions): Promise<Look> {
  const [vm, first] = await Promise.all([lookAtVm(world.folder), lookAtAgent(world)]);
  const reachable = vm.state === "running" && sshForward(vm) !== undefined;
  const agent = reachable ? await connectedAgent(world, first, options) : first;
  return { vm, agent, guest: await lookAtGuest(world, vm, agent, options) };
}

/** Asks the agent for its state; one that is there and does not answer is unknown. */
async function lookAtAgent(world: World): Promise<Observed<AgentStatus>> {
  try {
    const status = await agentStatus(world.folder.agentSocket);
    return status ? { state: "present", value: status, owned: true } : { state: "absent" };
  } catch (error) {
    return { state: "unknown", reason: `the agent does not answer: ${messageOf(error)}` };
  }
}

/** An agent whose guest has just started is a moment away from its connection. */
async function connectedAgent(
  world: World,
  agent: Observed<AgentStatus>,
  { signal, patienceMs }: LookOptions,
): Promise<Observed<AgentStatus>> {
  if (agent.state !== "present" || agent.value.guest.state === "connected") return agent;
  const connected = await waitFor(async () => {
    const now = await lookAtAgent(world);
    return now.state !== "present" || now.value.guest.state === "connected" ? now : undefined;
  }, { timeoutMs: patienceMs, signal });
  return connected ?? agent;
}

async function lookAtGuest(
  world: World,
  vm: VmLook,
  agent: Observed<AgentStatus>,
  options: LookOptions,
): Promise<GuestLook> {
  if (vm.state === "unknown") return { state: "unknown", reason: vm.reason };
  if (vm.state === "stopped") {
    return await statIfPresent(world.folder.disk) === undefined
      ? { state: "absent" }
      : { state: "unknown", reason: "known after start", until: "vm" };
  }
  if (vm.status !== "running") return { state: "unknown", reason: `the VM is "${vm.status}"`, until: "vm" };
  // A start that was killed had not forwarded it yet: nobody would ever answer there.
  if (!sshForward(vm)) return { state: "unknown", reason: "no port leads to its ssh yet", until: "vm" };
  const script = queryScript(fullQuery(world));
  const mounts = (world.machine?.mounts ?? []).map(({ source, target }) => ({ source, target }));
  try {
    count("roundTrips");
    const answer = agent.state === "present" && agent.value.guest.state === "connected"
      ? await agentLook(world.folder.agentSocket, { script, mounts, timeoutMs: GUEST_LOOK_MS })
      : await lookDirectly(world, script, options);
    if (answer.script.code !== 0) {
      return { state: "unknown", reason: `the look failed in the guest: ${answer.script.stderr.trim()}` };
    }
    return { state: "facts", facts: parseAnswer(answer.script.stdout), mounts: answer.mounts };
  } catch (error) {
    const failure = await bootFailure(world.folder, vm.pid);
    if (failure) return { state: "unknown", reason: `the guest does not boot: ${failure}`, until: "vm" };
    const remedy = `machine restart ${world.name} starts it anew`;
    return { state: "unknown", reason: `the guest does not answer: ${messageOf(error)}; ${remedy}` };
  }
}

/** Without an agent the look goes over an own connection; the mounts' two sides then stay uncompared. */
async function lookDirectly(world: World, script: string, options: LookOptions): Promise<LookAnswer> {
  if (!world.record?.sshPort) throw new UserError("the port of its ssh is not known");
  const { waitForSsh } = await import("../guest/ssh.ts");
  count("connections");
  const { signal, patienceMs } = options;
  await using guest = await waitForSsh(rootTarget(world.folder, world.record.sshPort), {
    timeoutMs: patienceMs,
    signal,
  });
  return { script: await guest.run(script, { timeoutMs: GUEST_LOOK_MS, signal }), mounts: [] };
}

function fullQuery(world: World): GuestQuery {
  const queries = KINDS.flatMap((kind) => kind.query ? [kind.query(world)] : []);
  return {
    files: queries.flatMap(({ files }) => files ?? []),
    units: queries.flatMap(({ units }) => units ?? []),
  };
}

/** Compares the mounts of a running machine from both sides, by the agent. */
export async function lookAtMounts(world: World, timeoutMs: number): Promise<readonly MountLook[]> {
  const mounts = (world.machine?.mounts ?? []).map(({ source, target }) => ({ source, target }));
  if (mounts.length === 0) return [];
  return (await agentLook(world.folder.agentSocket, { script: ":", mounts, timeoutMs })).mounts;
}
