import { homeDir } from "./paths.ts";
import { type HostProxy, hostProxy } from "./proxy.ts";
import { hostTimezone } from "./timezone.ts";

/** Fixed facts of this computer and of who runs the command. */
export interface HostFacts {
  readonly os: "linux" | "darwin";
  readonly arch: "x86_64" | "aarch64";
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly user: string;
  readonly uid: number;
  readonly home: string;
  /** An IANA name, e.g. "Europe/Berlin". */
  readonly timezone: string;
  readonly proxy: HostProxy;
}

/** Reads the facts of this computer. */
export async function hostFacts(): Promise<HostFacts> {
  return {
    os: Deno.build.os === "darwin" ? "darwin" : "linux",
    arch: Deno.build.arch,
    cpus: navigator.hardwareConcurrency,
    memoryMiB: Math.floor(Deno.systemMemoryInfo().total / 2 ** 20),
    user: await userName(),
    uid: Deno.uid() ?? 1000,
    home: homeDir(),
    timezone: await hostTimezone(),
    proxy: await hostProxy(),
  };
}

/** Identifies this boot of the host: what was proven about its hardware holds until the next one. */
export async function bootId(): Promise<string> {
  try {
    return (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
  } catch {
    return `up-since-${Math.round(Date.now() / 1000 - Deno.osUptime())}`; // no such file outside Linux
  }
}

async function userName(): Promise<string> {
  const uid = Deno.uid();
  try {
    for (const line of (await Deno.readTextFile("/etc/passwd")).split("\n")) {
      const [name, , id] = line.split(":");
      if (name && Number(id) === uid) return name;
    }
  } catch {
    // no passwd file on this system: the environment names the user
  }
  return Deno.env.get("USER") ?? Deno.env.get("LOGNAME") ?? "machine";
}
