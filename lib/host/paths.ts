import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "./errors.ts";

/** The user's home folder. */
export function homeDir(): string {
  const home = Deno.env.get("HOME");
  if (!home) throw new UserError("HOME is not set", { hint: "Set HOME to your home folder" });
  return home;
}

/** Where machines live: MACHINE_HOME, or ~/.machine (short, because Unix socket paths end at 104 bytes). */
export function machineHome(): string {
  return resolve(Deno.env.get("MACHINE_HOME") || join(homeDir(), ".machine"));
}

/** Where images and what can be made again are kept. */
export function cacheDir(): string {
  return join(resolve(Deno.env.get("XDG_CACHE_HOME") || join(homeDir(), ".cache")), "machine");
}

/** A path for people: the home folder as `~`. */
export function displayPath(path: string): string {
  const home = Deno.env.get("HOME");
  if (home && path === home) return "~";
  return home && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** The files of one machine; the folder is 0700. */
export interface MachineFolder {
  readonly name: string;
  readonly root: string;
  readonly record: string;
  /** With which the record keeps fingerprints of what it must not tell. */
  readonly fingerprintKey: string;
  readonly lock: string;
  readonly disk: string;
  readonly dataDisk: string;
  /** The further disks, a file each. */
  readonly disks: string;
  readonly identity: string;
  readonly identityPublic: string;
  readonly hostKey: string;
  readonly hostKeyPublic: string;
  readonly knownHosts: string;
  readonly credentials: string;
  readonly qemuPid: string;
  readonly qemuLog: string;
  readonly qmpAgent: string;
  readonly qmpCommand: string;
  readonly serialLog: string;
  readonly agentConfig: string;
  readonly agentSocket: string;
  readonly agentLog: string;
  readonly agentLock: string;
  readonly dockerSocket: string;
  readonly containerdSocket: string;
  /** The forms that were applied, a file each. */
  readonly history: string;
  /** What commands did here, a line each. */
  readonly events: string;
  /** Until when a form is only tried; there only then. */
  readonly trial: string;
}

/** Names the files of a machine; makes nothing. */
export function machineFolder(name: string, home = machineHome()): MachineFolder {
  const root = join(home, name);
  const at = (file: string) => join(root, file);
  return {
    name,
    root,
    record: at("record.json"),
    fingerprintKey: at("fingerprint.key"),
    lock: at("lock"),
    disk: at("disk.qcow2"),
    dataDisk: at("data.raw"),
    disks: at("disks"),
    identity: at("id_ed25519"),
    identityPublic: at("id_ed25519.pub"),
    hostKey: at("host_ed25519"),
    hostKeyPublic: at("host_ed25519.pub"),
    knownHosts: at("known_hosts"),
    credentials: at("tmpfiles.extra"),
    qemuPid: at("qemu.pid"),
    qemuLog: at("qemu.log"),
    qmpAgent: at("qmp.sock"),
    qmpCommand: at("qmp-cli.sock"),
    serialLog: at("serial.log"),
    agentConfig: at("agent.json"),
    agentSocket: at("agent.sock"),
    agentLog: at("agent.log"),
    agentLock: at("agent.lock"),
    dockerSocket: at("docker.sock"),
    containerdSocket: at("containerd.sock"),
    history: at("history"),
    events: at("events.jsonl"),
    trial: at("trial.json"),
  };
}

/** The docker client's configuration folder: DOCKER_CONFIG, or ~/.docker. */
export function dockerConfigDir(): string {
  return resolve(Deno.env.get("DOCKER_CONFIG") || join(homeDir(), ".docker"));
}

/** Names the files of the machine whose folder this is. */
export function machineFolderAt(root: string): MachineFolder {
  return machineFolder(basename(root), dirname(root));
}
