import { join } from "node:path";
import { homeDir, machineFolder, machineHome } from "../host/paths.ts";
import {
  ensurePrivateDir,
  readTextIfPresent,
  removeIfPresent,
  writeAtomic,
  writeThroughLinks,
} from "../host/files.ts";
import { listNames } from "../host/folders.ts";
import type { Change } from "../plan/types.ts";
import type { Kind, World } from "./contract.ts";
import { readRecord } from "./record.ts";

const ADDRESS = "sshconfig";

/** The ssh client's configuration as wanted: our own file, and whether the user's includes it. */
interface WantedSshConfig {
  readonly file: string;
  readonly included: boolean;
}

/** What of it is there. */
interface FoundSshConfig {
  readonly file: string | undefined;
  readonly included: boolean;
}

/**
 * `ssh machine-NAME` from any program: MACHINE_HOME/ssh_config names every machine; one Include line in the
 * user's own file leads there, added only when the file asks for it.
 */
export const sshConfigKind: Kind<WantedSshConfig, FoundSshConfig> = {
  kind: ADDRESS,
  phase: 17,
  realm: "machine",
  path: () => "ssh.config",
  dependsOn: () => ["vm"],
  desired: async (world) =>
    new Map(
      world.machine
        ? [[ADDRESS, { file: await sshConfigText(world), included: world.machine.ssh.config }]]
        : [],
    ),
  async observe(world) {
    const file = await readTextIfPresent(sshConfigPath());
    const included = hasInclude(await readTextIfPresent(userConfigPath()) ?? "");
    const mine = new RegExp(`^Host machine-${world.name}$`, "m").test(file ?? "");
    return new Map([[
      ADDRESS,
      mine ? { state: "present", owned: true, value: { file, included } } : { state: "absent" },
    ]]);
  },
  compare(desired, observed) {
    const changes: Change[] = [];
    if (observed.file !== desired.file) {
      changes.push({ path: sshConfigPath(), before: "another content", after: "ours", effect: "live" });
    }
    if (desired.included && !observed.included) {
      changes.push({ path: "ssh.config", before: false, after: true, effect: "live" });
    }
    return changes;
  },
  async apply(job, desired) {
    await ensurePrivateDir(machineHome());
    await writeAtomic(sshConfigPath(), await sshConfigText({ ...job.world, record: job.store.value }));
    const path = userConfigPath();
    const text = await readTextIfPresent(path) ?? "";
    if (!desired.included || hasInclude(text)) return;
    await ensurePrivateDir(join(homeDir(), ".ssh"));
    // Before the first Host block: an Include after one would belong to that block (ssh_config(5)).
    await writeThroughLinks(path, `${includeBlock()}${text}`, 0o600);
  },
  async undo(job) {
    const text = await sshConfigText({ ...job.world, machine: undefined });
    if (text !== "") return await writeAtomic(sshConfigPath(), text);
    await removeIfPresent(sshConfigPath());
    const user = await readTextIfPresent(userConfigPath());
    if (user === undefined || !user.includes(includeBlock())) return;
    const rest = user.replace(includeBlock(), "");
    if (rest === "") await removeIfPresent(userConfigPath());
    else await writeThroughLinks(userConfigPath(), rest, 0o600);
  },
};

/** The line for ~/.ssh/config that makes `ssh machine-NAME` work. */
export function includeLine(): string {
  return `Include ${sshConfigPath()}`;
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

/** Our file: this machine as wanted, every other one as its record says. */
async function sshConfigText(world: World): Promise<string> {
  const blocks = new Map<string, string>();
  for (const name of await listNames(machineHome())) {
    if (name === world.name || name.endsWith(".lock") || name === "ssh_config") continue;
    const record = await readRecord(machineFolder(name));
    if (record?.sshPort && record.machine) {
      blocks.set(name, hostBlock(name, record.sshPort, record.machine.user.name));
    }
  }
  const { machine, record } = world;
  if (machine && record?.sshPort) {
    blocks.set(world.name, hostBlock(world.name, record.sshPort, machine.user.name));
  }
  return [...blocks.keys()].sort().map((name) => blocks.get(name)!).join("\n");
}

function hostBlock(name: string, port: number, user: string): string {
  const folder = machineFolder(name);
  // The alias makes the pinned host key independent of the port.
  return [
    `Host machine-${name}`,
    "  HostName 127.0.0.1",
    `  Port ${port}`,
    `  User ${user}`,
    `  IdentityFile "${folder.identity}"`,
    "  IdentitiesOnly yes",
    `  HostKeyAlias machine-${name}`,
    `  UserKnownHostsFile "${folder.knownHosts}"`,
    "  StrictHostKeyChecking yes",
    "",
  ].join("\n");
}
