import assert from "node:assert/strict";
import { join } from "node:path";
import { findProgram } from "../../lib/host/process.ts";
import { type CommandOptions, run } from "./command.ts";
import { isThere, type Sandbox } from "./sandbox.ts";

const APPLETS = ["cat", "echo", "ls", "sh", "sleep", "true"];

/** Imports a container image "bb" with nothing but busybox in it, made on this computer: no registry is asked. */
export async function importBusybox(sandbox: Sandbox, options: CommandOptions = {}): Promise<void> {
  await sandbox.docker(["import", "-", "bb"], {
    ...options,
    stdin: await Deno.readFile(await packBusybox(sandbox)),
  });
}

/**
 * Imports an image "node" whose programs are the guest's own: its /usr is to be mounted at /usr. It is what nodes of
 * clusters in containers are, systemd as the first process and a containerd under it, without their 300 MB.
 */
export async function importNode(sandbox: Sandbox): Promise<void> {
  await sandbox.docker(["import", "-", "node"], {
    stdin: await Deno.readFile(await pack(sandbox, "node", fillNode)),
  });
}

/** The file with busybox alone, as `docker import` takes it. */
export async function packBusybox(sandbox: Sandbox): Promise<string> {
  return await pack(sandbox, "bb", fillBusybox);
}

async function pack(
  sandbox: Sandbox,
  name: string,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const [folder, tar] = [join(sandbox.root, name), join(sandbox.root, `${name}.tar`)];
  if (await isThere(tar)) return tar;
  await Deno.mkdir(folder);
  await fill(folder);
  const made = await run(["tar", "-C", folder, "--owner=0", "--group=0", "-cf", tar, "."]);
  assert.equal(made.code, 0, made.err);
  return tar;
}

async function fillBusybox(folder: string): Promise<void> {
  const busybox = await findProgram("busybox");
  assert.ok(busybox);
  const bin = join(folder, "bin");
  await Deno.mkdir(bin);
  await Deno.copyFile(busybox, join(bin, "busybox"));
  for (const applet of APPLETS) await Deno.symlink("busybox", join(bin, applet));
}

async function fillNode(folder: string): Promise<void> {
  const units = "/usr/lib/systemd/system";
  for (const name of ["usr", "proc", "sys", "dev", "run", "tmp", "var", "root"]) {
    await Deno.mkdir(join(folder, name));
  }
  for (const name of ["bin", "sbin", "lib", "lib64"]) await Deno.symlink(`usr/${name}`, join(folder, name));
  const system = join(folder, "etc/systemd/system");
  await Deno.mkdir(join(system, "multi-user.target.wants"), { recursive: true });
  await Deno.symlink(`${units}/multi-user.target`, join(system, "default.target"));
  await Deno.symlink(
    `${units}/containerd.service`,
    join(system, "multi-user.target.wants/containerd.service"),
  );
  await Deno.writeTextFile(join(folder, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  await Deno.writeTextFile(join(folder, "etc/group"), "root:x:0:\n");
  // An id that is there says that this is no first boot, at which systemd would enable everything.
  await Deno.writeTextFile(join(folder, "etc/machine-id"), `${crypto.randomUUID().replaceAll("-", "")}\n`);
}
