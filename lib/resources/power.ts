import type { VmDisk, VmSpec } from "../drivers/types.ts";
import { credentialsFor } from "../guest/credentials.ts";
import { makeKeyPair } from "../guest/keys.ts";
import type { SshTarget } from "../guest/types.ts";
import { UserError } from "../host/errors.ts";
import { exists, readText, readTextIfPresent, writeAtomic } from "../host/files.ts";
import { freePort } from "../host/ports.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { Job, World } from "./contract.ts";
import { diskFile, diskId } from "./disk_names.ts";
import { mountableShares } from "./mount_share.ts";

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
  progress("choosing the accelerator");
  const chosen = await world.platform.vm.chooseAccel({
    wanted: machine.vm.accel,
    cpu: machine.vm.cpu,
    arch: machine.vm.arch,
    kernel: base.kernel,
    cacheDir: world.cacheDir,
    signal: job.signal,
  });
  if (chosen.disappointment !== undefined) {
    job.note(
      `KVM runs no guest here (${chosen.disappointment}): the machine is emulated, which is several times slower`,
    );
  }
  const port = await chooseSshPort(job);
  const spec: VmSpec = {
    name: machine.name,
    arch: machine.vm.arch,
    accel: chosen.accel,
    cpu: chosen.cpu,
    cpus: machine.vm.cpus,
    memoryMiB: machine.vm.memoryMiB,
    mac: store.value!.mac,
    disks: await disksOf(world),
    shares: await mountableShares(machine.mounts),
    kernel: base.kernel,
    initrd: base.initrd,
    commandLine: base.commandLine,
  };
  const started = performance.now();
  const pid = await world.platform.vm.start(spec, folder, job);
  const boot = { target: rootTarget(folder, port), pid, progress, signal: job.signal };
  await world.platform.vm.awaitGuest(folder, boot);
  await store.update({ stopped: undefined, bootMs: Math.round(performance.now() - started) });
}

/** Stops the VM, softly where the guest can be reached. Nothing happens when it does not run. */
export async function powerOff(job: Job): Promise<void> {
  const { folder, platform } = job.world;
  if (await platform.vm.process(folder) === undefined) return;
  const reachable = job.look.vm.state === "running" && job.look.guest.state === "facts";
  await platform.vm.stop(folder, {
    progress: job.progress,
    signal: job.signal,
    ...(reachable ? { powerOff: () => askToPowerOff(job) } : {}),
  });
}

async function askToPowerOff(job: Job): Promise<void> {
  // The answer may be cut off by the very thing it asks for: the process's end is what counts.
  const ops = [{ op: "systemctl", args: ["poweroff", "--no-block"] }] as const;
  await (await job.guest()).perform(ops, { timeoutMs: 10_000 });
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

/** The disks that a VM starts with: those that are there. A further one that is missing is plugged once it is made. */
async function disksOf({ folder, platform, machine }: World): Promise<VmDisk[]> {
  const raw = [
    { id: "data", file: folder.dataDisk },
    ...(machine?.vm.disks ?? []).map(({ name }) => ({ id: diskId(name), file: diskFile(folder, name) })),
  ];
  const there = await Promise.all(raw.map(({ file }) => platform.disks.exists(file)));
  return [
    { id: "system", file: folder.disk, format: "qcow2" },
    ...raw.filter((_, index) => there[index]).map((disk) => ({ ...disk, format: "raw" as const })),
  ];
}

/** The port of the file; without one the port chosen before, as long as it is free, else a new one. */
async function chooseSshPort(job: Job): Promise<number> {
  const wanted = job.world.machine!.ssh.port;
  const port = wanted !== 0 ? wanted : freePort(job.store.value!.sshPort);
  await job.store.update({ sshPort: port });
  return port;
}
