import type { Json } from "../../lib/config/types.ts";
import type { SimGuest } from "./guest.ts";
import { idOfPem } from "../unit/certificates_fixture.ts";
import { NO_SETTING, USUAL_SETTING } from "./host_setting.ts";
import { AUTHORITY_FILES } from "./machines.ts";
import type { FileKeys } from "./simulation.ts";

/** Something that somebody does in the guest by hand, and the lines of the plan that have to show it. */
export interface HandEdit {
  readonly name: string;
  /** The addresses that differ afterwards; none when there is nothing to be edited in such a machine. */
  shows(keys: FileKeys): readonly string[];
  edit(guest: SimGuest, keys: FileKeys): void;
}

export type Entry = { readonly [key: string]: Json };

export function list(keys: FileKeys, key: string): readonly Entry[] {
  return keys[key] as readonly Entry[];
}

export function user(keys: FileKeys): Entry {
  return keys["user"] as Entry;
}

export function firstFile(keys: FileKeys): string | undefined {
  return list(keys, "files")[0]?.["path"] as string | undefined;
}

export function lastFile(keys: FileKeys): string | undefined {
  return list(keys, "files").at(-1)?.["path"] as string | undefined;
}

export function ofFile(find: (keys: FileKeys) => string | undefined): HandEdit["shows"] {
  return (keys) => {
    const path = find(keys);
    return path === undefined ? [] : [`file:${path}`];
  };
}

export function parameter(keys: FileKeys): string | undefined {
  return Object.keys(keys["sysctl"] as Entry)[0];
}

export function firstDisk(keys: FileKeys): Entry | undefined {
  return ((keys["vm"] as Entry)["disks"] as readonly Entry[])[0];
}

export function daemon(keys: FileKeys): Entry {
  return ((keys["runtime"] as Entry)["docker"] as Entry)["daemon"] as Entry;
}

export function engineOf(keys: FileKeys): string {
  return (keys["runtime"] as Entry)["engine"] as string;
}

/** The engine's line, with one engine alone. */
export function engineLine(engine: "docker" | "containerd"): HandEdit["shows"] {
  return (keys) => engineOf(keys) === engine ? [`engine:${engine}`] : [];
}

export function registries(keys: FileKeys): readonly (readonly [host: string, registry: Entry])[] {
  return Object.entries((keys["runtime"] as Entry)["registries"] as Readonly<Record<string, Entry>>);
}

/** The folder of a registry about which the engine is told by files; a certificate for choice. */
export function registryFolder(keys: FileKeys, isTold: (registry: Entry) => boolean): string | undefined {
  const found = registries(keys).find(([, registry]) => isTold(registry));
  const engine = engineOf(keys);
  return found === undefined || engine === "none" ? undefined : `/etc/${engine}/certs.d/${found[0]}`;
}

export function certificateFolder(keys: FileKeys): string | undefined {
  return registryFolder(keys, ({ certificates }) => Object.keys(certificates ?? {}).length > 0);
}

export function hostsFolder(keys: FileKeys): string | undefined {
  if (engineOf(keys) !== "containerd") return undefined;
  return registryFolder(keys, ({ mirrors, insecure }) => mirrors !== undefined || insecure === true);
}

/** The registries that the guest is logged in to. */
export function logins(keys: FileKeys): readonly string[] {
  if (engineOf(keys) === "none") return [];
  return registries(keys).flatMap(([host, { credentials }]) => credentials === "host" ? [host] : []);
}

export function network(keys: FileKeys): Readonly<Record<"proxy" | "caCerts", Entry>> {
  return keys["network"] as Readonly<Record<"proxy" | "caCerts", Entry>>;
}

export function ifProxy(...addresses: readonly string[]): HandEdit["shows"] {
  return (keys) => {
    const { inherit = true, http, https } = network(keys).proxy;
    const inherited = inherit ? USUAL_SETTING.proxy : NO_SETTING.proxy;
    return (http ?? inherited.http) === "" && (https ?? inherited.https) === "" ? [] : addresses;
  };
}

/** The ids of the authorities that are wanted, sorted. */
export function authorities(keys: FileKeys): readonly string[] {
  const { host = true, files = [] } = network(keys).caCerts;
  const named = (files as readonly (keyof typeof AUTHORITY_FILES)[]).map((path) => AUTHORITY_FILES[path]);
  return [...new Set([...host ? USUAL_SETTING.authorities : [], ...named].map(idOfPem))].sort();
}

export function hasNerdctl(keys: FileKeys): readonly string[] {
  const { nerdctl } = (keys["runtime"] as Entry)["containerd"] as Entry;
  return engineOf(keys) === "containerd" && nerdctl !== false ? ["nerdctl"] : [];
}

/** The line of the network of containers, where there is a conflist of ours. */
export function hasConflist(keys: FileKeys): readonly string[] {
  const { network } = keys["cni"] as Entry;
  return engineOf(keys) === "containerd" && network !== "none" ? ["cni"] : [];
}

/** A plugin that was taken out of a release. */
export function releasedPlugin(keys: FileKeys): string | undefined {
  if (engineOf(keys) !== "containerd") return undefined;
  const { network, plugins = {} } = keys["cni"] as Entry;
  const { source = "auto", version } = plugins as Entry;
  const isAuto = source === "auto" && (network === "flannel" || version !== undefined);
  if (source === "release" || isAuto) return "/opt/cni/bin/portmap";
  return network === "flannel" ? "/usr/lib/cni/flannel" : undefined;
}

export function hasEnv(keys: FileKeys): readonly string[] {
  return Object.keys(keys["env"] as Entry).length > 0 ? ["env"] : [];
}

export function editEntry(
  guest: SimGuest,
  path: string,
  parts: { readonly mode?: string; readonly owner?: string },
) {
  const entry = guest.view.get(path);
  if (entry?.kind === "file") guest.view.set(path, { ...entry, ...parts });
}

export const SHELLS = { "/bin/bash": "/bin/sh", "/bin/sh": "/bin/bash" } as const;
