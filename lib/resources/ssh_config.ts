import { join } from "node:path";
import { homeDir, machineFolder, machineHome } from "../host/paths.ts";
import {
  ensurePrivateDir,
  exists,
  readTextIfPresent,
  removeIfEmpty,
  removeIfPresent,
  writeAtomic,
} from "../host/files.ts";
import { listNames, removeUnfinished } from "../host/folders.ts";
import { writeThroughLinks } from "../host/linked_file.ts";
import { Differences } from "./change.ts";
import type { Kind, World } from "./contract.ts";
import { withHostLock } from "./host_lock.ts";
import { readRecord, settingsOf } from "./record.ts";

const ADDRESS = "sshconfig";

/** The ssh client's configuration as wanted: our own file, and whether our block stands in the user's. */
interface WantedSshConfig {
  readonly file: string;
  readonly included: boolean;
}

/** What of it is there. */
interface FoundSshConfig {
  readonly file: string | undefined;
  /** The line is there, in our block or by the user's own hand. */
  readonly included: boolean;
  /** It is there in our block. */
  readonly block: boolean;
}

/**
 * `ssh machine-NAME` from any program: MACHINE_HOME/ssh_config names every machine; one Include line in the
 * user's own file leads there, as long as one of the machines asks for it.
 */
export const sshConfigKind: Kind<WantedSshConfig, FoundSshConfig> = {
  kind: ADDRESS,
  phase: 17,
  realm: "machine",
  path: () => "ssh.config",
  dependsOn: () => ["vm"],
  desired: async (world) => new Map(world.machine ? [[ADDRESS, await wantedSshConfig(world)]] : []),
  async observe(world) {
    const file = await readTextIfPresent(sshConfigPath());
    const user = await readTextIfPresent(userConfigPath()) ?? "";
    const mine = new RegExp(`^Host machine-${world.name}$`, "m").test(file ?? "");
    const value = { file, included: hasInclude(user), block: user.includes(includeBlock()) };
    return new Map([[ADDRESS, mine ? { state: "present", owned: true, value } : { state: "absent" }]]);
  },
  compare(desired, observed) {
    const found = new Differences();
    if (observed.file !== desired.file) {
      found.add(sshConfigPath(), "another content", "ours", { key: "ssh.config" });
    }
    if (desired.included ? !observed.included : observed.block) {
      found.add("ssh.config", !desired.included, desired.included);
    }
    return found.changes;
  },
  expected: ({ file, included }) => ({ file, included, block: included }),
  apply: (job) =>
    withHostLock(job, "ssh-config", () => writeSshConfig({ ...job.world, record: job.store.value })),
  undo: (job) => withHostLock(job, "ssh-config", () => writeSshConfig({ ...job.world, machine: undefined })),
};

/** Makes our file, and our block in the user's, what all machines together want. */
async function writeSshConfig(world: World): Promise<void> {
  await removeUnfinished(machineHome()); // what a killed command left: nobody else writes here under the lock
  const wanted = await wantedSshConfig(world);
  // By our file a machine is known to be in it: what leads there goes before it, and comes after it.
  if (!wanted.included) await syncBlock(false);
  if (wanted.file === "") {
    await removeIfPresent(sshConfigPath());
  } else {
    await ensurePrivateDir(machineHome());
    await writeAtomic(sshConfigPath(), wanted.file);
  }
  if (wanted.included) await syncBlock(true);
}

/** Puts our block into the user's file or takes it out; every other byte stays. */
async function syncBlock(wanted: boolean): Promise<void> {
  const path = userConfigPath();
  const text = await readTextIfPresent(path) ?? "";
  if (wanted && !hasInclude(text)) {
    await ensurePrivateDir(join(homeDir(), ".ssh"));
    // Before the first Host block: an Include after one would belong to that block (ssh_config(5)).
    return await writeThroughLinks(path, `${includeBlock()}${text}`, 0o600);
  }
  if (wanted || !text.includes(includeBlock())) return;
  const rest = text.replace(includeBlock(), "");
  if (rest === "") {
    await removeIfPresent(path);
    await removeIfEmpty(join(homeDir(), ".ssh"));
  } else await writeThroughLinks(path, rest, 0o600);
}

/** The line for ~/.ssh/config that makes `ssh machine-NAME` work. */
export function includeLine(): string {
  return `Include ${/\s/.test(sshConfigPath()) ? `"${sshConfigPath()}"` : sshConfigPath()}`;
}

function sshConfigPath(): string {
  return join(machineHome(), "ssh_config");
}

function userConfigPath(): string {
  return join(homeDir(), ".ssh", "config");
}

function includeBlock(): string {
  return `# >>> machine\n${includeLine()}\n# <<< machine\n`;
}

function hasInclude(text: string): boolean {
  return text.split("\n").some((line) => line.trim() === includeLine());
}

/** This machine as wanted, every other one as its record says. */
async function wantedSshConfig(world: World): Promise<WantedSshConfig> {
  const blocks = new Map<string, string>();
  let included = world.machine?.ssh.config ?? false;
  for (const name of await listNames(machineHome())) {
    if (name === world.name || !await exists(machineFolder(name).record)) continue;
    const other = await readRecord(machineFolder(name));
    const settings = other && settingsOf(other);
    if (!other?.sshPort || !settings) continue;
    blocks.set(name, hostBlock(name, other.sshPort, settings.user.name));
    included ||= settings.ssh.config;
  }
  const { machine, record } = world;
  if (machine && record?.sshPort) {
    blocks.set(world.name, hostBlock(world.name, record.sshPort, machine.user.name));
  }
  return { file: [...blocks.keys()].sort().map((name) => blocks.get(name)!).join("\n"), included };
}

function hostBlock(name: string, port: number, user: string): string {
  const folder = machineFolder(name);
  // "%" starts a token (ssh_config(5), "TOKENS"). The alias makes the pinned host key independent of the port.
  return [
    `Host machine-${name}`,
    "  HostName 127.0.0.1",
    `  Port ${port}`,
    `  User ${user}`,
    `  IdentityFile "${folder.identity.replaceAll("%", "%%")}"`,
    "  IdentitiesOnly yes",
    `  HostKeyAlias machine-${name}`,
    `  UserKnownHostsFile "${folder.knownHosts.replaceAll("%", "%%")}"`,
    "  StrictHostKeyChecking yes",
    "",
  ].join("\n");
}
