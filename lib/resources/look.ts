import type { AgentStatus, MountLook } from "../agent/api.ts";
import type { VmLook } from "../drivers/types.ts";
import type { GuestFacts, GuestQuery } from "../guest/query.ts";
import { waitFor } from "../host/clock.ts";
import { count } from "../host/counts.ts";
import { messageOf, UserError } from "../host/errors.ts";
import type { Address, Observed } from "../plan/types.ts";
import type { GuestLook, Look, World } from "./contract.ts";
import { ownedOf } from "./owned.ts";
import type { GuestConnection } from "./platform.ts";
import { rootTarget } from "./power.ts";
import { KINDS } from "./registry.ts";
import { sshForward } from "./vm.ts";

/** A busy emulated guest answers late; one that does not answer in this time is unknown. */
const GUEST_LOOK_MS = 30_000;

/** How a look is done. */
export interface LookOptions {
  readonly signal: AbortSignal;
  /** How long a guest that does not answer yet is waited for; it may just be booting. */
  readonly patienceMs: number;
}

/** Looks at everything once: QEMU, the agent, and, in one round trip, the guest. Only reads. */
export async function lookAround(world: World, options: LookOptions): Promise<Look> {
  const [vm, first] = await Promise.all([world.platform.vm.look(world.folder), lookAtAgent(world)]);
  const reachable = vm.state === "running" && sshForward(vm) !== undefined;
  const agent = reachable ? await connectedAgent(world, first, options) : first;
  return { vm, agent, guest: await lookAtGuest(world, vm, agent, options) };
}

/** Asks the agent for its state; one that is there and does not answer is unknown. */
async function lookAtAgent({ platform, folder }: World): Promise<Observed<AgentStatus>> {
  try {
    const status = await platform.agents.status(folder);
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
    return await world.platform.disks.exists(world.folder.disk)
      ? { state: "unknown", reason: "known after start", until: "vm" }
      : { state: "absent" };
  }
  if (vm.status !== "running") return { state: "unknown", reason: `the VM is "${vm.status}"`, until: "vm" };
  // A start that was killed had not forwarded it yet: nobody would ever answer there.
  if (!sshForward(vm)) return { state: "unknown", reason: "no port leads to its ssh yet", until: "vm" };
  try {
    return await ask(world, agent, options);
  } catch (error) {
    const failure = await world.platform.vm.bootFailure(world.folder, vm.pid);
    if (failure) return { state: "unknown", reason: `the guest does not boot: ${failure}`, until: "vm" };
    const remedy = `machine restart ${world.name} starts it anew`;
    return { state: "unknown", reason: `the guest does not answer: ${messageOf(error)}; ${remedy}` };
  }
}

/**
 * Asks the guest everything that the kinds want to know: over the agent's connection, else over an own one. One
 * round trip, unless the guest's own list names things that nobody here remembers.
 */
async function ask(world: World, agent: Observed<AgentStatus>, options: LookOptions): Promise<GuestLook> {
  const known = await knownAddresses(world);
  const isConnected = agent.state === "present" && agent.value.guest.state === "connected";
  await using direct = isConnected ? undefined : await connectDirectly(world, options);
  const look = async (query: GuestQuery) => {
    count("roundTrips");
    if (direct) {
      // Without an agent the mounts' two sides stay uncompared.
      return {
        facts: await direct.look(query, { timeoutMs: GUEST_LOOK_MS, signal: options.signal }),
        mounts: [],
      };
    }
    const mounts = (world.machine?.mounts ?? []).map(({ source, target }) => ({ source, target }));
    return await world.platform.agents.look(world.folder, { query, mounts, timeoutMs: GUEST_LOOK_MS });
  };
  const first = await look(await fullQuery(world, known));
  const forgotten = addressesIn(first.facts).filter((address) => !known.includes(address));
  const found = forgotten.length === 0 ? first : await look(await fullQuery(world, [...known, ...forgotten]));
  return { state: "facts", ...found };
}

/** What the guest's own list names; of a list that cannot be read each kind says so itself. */
function addressesIn(facts: GuestFacts): readonly Address[] {
  try {
    return Object.keys(ownedOf(facts).applied);
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

async function connectDirectly(world: World, { signal, patienceMs }: LookOptions): Promise<GuestConnection> {
  const { folder, record, platform } = world;
  if (!record?.sshPort) throw new UserError("the port of its ssh is not known");
  count("connections");
  const target = rootTarget(folder, record.sshPort);
  return await platform.connect(target, { timeoutMs: patienceMs, signal, patient: true });
}

/** Everything that is wanted or was applied from here. */
async function knownAddresses(world: World): Promise<readonly Address[]> {
  const wanted = await Promise.all(KINDS.map((kind) => kind.desired(world)));
  const addresses = wanted.flatMap((desired) => [...desired.keys()]);
  return [...new Set([...addresses, ...Object.keys(world.record?.applied ?? {})])];
}

async function fullQuery(world: World, addresses: readonly Address[]): Promise<GuestQuery> {
  const queries = await Promise.all(
    KINDS.flatMap((kind) => kind.query ? [kind.query(world, addresses)] : []),
  );
  return {
    files: queries.flatMap(({ files }) => files ?? []),
    hashes: queries.flatMap(({ hashes }) => hashes ?? []),
    lines: queries.flatMap(({ lines }) => lines ?? []),
    stamps: queries.flatMap(({ stamps }) => stamps ?? []),
    folders: queries.flatMap(({ folders }) => folders ?? []),
    units: queries.flatMap(({ units }) => units ?? []),
    packages: queries.flatMap(({ packages }) => packages ?? []),
    checks: queries.flatMap(({ checks }) => checks ?? []),
  };
}

/** Compares the mounts of a running machine from both sides, by the agent. */
export async function lookAtMounts(world: World, timeoutMs: number): Promise<readonly MountLook[]> {
  const mounts = (world.machine?.mounts ?? []).map(({ source, target }) => ({ source, target }));
  if (mounts.length === 0) return [];
  return (await world.platform.agents.look(world.folder, { query: {}, mounts, timeoutMs })).mounts;
}
