import type { RunningVm, VmForward } from "../drivers/types.ts";
import type { Accel, Machine } from "../config/types.ts";
import type { Change, Observed } from "../plan/types.ts";
import { removeIfPresent } from "../host/files.ts";
import { freePort } from "../host/ports.ts";
import { changeAt, Differences } from "./change.ts";
import type { Job, Kind, Look, World } from "./contract.ts";
import { runningInGuest } from "./running.ts";
import { mountableShares } from "./mount_share.ts";
import { powerOff, powerOn, rootTarget } from "./power.ts";

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
  | { readonly running: false; readonly why: string; readonly which: "down" | "stuck" }
  | { readonly running: true; readonly vm: RunningVm; readonly usual: UsualVm };

/** What "auto" means here, as far as it is known without trying. */
interface UsualVm {
  readonly accel: Accel;
  readonly cpu: (accel: Accel) => string;
}

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
      const words = { which: observed.which, note: observed.why };
      return [changeAt("vm.running", { before: false, after: true }, words)];
    }
    return compareRunning(desired, observed.vm, observed.usual);
  },
  expected: expectedVm,
  interrupts: (world) => runningInGuest(world),
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

/** A VM that was started as wanted; what only its start decides is taken as it is. */
function expectedVm(desired: WantedVm): FoundVm {
  const accel = desired.accel === "auto" ? "tcg" : desired.accel;
  const cpu = desired.cpu === "auto" ? "auto" : desired.cpu;
  return {
    running: true,
    usual: { accel, cpu: () => "auto" },
    vm: {
      state: "running",
      pid: 0,
      status: "running",
      qemuVersion: "",
      accel,
      cpu,
      cpus: desired.cpus,
      memoryMiB: desired.memoryMiB,
      shares: desired.shares.map(({ tag }) => tag),
      disks: [{ id: "system", sizeMiB: 0 }, ...(desired.dataDisk ? [{ id: "data", sizeMiB: 0 }] : [])],
      forwards: [{ protocol: "tcp", host: "127.0.0.1", hostPort: desired.sshPort, guestPort: 22 }],
    },
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
        value: { running: false, why: look.guest.reason, which: "stuck" },
      };
    }
    return {
      state: "present",
      owned: true,
      value: { running: true, vm: look.vm, usual: await usualVm(world, look.vm) },
    };
  }
  if (!await world.platform.disks.exists(world.folder.disk)) return { state: "absent" };
  const why = world.record?.stopped
    ? "stopped; apply starts it"
    : look.vm.crashed
    ? `not running: ${look.vm.reason}, and nobody stopped it`
    : "not running";
  return { state: "present", owned: true, value: { running: false, why, which: "down" } };
}

async function usualVm({ platform, cacheDir, machine }: World, vm: RunningVm): Promise<UsualVm> {
  const proven = machine?.vm.accel === "auto" ? await platform.vm.rememberedAccel(cacheDir) : undefined;
  return { accel: proven ?? vm.accel, cpu: (accel) => platform.vm.defaultCpu(accel, vm.qemuVersion) };
}

function compareRunning(desired: WantedVm, vm: RunningVm, usual: UsualVm): Change[] {
  const found = new Differences();
  if (vm.status !== "running") {
    found.add("vm.running", vm.status, "running", { which: "stuck", note: `QEMU says "${vm.status}"` });
  }
  found.compare("vm.cpus", vm.cpus, desired.cpus);
  found.compare("vm.memory", `${vm.memoryMiB}MiB`, `${desired.memoryMiB}MiB`);
  const accel = desired.accel === "auto" ? usual.accel : desired.accel;
  found.compare("vm.accel", vm.accel, accel);
  found.compare("vm.cpu", vm.cpu, desired.cpu === "auto" ? usual.cpu(accel) : desired.cpu);
  if (desired.dataDisk && !vm.disks.some(({ id }) => id === "data")) {
    found.add("vm.dataDisk", "not attached", "attached", { which: "attach", isTold: true });
  }
  for (const share of desired.shares) {
    // A share that nobody wants any more stays until the next start: its mount is gone, and it harms nobody.
    if (!vm.shares.includes(share.tag)) {
      const note = "QEMU takes a new 9p source only when it starts";
      found.add("mounts", undefined, share.source, { which: "add", note });
    }
  }
  const forward = sshForward(vm);
  if (!forward || desired.sshPort !== 0 && forward.hostPort !== desired.sshPort) {
    found.add("ssh.port", forward?.hostPort, desired.sshPort || "any");
  }
  return found.changes;
}

/** The forward that leads to the guest's sshd. */
export function sshForward(vm: RunningVm): VmForward | undefined {
  return vm.forwards.find(({ protocol, guestPort }) => protocol === "tcp" && guestPort === 22);
}

async function moveSshPort(job: Job): Promise<void> {
  const { folder, machine, record, platform } = job.world;
  if (job.look.vm.state !== "running") return;
  const before = sshForward(job.look.vm);
  // With any port allowed, the one chosen before may be taken by now: then it is another one.
  const hostPort = machine!.ssh.port || freePort(record.sshPort);
  // Without a forward nobody has seen the guest yet: a former command may have been killed while it booted.
  const target = rootTarget(folder, hostPort);
  await platform.vm.awaitGuest(folder, { ...job, target, pid: job.look.vm.pid });
  await job.store.update({ sshPort: hostPort });
  // Last: a new port that is taken leaves the guest reachable by the old one.
  if (before) await platform.vm.removeForward(folder, before);
}
