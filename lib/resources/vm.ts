import { defaultCpu, rememberedAccel } from "../drivers/qemu/accel.ts";
import { removeForward } from "../drivers/qemu/forward.ts";
import type { RunningVm, VmForward } from "../drivers/types.ts";
import type { Accel, Machine } from "../config/types.ts";
import type { Change, Effect, Observed } from "../plan/types.ts";
import { removeIfPresent, statIfPresent } from "../host/files.ts";
import { freePort } from "../host/ports.ts";
import type { Job, Kind, Look, World } from "./contract.ts";
import { runningContainers } from "./docker/containers.ts";
import { mountableShares } from "./mount_share.ts";
import { powerOff, powerOn, rootTarget, waitForGuest } from "./power.ts";

/** The VM as wanted. */
interface WantedVm {
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly accel: "auto" | Accel;
  readonly cpu: string;
  readonly shares: readonly { readonly tag: string; readonly source: string }[];
  readonly dataDisk: boolean;
  /** 0: any. */
  readonly sshPort: number;
}

/** The VM as found: running, or down and why. */
type FoundVm =
  | { readonly running: false; readonly why: string; readonly effect: Effect }
  | { readonly running: true; readonly vm: RunningVm; readonly provenAccel: Accel | undefined };

/** The QEMU process, compared with what QEMU says of itself. */
export const vmKind: Kind<WantedVm, FoundVm> = {
  kind: "vm",
  phase: 3,
  realm: "machine",
  path: () => "vm",
  dependsOn: () => ["disk:system", "disk:data"],
  desired: async ({ machine }) => new Map(machine ? [["vm", await wantedVm(machine)]] : []),
  observe: async (world, look) => new Map([["vm", await observeVm(world, look)]]),
  compare(desired, observed) {
    if (!observed.running) {
      return [{
        path: "vm.running",
        before: false,
        after: true,
        effect: observed.effect,
        note: observed.why,
      }];
    }
    return compareRunning(desired, observed.vm, observed.provenAccel);
  },
  interrupts: (world) => runningContainers(world),
  async apply(job) {
    const live = job.step.action === "update" && job.step.effect === "live" &&
      job.look.vm.state === "running";
    if (live) return await moveSshPort(job);
    await powerOff(job);
    await powerOn(job);
  },
  async undo(job) {
    await powerOff(job);
    const { qemuLog, serialLog, credentials } = job.world.folder;
    for (const file of [qemuLog, serialLog, credentials]) await removeIfPresent(file);
  },
};

async function wantedVm(machine: Machine): Promise<WantedVm> {
  return {
    cpus: machine.vm.cpus,
    memoryMiB: machine.vm.memoryMiB,
    accel: machine.vm.accel,
    cpu: machine.vm.cpu,
    shares: (await mountableShares(machine.mounts)).map(({ tag, source }) => ({ tag, source })),
    dataDisk: machine.vm.dataDiskMiB !== undefined,
    sshPort: machine.ssh.port,
  };
}

async function observeVm(world: World, look: Look): Promise<Observed<FoundVm>> {
  if (look.vm.state === "unknown") return { state: "unknown", reason: look.vm.reason };
  if (look.vm.state === "running") {
    // A guest that is known again only after the VM has started anew never came up; without a forward nobody knows.
    const isAwaited = look.guest.state === "unknown" && look.guest.until === "vm";
    if (look.vm.status === "running" && isAwaited && sshForward(look.vm)) {
      return {
        state: "present",
        owned: true,
        value: { running: false, why: look.guest.reason, effect: "restart" },
      };
    }
    return {
      state: "present",
      owned: true,
      value: { running: true, vm: look.vm, provenAccel: await provenAccel(world) },
    };
  }
  if (await statIfPresent(world.folder.disk) === undefined) return { state: "absent" };
  const why = world.record?.stopped
    ? "stopped; apply starts it"
    : look.vm.crashed
    ? `not running: ${look.vm.reason}, and nobody stopped it`
    : "not running";
  return { state: "present", owned: true, value: { running: false, why, effect: "live" } };
}

async function provenAccel(world: World): Promise<Accel | undefined> {
  if (world.machine?.vm.accel !== "auto") return undefined;
  // What was proven holds for one version of QEMU; asking its version costs a process, so trust the one that runs.
  return (await rememberedAccel(world.cacheDir))?.accel;
}

function compareRunning(desired: WantedVm, vm: RunningVm, proven: Accel | undefined): Change[] {
  const changes: Change[] = [];
  const differ = (path: string, before: unknown, after: unknown, effect: Effect, note?: string) =>
    changes.push({ path, before, after, effect, ...(note ? { note } : {}) });
  if (vm.status !== "running") {
    differ("vm.running", vm.status, "running", "restart", `QEMU says "${vm.status}"`);
  }
  if (vm.cpus !== desired.cpus) differ("vm.cpus", vm.cpus, desired.cpus, "restart");
  if (vm.memoryMiB !== desired.memoryMiB) {
    differ("vm.memory", `${vm.memoryMiB}MiB`, `${desired.memoryMiB}MiB`, "restart");
  }
  const accel = desired.accel === "auto" ? proven ?? vm.accel : desired.accel;
  if (vm.accel !== accel) differ("vm.accel", vm.accel, accel, "restart");
  const cpu = desired.cpu === "auto" ? defaultCpu(accel, Number(vm.qemuVersion.split(".")[0])) : desired.cpu;
  if (vm.cpu !== cpu) differ("vm.cpu", vm.cpu, cpu, "restart");
  if (desired.dataDisk && !vm.disks.some(({ id }) => id === "data")) {
    differ("vm.dataDisk", "not attached", "attached", "restart");
  }
  for (const share of desired.shares) {
    // A share that nobody wants any more stays until the next start: its mount is gone, and it harms nobody.
    if (!vm.shares.includes(share.tag)) {
      differ("mounts", undefined, share.source, "restart", "QEMU takes a new 9p source only when it starts");
    }
  }
  const forward = sshForward(vm);
  if (!forward || desired.sshPort !== 0 && forward.hostPort !== desired.sshPort) {
    differ("ssh.port", forward?.hostPort, desired.sshPort || "any", "live");
  }
  return changes;
}

/** The forward that leads to the guest's sshd. */
export function sshForward(vm: RunningVm): VmForward | undefined {
  return vm.forwards.find(({ protocol, guestPort }) => protocol === "tcp" && guestPort === 22);
}

async function moveSshPort(job: Job): Promise<void> {
  const { folder, machine, record } = job.world;
  if (job.look.vm.state !== "running") return;
  const before = sshForward(job.look.vm);
  // With any port allowed, the one chosen before may be taken by now: then it is another one.
  const hostPort = machine!.ssh.port || freePort(record.sshPort);
  // Without a forward nobody has seen the guest yet: a former command may have been killed while it booted.
  await waitForGuest(job, rootTarget(folder, hostPort), job.look.vm.pid);
  await job.store.update({ sshPort: hostPort });
  // Last: a new port that is taken leaves the guest reachable by the old one.
  if (before) await removeForward(folder, before);
}
