import assert from "node:assert/strict";
import { join } from "node:path";
import { findProgram } from "../../lib/host/process.ts";
import { type CommandOptions, run } from "./command.ts";
import { isThere, type Sandbox } from "./sandbox.ts";

const APPLETS = ["cat", "echo", "ls", "sh", "sleep", "true"];

/** Imports a container image "bb" with nothing but busybox in it, made on this computer: no registry is asked. */
export async function importBusybox(sandbox: Sandbox, options: CommandOptions = {}): Promise<void> {
  const busybox = await findProgram("busybox");
  assert.ok(busybox);
  const tar = join(sandbox.root, "bb.tar");
  if (!await isThere(tar)) await packBusybox(sandbox, busybox, tar);
  await sandbox.docker(["import", "-", "bb"], { ...options, stdin: await Deno.readFile(tar) });
}

async function packBusybox(sandbox: Sandbox, busybox: string, tar: string): Promise<void> {
  const bin = join(sandbox.root, "bb", "bin");
  await Deno.mkdir(bin, { recursive: true });
  await Deno.copyFile(busybox, join(bin, "busybox"));
  for (const applet of APPLETS) await Deno.symlink("busybox", join(bin, applet));
  const made = await run(["tar", "-C", join(sandbox.root, "bb"), "-cf", tar, "."]);
  assert.equal(made.code, 0, made.err);
}
