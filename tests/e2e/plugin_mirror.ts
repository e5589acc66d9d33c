import { join } from "node:path";
import { artifactNamed, releaseOf } from "../../lib/artifacts/catalogue.ts";
import { sha256File } from "../../lib/host/files.ts";
import type { Sandbox } from "./sandbox.ts";

/** The plugins that the machine's own network needs. */
const NAMES = ["bridge", "firewall", "host-local", "loopback", "portmap"];
export const PLUGIN_VERSION = "1.7.1";
const { path, checksumPath, fileName } = releaseOf(artifactNamed("cni-plugins"), {
  arch: Deno.build.arch,
  version: PLUGIN_VERSION,
});

/**
 * A folder of a mirror's layout with a release of CNI's plugins: Debian's, out of the guest, packed as the release
 * packs them. The sandbox's folder for work has to be mounted there, writable.
 */
export async function makePluginMirror(sandbox: Sandbox, name: string): Promise<string> {
  const folder = join(sandbox.work, "mirror");
  const file = join(folder, path);
  await Deno.mkdir(join(file, ".."), { recursive: true });
  const members = NAMES.map((plugin) => `./${plugin}`).join(" ");
  await sandbox.inGuest(name, `tar -C /usr/lib/cni -c ${members} | gzip -1 >'${file}'`, 300_000);
  await Deno.writeTextFile(join(folder, checksumPath), `${await sha256File(file)}  ${fileName}\n`);
  return folder;
}

/** Makes the checksum of the release wrong, and gives what makes it right again. */
export async function spoilChecksum(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, checksumPath);
  const right = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, `${"0".repeat(64)}  ${fileName}\n`);
  return () => Deno.writeTextFile(file, right);
}
