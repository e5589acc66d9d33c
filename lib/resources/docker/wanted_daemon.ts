import type { Json, Registry } from "../../config/types.ts";
import { entryPath } from "../change.ts";
import type { World } from "../contract.ts";
import { GATEWAY, maskedAddress, type Proxy, wantedProxy } from "../network_facts.ts";
import type { DaemonConfig } from "./daemon_config.ts";

/** daemon.json as wanted, and which key of the machine file each derived part of it comes from. */
export interface WantedDaemon {
  readonly daemon: DaemonConfig;
  /** Paths of the machine file by daemon.json's keys; the others stand under `runtime.docker.daemon`. */
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * What dockerd is to be told: the user's own keys, and what follows from the rest of the file. A key of the user's goes
 * before a derived one; lists of registries are united.
 */
export function wantedDaemon(world: World): WantedDaemon {
  const { docker: { daemon: own }, registries } = world.machine!.runtime;
  const derived: Record<string, readonly [source: string, value: Json]> = {};
  // What dockerd answers for --add-host NAME:host-gateway; its own choice is the bridge, which ends in the guest.
  if (!("host-gateway-ips" in own)) {
    derived["host-gateway-ip"] = ["runtime.docker.daemon.host-gateway-ip", GATEWAY];
  }
  const proxies = proxiesOf(wantedProxy(world));
  if (proxies !== undefined) derived["proxies"] = ["network.proxy", proxies];
  for (const [key, { source, list }] of Object.entries(registryLists(registries))) {
    if (list.length > 0) derived[key] = [source, union(own[key], list)];
  }
  const sources: Record<string, string> = {};
  const daemon: Record<string, Json> = { ...own };
  for (const [key, [source, value]] of Object.entries(derived)) {
    const isUnited = Array.isArray(value);
    // What is no list is not understood here: dockerd itself refuses it.
    if (key in own && !(isUnited && Array.isArray(own[key]))) continue;
    daemon[key] = value;
    if (!(key in own)) sources[key] = source;
  }
  const sorted = Object.entries(daemon).sort(([a], [b]) => a < b ? -1 : 1);
  return { daemon: Object.fromEntries(sorted), sources };
}

interface DerivedList {
  readonly source: string;
  readonly list: readonly string[];
}

/** dockerd knows mirrors of Docker's own registry alone; what is insecure it has to know beforehand. */
function registryLists(registries: readonly Registry[]): Readonly<Record<string, DerivedList>> {
  const hub = registries.find(({ host }) => host === "docker.io");
  return {
    "insecure-registries": {
      source: "runtime.registries",
      list: registries.filter(({ insecure }) => insecure).map(({ host }) => host),
    },
    "registry-mirrors": {
      source: `${entryPath("runtime.registries", "docker.io")}.mirrors`,
      list: hub?.mirrors ?? [],
    },
  };
}

function union(own: Json | undefined, derived: readonly string[]): Json {
  return [...new Set([...Array.isArray(own) ? own : [], ...derived])];
}

/** The block `proxies`, which dockerd reads when it starts (dockerd(8)). */
function proxiesOf({ http, https, except }: Proxy): Json | undefined {
  if (http === "" && https === "") return undefined;
  return {
    ...(http === "" ? {} : { "http-proxy": http }),
    ...(https === "" ? {} : { "https-proxy": https }),
    ...(except.length === 0 ? {} : { "no-proxy": except.join(",") }),
  };
}

/** A value of daemon.json for people: passwords in addresses as ***. */
export function shownValue(value: Json | undefined): Json | undefined {
  if (typeof value === "string") return maskedAddress(value);
  if (Array.isArray(value)) return value.map((entry) => shownValue(entry) ?? null);
  if (typeof value !== "object" || value === null) return value;
  const shown = Object.entries(value).map(([key, entry]): [string, Json] => [key, shownValue(entry) ?? null]);
  return Object.fromEntries(shown);
}

/** Whether a configuration holds a password, so that nobody but root may read its file. */
export function holdsPassword(config: DaemonConfig): boolean {
  return JSON.stringify(shownValue(config)) !== JSON.stringify(config);
}
