import type { MachineFolder } from "../../host/paths.ts";
import { readTextIfPresent } from "../../host/files.ts";
import { canListProcesses, findProcesses, isRunning, processArguments } from "../../host/process.ts";
import { isAbort, messageOf } from "../../host/errors.ts";
import type { RunningVm, VmForward, VmLook } from "../types.ts";
import { connectQmp, type Qmp } from "./qmp.ts";

/**
 * Asks QEMU itself what runs. Nothing is believed of a pid file: it only finds a process whose arguments
 * must name this machine's folder.
 */
export async function lookAtVm(folder: MachineFolder): Promise<VmLook> {
  let qmp: Qmp;
  try {
    qmp = await connectQmp(folder.qmpCommand);
  } catch (error) {
    return await lookWithoutMonitor(folder, error);
  }
  try {
    using session = qmp;
    return await describe(session, folder);
  } catch (error) {
    // QEMU may have gone while it was asked; if its process is there, the truth is unknown.
    return await lookWithoutMonitor(folder, error);
  }
}

/** The process id of the machine's QEMU, also when its monitor does not answer. */
export async function findQemu(folder: MachineFolder): Promise<number | undefined> {
  const isOurs = (argv: readonly string[]) =>
    argv.includes(folder.qemuPid) && argv[argv.indexOf(folder.qemuPid) - 1] === "-pidfile" &&
    /qemu/.test(argv[0] ?? "");
  const pid = Number(await readTextIfPresent(folder.qemuPid));
  if (pid > 0 && isRunning(pid)) {
    const argv = processArguments(pid);
    // One without arguments is a kernel thread that got the number later, unless arguments cannot be read here.
    if (argv ? isOurs(argv) : !canListProcesses()) return pid;
  }
  return findProcesses(isOurs)[0];
}

async function lookWithoutMonitor(folder: MachineFolder, error: unknown): Promise<VmLook> {
  const pid = await findQemu(folder);
  if (pid !== undefined) {
    const busy = isAbort(error) ? "another command is asking it" : messageOf(error);
    return { state: "unknown", reason: `QEMU (process ${pid}) does not answer on its monitor: ${busy}` };
  }
  const left = await readTextIfPresent(folder.qemuPid);
  return left === undefined
    ? { state: "stopped", crashed: false }
    : { state: "stopped", crashed: true, reason: `the QEMU process ${left.trim()} is gone` };
}

async function describe(qmp: Qmp, folder: MachineFolder): Promise<RunningVm> {
  const status = await qmp.execute<{ status: string }>("query-status");
  const version = await qmp.execute<{ qemu: { major: number; minor: number; micro: number } }>(
    "query-version",
  );
  const kvm = await qmp.execute<{ enabled: boolean }>("query-kvm");
  const cpus = await qmp.execute<readonly unknown[]>("query-cpus-fast");
  const memory = await qmp.execute<{ "base-memory": number }>("query-memory-size-summary");
  const devices = await qmp.execute<readonly { name: string }[]>("qom-list", { path: "/machine/peripheral" });
  const blocks = await qmp.execute<readonly Block[]>("query-block");
  const forwards = parseForwards(await qmp.human("info usernet"));
  const pid = await findQemu(folder);
  if (pid === undefined) throw new Error("QEMU ended while it was looked at");
  return {
    state: "running",
    pid,
    status: status.status,
    qemuVersion: `${version.qemu.major}.${version.qemu.minor}.${version.qemu.micro}`,
    accel: kvm.enabled ? "kvm" : argument(pid, "-accel") === "hvf" ? "hvf" : "tcg",
    cpu: argument(pid, "-cpu") ?? "unknown",
    cpus: cpus.length,
    memoryMiB: Math.round(memory["base-memory"] / 2 ** 20),
    shares: devices.flatMap(({ name }) => name.startsWith("share-") ? [name.slice(6)] : []),
    disks: blocks.flatMap(diskOf),
    forwards,
  };
}

/** What a device has behind it, as `query-block` says it; nodes without a device are not among them. */
interface Block {
  /** The device's path in QEMU's object tree. */
  readonly qdev?: string;
  readonly inserted?: {
    readonly "node-name"?: string;
    readonly image: { readonly "virtual-size": number; readonly "full-backing-filename"?: string };
  };
}

function diskOf({ qdev, inserted }: Block): RunningVm["disks"][number][] {
  // The path is /machine/peripheral/ID/virtio-backend for a device with an id; the others go by their node.
  const id = /^\/machine\/peripheral\/([^/]+)\//.exec(qdev ?? "")?.[1] ?? inserted?.["node-name"];
  if (inserted === undefined || id === undefined) return [];
  const { "virtual-size": bytes, "full-backing-filename": backing } = inserted.image;
  return [{ id, sizeMiB: Math.round(bytes / 2 ** 20), ...(backing ? { backing } : {}) }];
}

function argument(pid: number, name: string): string | undefined {
  const argv = processArguments(pid);
  const index = argv?.indexOf(name) ?? -1;
  return index < 0 ? undefined : argv?.[index + 1];
}

/**
 * Reads the forwards out of `info usernet`, whose lines are
 * `TCP[HOST_FORWARD]  14       127.0.0.1 40022    192.168.5.15    22     0     0`.
 */
export function parseForwards(text: string): VmForward[] {
  const row = /^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)/;
  return text.split("\n").flatMap((line) => {
    const match = row.exec(line);
    if (!match) return [];
    return [{
      protocol: match[1] === "TCP" ? "tcp" as const : "udp" as const,
      host: match[2]!,
      hostPort: Number(match[3]),
      guestPort: Number(match[4]),
    }];
  });
}
