import { chooseAccel, defaultCpu } from "../drivers/qemu/accel.ts";
import { addForward } from "../drivers/qemu/forward.ts";
import { isGuestNetworkUp } from "../drivers/qemu/network_up.ts";
import { findQemuProgram } from "../drivers/qemu/program.ts";
import { bootFailure, startQemu } from "../drivers/qemu/start.ts";
import { findQemu } from "../drivers/qemu/look.ts";
import { stopQemu } from "../drivers/qemu/stop.ts";
import type { VmDisk, VmSpec } from "../drivers/types.ts";
import { credentialsFor } from "../guest/credentials.ts";
import { makeKeyPair } from "../guest/keys.ts";
import { waitForSsh } from "../guest/ssh.ts";
import type { SshTarget } from "../guest/types.ts";
import { waitFor } from "../host/clock.ts";
import { isAbort, UserError } from "../host/errors.ts";
import { exists, readText, readTextIfPresent, writeAtomic } from "../host/files.ts";
import { freePort } from "../host/ports.ts";
import { tail } from "../host/process.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { Job, World } from "./contract.ts";
import { mountableShares } from "./mount_share.ts";

/** Under emulation, on a busy host, a boot may take several times its usual 15 s. */
const BOOT_MS = 180_000;
/** After this time the guest's ssh is tried in any case: a guest may keep its card's filter to itself. */
const NETWORK_MS = 90_000;
const MOST_SILENCES = 5;

/** How root is reached in a machine's guest. */
export function rootTarget(folder: MachineFolder, port: number): SshTarget {
  return {
    host: "127.0.0.1",
    port,
    user: "root",
    identityFile: folder.identity,
    hostKeyFile: folder.hostKeyPublic,
  };
}

/** Starts the VM as the file wants it and waits until a command in the guest has answered. */
export async function powerOn(job: Job): Promise<void> {
  const { world, store, progress } = job;
  const { folder } = world;
  const machine = world.machine!;
  const base = store.value!.base;
  if (!base) {
    throw new UserError("The system disk's base image is not known", { hint: "Run the apply again" });
  }
  await ensureIdentity(world);
  const qemu = await findQemuProgram(machine.vm.arch);
  progress("choosing the accelerator");
  const proof = await chooseAccel({
    wanted: machine.vm.accel,
    arch: machine.vm.arch,
    qemu,
    kernel: base.kernel,
    cacheDir: world.cacheDir,
    signal: job.signal,
  });
  if (proof.fresh && proof.accel === "tcg") {
    job.note(
      `KVM runs no guest here (${proof.reason}): the machine is emulated, which is several times slower`,
    );
  }
  const port = await chooseSshPort(job);
  const spec: VmSpec = {
    name: machine.name,
    arch: machine.vm.arch,
    accel: proof.accel,
    cpu: machine.vm.cpu === "auto" ? defaultCpu(proof.accel, qemu.major) : machine.vm.cpu,
    cpus: machine.vm.cpus,
    memoryMiB: machine.vm.memoryMiB,
    mac: store.value!.mac,
    disks: await disksOf(folder),
    shares: await mountableShares(machine.mounts),
    kernel: base.kernel,
    initrd: base.initrd,
    commandLine: base.commandLine,
  };
  progress(`starting QEMU ${qemu.version} (${proof.accel})`);
  const started = performance.now();
  const pid = await startQemu(spec, folder, qemu);
  await waitForGuest(job, rootTarget(folder, port), pid);
  await store.update({ stopped: undefined, bootMs: Math.round(performance.now() - started) });
}

/**
 * Adds the forward to the guest's ssh and waits for a guest that answers; ends early, with its console's words,
 * when it never will. The forward comes once the guest's network is up: what connects before is held by QEMU.
 */
