import type { AgentStatus } from "../agent/api.ts";
import { agentLook } from "../agent/client.ts";
import { lookAtVm } from "../drivers/qemu/look.ts";
import type { RunningVm, VmLook } from "../drivers/types.ts";
import { messageOf } from "../host/errors.ts";
import { listNames } from "../host/folders.ts";
import { machineFolder, machineHome } from "../host/paths.ts";
import { statIfPresent } from "../host/files.ts";
import { currentContext } from "../resources/docker/client_config.ts";
import type { MachineRecord } from "../resources/record.ts";
import { sshForward } from "../resources/vm.ts";
import { ensureAgent } from "./ensure_agent.ts";
import type { Emit } from "./events.ts";
import { knownMachine } from "./operation.ts";
import type { MachineStatus } from "./types.ts";

/** How long a mounted folder may take to answer before its state is unknown. */
const MOUNT_MS = 5000;

/** The machines that have a record, by name. */
export async function listMachines(): Promise<string[]> {
  const names = await listNames(machineHome());
  const known = await Promise.all(names.map((name) => statIfPresent(machineFolder(name).record)));
  return names.filter((_, index) => known[index] !== undefined);
}

/** What a machine is and does now. An agent that is gone is started again, which `emit` says. */
export async function machineStatus(name: string, emit: Emit = () => {}): Promise<MachineStatus> {
  const world = await knownMachine(name);
  const { folder, record } = world;
  const vm = await lookAtVm(folder);
  const agent = await ensureAgent(world, vm, emit);
  const docker = record.machine?.runtime.docker.context;
  const forward = vm.state === "running" ? sshForward(vm) : undefined;
  return {
    name,
    ...stateOf(vm, record),
    origin: record.origin,
    limits: vm.state === "running" ? limitsOf(vm) : [],
    ...(vm.state === "running" ? { vm: vmPart(vm) } : {}),
    ...(agent ? { agent: { state: agent.guest.state, pid: agent.pid, since: agent.startedAt } } : {}),
    ...(forward
      ? {
        ssh: {
          host: forward.host,
          port: forward.hostPort,
          command: `ssh -F ${machineHome()}/ssh_config machine-${name}`,
        },
      }
      : {}),
    mounts: await mountsPart(record, folder.agentSocket, agent),
    sockets: (agent?.sockets ?? []).map(({ host, guest, listening, error }) => ({
      host,
      guest,
      state: listening ? "listening" : error ?? "closed",
    })),
    ...(docker && vm.state === "running"
      ? {
        docker: {
          context: docker.name,
          current: await currentContext() === docker.name,
          endpoint: `unix://${folder.dockerSocket}`,
        },
      }
      : {}),
    ...(record.bootMs === undefined ? {} : { bootMs: record.bootMs }),
    ...(record.appliedAt === undefined ? {} : { appliedAt: record.appliedAt }),
  };
}

function stateOf(vm: VmLook, record: MachineRecord): Pick<MachineStatus, "state" | "reason"> {
  if (vm.state === "unknown") return { state: "unknown", reason: vm.reason };
  if (vm.state === "running") {
    return vm.status === "running"
      ? { state: "running" }
      : { state: "unknown", reason: `QEMU says "${vm.status}"` };
  }
  if (record.dataKeptAt) {
    return { state: "kept-data", reason: `deleted; its data disk is kept since ${record.dataKeptAt}` };
  }
  if (vm.crashed && !record.stopped) {
    return { state: "crashed", reason: vm.reason ?? "the QEMU process is gone" };
  }
  return { state: "stopped" };
}

function vmPart(vm: RunningVm): NonNullable<MachineStatus["vm"]> {
  const { pid, accel, cpu, cpus, memoryMiB, qemuVersion } = vm;
  return { pid, accel, cpu, cpus, memoryMiB, qemuVersion };
}

/** What a user would otherwise find out by a strange failure. */
function limitsOf(vm: RunningVm): string[] {
  if (!vm.cpu.includes("-cx16")) return [];
  return [
    "The emulated CPU lacks x86-64-v2 (QEMU before 10.0): images that need it, such as UBI 9, do not run",
  ];
}

async function mountsPart(
  record: MachineRecord,
  socket: string,
  agent: AgentStatus | undefined,
): Promise<MachineStatus["mounts"]> {
  const mounts = record.machine?.mounts ?? [];
  const states = new Map<string, string>();
  if (agent?.guest.state === "connected" && mounts.length > 0) {
    try {
      const watched = mounts.map(({ source, target }) => ({ source, target }));
      const answer = await agentLook(socket, { script: ":", mounts: watched, timeoutMs: MOUNT_MS });
      for (const look of answer.mounts) {
        states.set(look.target, look.state === "same" ? "mounted" : `${look.state}: ${look.reason}`);
      }
    } catch (error) {
      for (const { target } of mounts) states.set(target, `unknown: ${messageOf(error)}`);
    }
  }
  return mounts.map(({ source, target, type, writable }) => ({
    source,
    target,
    type,
    writable,
    state: states.get(target) ?? "unknown: the guest is not reached",
  }));
}
