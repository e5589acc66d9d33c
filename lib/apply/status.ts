import { messageOf } from "../host/errors.ts";
import { listNames } from "../host/folders.ts";
import { machineFolder, machineHome } from "../host/paths.ts";
import { statIfPresent } from "../host/files.ts";
import { currentContext } from "../resources/docker/client_config.ts";
import { ensureAgent } from "../resources/agent.ts";
import type { AgentStatus, RunningVm, VmLook, World } from "../resources/contract.ts";
import { lookAtMounts } from "../resources/look.ts";
import type { MachineRecord } from "../resources/record.ts";
import { sshForward } from "../resources/vm.ts";
import { engineStatus } from "./engine_status.ts";
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
  const vm = await world.platform.vm.look(folder);
  const agent = await ensureAgent(world, vm, (text) => emit({ kind: "note", text }));
  const runtime = world.machine?.runtime;
  const docker = runtime?.engine === "docker" ? runtime.docker.context : undefined;
  const engine = vm.state === "running" ? await engineStatus(world, agent) : undefined;
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
    mounts: await mountsPart(world, agent),
    sockets: (agent?.sockets ?? []).map(({ host, guest, listening, error }) => ({
      host,
      guest,
      state: listening ? "listening" : error ?? "closed",
    })),
    ...(engine ? { engine } : {}),
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

async function mountsPart(world: World, agent: AgentStatus | undefined): Promise<MachineStatus["mounts"]> {
  const states = new Map<string, string>();
  let missing = "unknown: the guest is not reached";
  if (agent?.guest.state === "connected") {
    try {
      for (const look of await lookAtMounts(world, MOUNT_MS)) {
        states.set(look.target, look.state === "same" ? "mounted" : `${look.state}: ${look.reason}`);
      }
    } catch (error) {
      missing = `unknown: ${messageOf(error)}`;
    }
  }
  return (world.machine?.mounts ?? []).map(({ source, target, type, writable }) => ({
    source,
    target,
    type,
    writable,
    state: states.get(target) ?? missing,
  }));
}
