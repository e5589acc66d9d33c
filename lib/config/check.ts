import { machineHome } from "../host/paths.ts";
import type { HostFacts } from "../host/system.ts";
import { checkCni } from "./check_cni.ts";
import { checkContainerd } from "./check_containerd.ts";
import { checkDisks } from "./check_disks.ts";
import { checkFiles } from "./check_files.ts";
import { checkGuest } from "./check_guest.ts";
import { checkMounts, type PlaceOf } from "./check_mounts.ts";
import { checkRegistries } from "./check_registries.ts";
import { checkNetwork } from "./check_network.ts";
import type { Finding } from "./finding.ts";
import type { NormalForm } from "./normal.ts";
import { formatSize } from "./size.ts";
import type { Machine } from "./types.ts";

/** systemd, sshd and dockerd take about 300 MiB; below this the guest kills processes before it is ready. */
const LEAST_MEMORY_MIB = 512;

/** Unix sockets live under MACHINE_HOME/NAME, and sun_path ends at 104 bytes on macOS (108 on Linux). */
const MOST_HOME_BYTES = 46;

/**
 * Holds a machine against the fixed facts of this computer. Looks only; whatever is wrong is found at once.
 * @param placeOf says where a path stands in the file, for a sentence that names two places
 */
export async function checkMachine(form: NormalForm, host: HostFacts, placeOf: PlaceOf): Promise<Finding[]> {
  const { machine } = form;
  return [
    ...checkProcessor(machine, host),
    ...checkMemory(machine, host),
    ...checkDisks(form, placeOf),
    ...checkHome(),
    ...checkDaemon(machine),
    ...checkCni(machine),
    ...checkContainerd(machine),
    ...checkSshPort(machine, host),
    ...checkGuest(form, placeOf),
    ...await checkMounts(form, placeOf),
    ...await checkFiles(form, placeOf),
    ...await checkNetwork(form),
    ...await checkRegistries(form),
  ];
}

function checkProcessor({ vm }: Machine, host: HostFacts): Finding[] {
  const findings: Finding[] = [];
  if (vm.arch !== host.arch) {
    findings.push({
      path: ["vm", "arch"],
      message: `"${vm.arch}" is not supported yet on this ${host.arch} host`,
      remedy: 'Use "host"',
    });
  }
  const missing = { kvm: host.os !== "linux", hvf: host.os !== "darwin", tcg: false, auto: false }[vm.accel];
  if (missing) {
    const system = host.os === "linux" ? "Linux" : "macOS";
    findings.push({
      path: ["vm", "accel"],
      message: `"${vm.accel}" does not exist on ${system}`,
      remedy: 'Use "auto"',
    });
  }
  if (vm.cpus > host.cpus) {
    findings.push({
      path: ["vm", "cpus"],
      message: `${vm.cpus} processors are more than this host has (${host.cpus})`,
      remedy: `Write ${host.cpus} or less, or leave the key out`,
    });
  }
  return findings;
}

function checkMemory({ vm }: Machine, host: HostFacts): Finding[] {
  const path = ["vm", "memory"];
  const size = formatSize(vm.memoryMiB);
  if (vm.memoryMiB > host.memoryMiB) {
    const has = formatSize(host.memoryMiB);
    const remedy = `Write at most ${has}; what the guest takes is missing on the host`;
    return [{ path, message: `${size} is more memory than this host has (${has})`, remedy }];
  }
  if (vm.memoryMiB >= LEAST_MEMORY_MIB) return [];
  return [{
    path,
    message: `${size} is too little memory to run containers`,
    remedy: least(LEAST_MEMORY_MIB),
  }];
}

function least(sizeMiB: number): string {
  return `Write at least ${formatSize(sizeMiB)}`;
}

function checkHome(): Finding[] {
  const home = machineHome();
  const bytes = new TextEncoder().encode(home).length;
  if (bytes <= MOST_HOME_BYTES) return [];
  return [{
    path: ["name"],
    message:
      `The folder of machines, "${home}", has a path of ${bytes} bytes; Unix sockets in it allow ${MOST_HOME_BYTES}`,
    remedy: "Set MACHINE_HOME to a folder with a shorter path",
  }];
}

/** Debian's unit starts dockerd with these two as flags, and a key that is also a flag stops it. */
const DAEMON_FLAGS: Readonly<Record<string, string>> = {
  hosts: "-H fd://",
  containerd: "--containerd=/run/containerd/containerd.sock",
};

function checkDaemon({ runtime }: Machine): Finding[] {
  return Object.entries(DAEMON_FLAGS)
    .filter(([key]) => Object.hasOwn(runtime.docker.daemon, key))
    .map(([key, flag]): Finding => ({
      path: ["runtime", "docker", "daemon", key],
      at: "key",
      message: `"${key}" keeps dockerd from starting: Debian's service gives it as the flag "${flag}"`,
      remedy: key === "hosts"
        ? "Remove it; the machine's docker context leads to the socket that there is"
        : "Remove it; dockerd uses the containerd of the machine",
    }));
}

function checkSshPort({ ssh }: Machine, host: HostFacts): Finding[] {
  if (ssh.port === 0 || ssh.port >= 1024 || host.uid === 0) return [];
  return [{
    path: ["ssh", "port"],
    message: `Only root may listen on port ${ssh.port}`,
    remedy: "Write a port from 1024 to 65535, or 0 to have one chosen",
  }];
}
