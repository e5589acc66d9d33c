import { join } from "node:path";
import type { Accel, Arch } from "../../config/types.ts";
import { sleep } from "../../host/clock.ts";
import { messageOf, UserError } from "../../host/errors.ts";
import {
  ensurePrivateDir,
  exists,
  readTextIfPresent,
  removeIfPresent,
  writeAtomic,
} from "../../host/files.ts";
import { canOpenReadWrite, makeTempDir, removeTree } from "../../host/folders.ts";
import { isRunning, signalProcess, spawnDetached } from "../../host/process.ts";
import { bootId } from "../../host/system.ts";
import { connectQmp } from "./qmp.ts";
import type { QemuProgram } from "./program.ts";

/** A bare kernel with hardware virtualisation prints its first line in well under a second. */
const PROOF_MS = 5000;

/** What is known about hardware virtualisation here, and since when. */
export interface AccelProof {
  readonly accel: Accel;
  /** Why it is not hardware virtualisation. */
  readonly reason?: string;
  /** True when it was found out now, false when remembered from earlier in this boot of the host. */
  readonly fresh: boolean;
}

/** What the proof needs. */
export interface AccelQuestion {
  readonly wanted: "auto" | Accel;
  readonly arch: Arch;
  readonly qemu: QemuProgram;
  readonly kernel: string;
  readonly cacheDir: string;
  readonly signal?: AbortSignal;
}

/**
 * Chooses the accelerator by running a guest kernel with it. A device file proves nothing: nested hosts exist
 * where /dev/kvm opens, a VM can be made, and no guest gets past its first instructions.
 * The answer is remembered until the host boots again or QEMU changes.
 * @throws UserError when the file names an accelerator that does not work here
 */
export async function chooseAccel(question: AccelQuestion): Promise<AccelProof> {
  const { wanted } = question;
  if (wanted === "tcg") return { accel: "tcg", fresh: false };
  const proof = await provenHardware(question);
  if (wanted !== "auto" && proof.accel !== wanted) {
    throw new UserError(
      `"vm.accel: ${wanted}" does not work on this computer: ${proof.reason ?? "it is another one"}`,
      {
        hint: 'Set "vm.accel" to "auto" or "tcg"',
      },
    );
  }
  return proof;
}

/**
 * The remembered answer of {@link chooseAccel}; `undefined` when nothing was proven in this boot. Only reads.
 * @param qemuVersion the QEMU that it has to hold for; any when left out
 */
export async function rememberedAccel(
  cacheDir: string,
  qemuVersion?: string,
): Promise<AccelProof | undefined> {
  const text = await readTextIfPresent(proofFile(cacheDir));
  if (text === undefined) return undefined;
  try {
    const stored = JSON.parse(text) as { bootId: string; qemu: string; accel: Accel; reason?: string };
    if (stored.bootId !== await bootId()) return undefined;
    if (qemuVersion !== undefined && stored.qemu !== qemuVersion) return undefined;
    return { accel: stored.accel, fresh: false, ...(stored.reason ? { reason: stored.reason } : {}) };
  } catch {
    return undefined; // a damaged memory is no memory: it is proven anew
  }
}

/** The CPU model for "auto": the host's own, or the fullest that QEMU's emulator runs correctly. */
export function defaultCpu(accel: Accel, qemuMajor: number): string {
  if (accel !== "tcg") return "host";
  // QEMU 7.2's emulation of cmpxchg16b corrupts flags: guest kernels die of it. 10.0 is known to be right.
  return qemuMajor < 10 ? "max,-cx16" : "max";
}

async function provenHardware(question: AccelQuestion): Promise<AccelProof> {
  const remembered = await rememberedAccel(question.cacheDir, question.qemu.version);
  if (remembered) return remembered;
  const failure = await whyNoKvm(question);
  const found = failure === undefined
    ? { accel: "kvm" as const }
    : { accel: "tcg" as const, reason: failure };
  await ensurePrivateDir(question.cacheDir);
  const memory = { bootId: await bootId(), qemu: question.qemu.version, ...found };
  await writeAtomic(proofFile(question.cacheDir), JSON.stringify(memory, null, 2) + "\n");
  return { ...found, fresh: true };
}

function proofFile(cacheDir: string): string {
  return join(cacheDir, "accel.json");
}

async function whyNoKvm(question: AccelQuestion): Promise<string | undefined> {
  if (!await exists("/dev/kvm")) return "there is no /dev/kvm";
  if (!await canOpenReadWrite("/dev/kvm")) {
    return "/dev/kvm may not be opened by this user (is it in the group kvm?)";
  }
  const folder = await makeTempDir("machine-kvm-");
  const serial = join(folder, "serial.log");
  const monitor = join(folder, "qmp.sock");
  const log = join(folder, "qemu.log");
  const child = spawnDetached([
    // A killed command leaves no such guest behind (setpriv(1)).
    ...["setpriv", "--pdeathsig", "KILL", "--"],
    ...[question.qemu.path, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256M"],
    ...["-kernel", question.kernel, "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1"],
    ...["-chardev", `file,id=s,path=${serial}`, "-serial", "chardev:s"],
    ...["-qmp", `unix:${monitor},server=on,wait=off`],
  ], { log, cwd: folder });
  try {
    return await watchProof({ pid: child.pid, serial, monitor, log }, question.signal);
  } finally {
    signalProcess(child.pid, "SIGKILL");
    child.ref(); // nothing else may be left to wait for
    await child.status;
    await removeTree(folder);
  }
}

interface ProofRun {
  readonly pid: number;
  readonly serial: string;
  readonly monitor: string;
  readonly log: string;
}

async function watchProof(proof: ProofRun, signal: AbortSignal | undefined): Promise<string | undefined> {
  const deadline = performance.now() + PROOF_MS;
  while (performance.now() < deadline) {
    if (/Linux version/.test(await readTextIfPresent(proof.serial) ?? "")) return undefined;
    if (!isRunning(proof.pid)) {
      const said = (await readTextIfPresent(proof.log) ?? "").trim().split("\n")[0];
      return `QEMU with KVM ended at once${said ? `: ${said}` : ""}`;
    }
    const status = await runState(proof.monitor);
    if (status === "internal-error") return "KVM stops in internal-error before the guest's kernel starts";
    await sleep(100, signal);
  }
  return `a guest under KVM printed nothing in ${PROOF_MS / 1000} s`;
}

async function runState(monitor: string): Promise<string> {
  try {
    using qmp = await connectQmp(monitor);
    return (await qmp.execute<{ status: string }>("query-status")).status;
  } catch (error) {
    return `no answer: ${messageOf(error)}`; // the monitor comes up, or goes with the process: the loop sees which
  }
}

/** Forgets what was proven, so that the next start finds out anew. */
export async function forgetAccel(cacheDir: string): Promise<void> {
  await removeIfPresent(proofFile(cacheDir));
}