export async function waitForGuest(job: Job, target: SshTarget, pid: number): Promise<void> {
  const { folder } = job.world;
  const lost = new AbortController();
  let failure: string | undefined;
  const watch = setInterval(async () => {
    failure ??= await bootFailure(folder, pid);
    if (failure !== undefined) lost.abort(new UserError("The guest does not boot"));
  }, 500);
  const signal = AbortSignal.any([job.signal, lost.signal]);
  try {
    job.progress("booting, waiting for the guest's network");
    await waitForNetwork(folder, signal);
    await addForward(folder, { protocol: "tcp", host: "127.0.0.1", hostPort: target.port, guestPort: 22 });
    job.progress("booting, waiting for the guest's ssh");
    await using _guest = await waitForSsh(target, { timeoutMs: BOOT_MS, signal });
  } catch (cause) {
    if (job.signal.aborted || failure === undefined) throw cause;
    throw new UserError(`The guest does not boot: ${failure}`, {
      cause,
      output: tail(await readTextIfPresent(folder.serialLog) ?? "", 15),
      hint: `The guest's console is in ${folder.serialLog}`,
    });
  } finally {
    clearInterval(watch);
  }
}

async function waitForNetwork(folder: MachineFolder, signal: AbortSignal): Promise<void> {
  let silences = 0;
  const isUp = async (): Promise<true | undefined> => {
    try {
      return await isGuestNetworkUp(folder) || undefined;
    } catch (error) {
      // On a busy host QEMU's monitor may stay silent for a moment while the guest boots.
      if (!isAbort(error) || ++silences >= MOST_SILENCES) throw error;
      return undefined;
    }
  };
  await waitFor(isUp, { timeoutMs: NETWORK_MS, maxDelayMs: 100, signal });
}

/** Stops the VM, softly where the guest can be reached. Nothing happens when it does not run. */
export async function powerOff(job: Job): Promise<void> {
  const { folder } = job.world;
  if (await findQemu(folder) === undefined) return;
  const reachable = job.look.vm.state === "running" && job.look.guest.state === "facts";
  await stopQemu(folder, {
    onWait: job.progress,
    signal: job.signal,
    ...(reachable ? { powerOff: () => askToPowerOff(job) } : {}),
  });
}

async function askToPowerOff(job: Job): Promise<void> {
  // The answer may be cut off by the very thing it asks for: the process's end is what counts.
  await (await job.guest()).run("systemctl poweroff --no-block", { timeoutMs: 10_000 });
}

/** Makes the machine's keys once, and writes what the guest is told of them at every boot. */
export async function ensureIdentity(world: World): Promise<void> {
  const { folder, machine } = world;
  await ensureKeyPair(folder.identity, folder.identityPublic, world.name);
  await ensureKeyPair(folder.hostKey, folder.hostKeyPublic, world.name);
  const hostKeyPublic = (await readText(folder.hostKeyPublic)).trim();
  await writeIfOther(folder.knownHosts, `machine-${world.name} ${hostKeyPublic}\n`);
  await writeIfOther(
    folder.credentials,
    credentialsFor({
      rootKey: (await readText(folder.identityPublic)).trim(),
      hostKeyPrivate: await readText(folder.hostKey),
      hostKeyPublic,
      hostname: machine!.hostname,
    }),
  );
}

async function ensureKeyPair(secret: string, open: string, name: string): Promise<void> {
  if (await exists(secret) && await exists(open)) return;
  const pair = makeKeyPair(`machine-${name}`);
  await writeAtomic(open, `${pair.publicKey.trim()}\n`);
  await writeAtomic(secret, pair.privateKey);
}

async function writeIfOther(path: string, text: string): Promise<void> {
  if (await readTextIfPresent(path) !== text) await writeAtomic(path, text);
}

async function disksOf(folder: MachineFolder): Promise<VmDisk[]> {
  const data = await exists(folder.dataDisk)
    ? [{ id: "data", file: folder.dataDisk, format: "raw" as const }]
    : [];
  return [{ id: "system", file: folder.disk, format: "qcow2" }, ...data];
}

/** The port of the file; without one the port chosen before, as long as it is free, else a new one. */
async function chooseSshPort(job: Job): Promise<number> {
  const wanted = job.world.machine!.ssh.port;
  const port = wanted !== 0 ? wanted : freePort(job.store.value!.sshPort);
  await job.store.update({ sshPort: port });
  return port;
}
