import type { AgentStatus, LookAnswer } from "../agent/api.ts";
import { agentLook, agentStatus } from "../agent/client.ts";
import { lookAtVm } from "../drivers/qemu/look.ts";
import type { VmLook } from "../drivers/types.ts";
import { type GuestQuery, parseAnswer, queryScript } from "../guest/query.ts";
import { waitFor } from "../host/clock.ts";
import { messageOf, UserError } from "../host/errors.ts";
import { statIfPresent } from "../host/files.ts";
import type { Item, Observed } from "../plan/types.ts";
import type { GuestLook, Look, World } from "../resources/contract.ts";
import { rootTarget } from "../resources/power.ts";
import { KINDS } from "../resources/registry.ts";
import { desiredHash } from "./applied.ts";
import { count } from "../host/counts.ts";

/** A busy emulated guest answers late; one that does not answer in this time is unknown. */
const GUEST_LOOK_MS = 30_000;

/** A booting, emulated guest takes some seconds for the agent's handshake. */
const AGENT_CONNECTS_MS = 20_000;

/** Looks at everything once: QEMU, the agent, and, in one round trip, the guest. Only reads. */
export async function lookAround(world: World, signal: AbortSignal): Promise<Look> {
  const [vm, first] = await Promise.all([lookAtVm(world.folder), lookAtAgent(world)]);
  const agent = vm.state === "running" ? await connectedAgent(world, first, signal) : first;
  return { vm, agent, guest: await lookAtGuest(world, vm, agent, signal) };
}

/** What the planner compares: every kind's things, wanted and found. */
export async function itemsOf(world: World, look: Look): Promise<Item[]> {
  const groups = await Promise.all(KINDS.map(async (kind) => {
    const desired = await kind.desired(world);
    const observed = await kind.observe(world, look, desired);
    const addresses = new Set([...desired.keys(), ...observed.keys()]);
    return [...addresses].map((address): Item => {
      const wanted = desired.get(address);
      const refusal = wanted === undefined ? undefined : kind.refusal?.(world, wanted);
      const applied = world.record?.applied[address];
      return {
        address,
        phase: kind.phase,
        realm: kind.realm,
        dependsOn: kind.dependsOn(address, wanted),
        desired: wanted,
        observed: observed.get(address) ?? { state: "unknown", reason: "it was not looked at" },
        compare: (want, found) => kind.compare(want, found),
        path: kind.path(address),
        ...(wanted !== undefined && applied === desiredHash(wanted) ? { unedited: true } : {}),
        ...(wanted !== undefined && kind.creation ? { creation: kind.creation(world, look, wanted) } : {}),
        ...(kind.removal ? { removal: kind.removal } : {}),
        ...(refusal === undefined ? {} : { refusal }),
      };
    });
  }));
  return groups.flat();
}

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
  signal: AbortSignal,
): Promise<Observed<AgentStatus>> {
  if (agent.state !== "present" || agent.value.guest.state === "connected") return agent;
  const connected = await waitFor(async () => {
    const now = await lookAtAgent(world);
    return now.state !== "present" || now.value.guest.state === "connected" ? now : undefined;
  }, { timeoutMs: AGENT_CONNECTS_MS, signal });
  return connected ?? agent;
}

async function lookAtGuest(
  world: World,
  vm: VmLook,
  agent: Observed<AgentStatus>,
  signal: AbortSignal,
): Promise<GuestLook> {
  if (vm.state === "unknown") return { state: "unknown", reason: vm.reason };
  if (vm.state === "stopped") {
    return await statIfPresent(world.folder.disk) === undefined
      ? { state: "absent" }
      : { state: "unknown", reason: "known after start", until: "vm" };
  }
  if (vm.status !== "running") return { state: "unknown", reason: `the VM is "${vm.status}"`, until: "vm" };
  const script = queryScript(fullQuery(world));
  const mounts = (world.machine?.mounts ?? []).map(({ source, target }) => ({ source, target }));
  try {
    count("roundTrips");
    const answer = agent.state === "present" && agent.value.guest.state === "connected"
      ? await agentLook(world.folder.agentSocket, { script, mounts, timeoutMs: GUEST_LOOK_MS })
      : await lookDirectly(world, script, signal);
    if (answer.script.code !== 0) {
      return { state: "unknown", reason: `the look failed in the guest: ${answer.script.stderr.trim()}` };
    }
    return { state: "facts", facts: parseAnswer(answer.script.stdout), mounts: answer.mounts };
  } catch (error) {
    return { state: "unknown", reason: `the guest does not answer: ${messageOf(error)}` };
  }
}

/** Without an agent the look goes over an own connection; the mounts' two sides then stay uncompared. */
async function lookDirectly(world: World, script: string, signal: AbortSignal): Promise<LookAnswer> {
  if (!world.record?.sshPort) throw new UserError("the port of its ssh is not known");
  const { connectSsh } = await import("../guest/ssh.ts");
  count("connections");
  await using guest = await connectSsh(rootTarget(world.folder, world.record.sshPort), {
    timeoutMs: 15_000,
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
