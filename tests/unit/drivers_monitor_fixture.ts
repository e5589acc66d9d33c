import assert from "node:assert/strict";
import { lookAtVm } from "../../lib/drivers/qemu/look.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import { findProgram, isRunning, spawnDetached } from "../../lib/host/process.ts";

/** What QEMU says first. */
export const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

/** Gives the lines that answer a command. */
export type Reply = (command: string, args: Readonly<Record<string, unknown>>) => string;

/** A monitor that answers each command by the given lines; silent without a greeting. */
export async function withMonitor(
  greeting: string | undefined,
  reply: Reply,
  work: (folder: MachineFolder) => Promise<void>,
): Promise<void> {
  await inMachineFolder(async (folder) => {
    const listener = Deno.listen({ transport: "unix", path: folder.qmpCommand });
    const served: Promise<void>[] = [];
    const accepting = (async () => {
      for await (const connection of listener) served.push(serve(connection, greeting, reply));
    })();
    try {
      await work(folder);
    } finally {
      listener.close();
      await accepting;
      await Promise.all(served);
    }
  });
}

interface Command {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

async function serve(
  connection: Deno.Conn,
  greeting: string | undefined,
  reply: Reply,
): Promise<void> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  using open = connection;
  if (greeting !== undefined) await open.write(encoder.encode(greeting));
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let n = await open.read(buffer); n !== null; n = await open.read(buffer)) {
    text += decoder.decode(buffer.subarray(0, n));
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const { execute, arguments: args } = JSON.parse(line) as Command;
      await open.write(
        encoder.encode(execute === "qmp_capabilities" ? '{"return": {}}\r\n' : reply(execute, args ?? {})),
      );
    }
  }
}

/** Some work with an empty machine folder, which goes with it. */
export async function inMachineFolder(work: (folder: MachineFolder) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir({ prefix: "qmp-" });
  const folder = machineFolder("dev", home);
  await Deno.mkdir(folder.root);
  try {
    await work(folder);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** A real QEMU without a guest: it stops before the first instruction. */
export async function withRealQemu(
  work: (folder: MachineFolder, pid: number) => Promise<void>,
  more: readonly string[] = [],
): Promise<void> {
  await inMachineFolder(async (folder) => {
    const qemu = await findProgram("qemu-system-x86_64");
    assert.ok(qemu, "qemu-system-x86_64 is not installed");
    const child = spawnDetached([
      ...[qemu, "-S", "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-m", "64M"],
      ...[
        "-cpu",
        "max,-cx16",
        "-netdev",
        "user,id=n0,ipv6=off",
        "-device",
        "virtio-net-pci,netdev=n0,romfile=",
      ],
      ...["-qmp", `unix:${folder.qmpCommand},server=on,wait=off`, "-pidfile", folder.qemuPid, ...more],
    ], { log: folder.qemuLog, cwd: folder.root });
    try {
      const up = await waitFor(async () => (await lookAtVm(folder)).state === "running" || undefined, {
        timeoutMs: 20_000,
      });
      assert.ok(up, await Deno.readTextFile(folder.qemuLog));
      await work(folder, child.pid);
    } finally {
      if (isRunning(child.pid)) Deno.kill(child.pid, "SIGKILL");
      child.ref(); // nothing else may be left to wait for
      await child.status;
    }
  });
}
