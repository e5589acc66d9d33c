import assert from "node:assert/strict";
import { join } from "node:path";
import { findProgram } from "../../lib/host/process.ts";
import { run } from "./command.ts";
import type { Sandbox } from "./sandbox.ts";

const APPLETS = ["cat", "echo", "ls", "sh", "sleep", "true"];

/** Imports a container image "bb" with nothing but busybox in it, made on this computer: no registry is asked. */
export async function importBusybox(sandbox: Sandbox): Promise<void> {
  const busybox = await findProgram("busybox");
  assert.ok(busybox);
  const bin = join(sandbox.root, "bb", "bin");
  await Deno.mkdir(bin, { recursive: true });
  await Deno.copyFile(busybox, join(bin, "busybox"));
  for (const applet of APPLETS) await Deno.symlink("busybox", join(bin, applet));
  const tar = join(sandbox.root, "bb.tar");
  const made = await run(["tar", "-C", join(sandbox.root, "bb"), "-cf", tar, "."]);
  assert.equal(made.code, 0, made.err);
  await sandbox.docker(["import", "-", "bb"], { stdin: await Deno.readFile(tar) });
}
