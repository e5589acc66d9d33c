import { keptPath } from "../../guest/op_script.ts";
import type { GuestFacts, GuestQuery } from "../../guest/query.ts";
import { packagesFor } from "../../image/packages.ts";
import type { Observed } from "../../plan/types.ts";
import { readBy } from "../loaded.ts";
import { type AuthoritiesSeen, type Authority, BUNDLE, bundleChangedMs } from "../network_facts.ts";
import { OWNED_FILE, ownedOf } from "../owned.ts";
import {
  CONTAINERD_CERTS,
  findFiles,
  type FoundRegistryFiles,
  oursBelow,
  type WantedRegistryFile,
} from "../registry_files.ts";
import { type BadConfig, type ConfigSettings, type ConfigTree, isBad, parseConfig } from "./config_tree.ts";
import { PROXY_DROP_IN } from "./drop_in.ts";
import { SHUTDOWN_FILE, SHUTDOWN_HASH, SHUTDOWN_UNIT } from "./shutdown.ts";

export const ADDRESS = "engine:containerd";
export const CONFIG_TOML = "/etc/containerd/config.toml";
export const UNIT = "containerd.service";

/** containerd as wanted. */
export interface WantedContainerd {
  readonly settings: ConfigSettings;
  readonly hostFiles: readonly WantedRegistryFile[];
  /** Why they cannot be had. */
  readonly missing?: string;
  readonly proxy: { readonly hash: string; readonly told: string };
  readonly authorities: readonly Pick<Authority, "id" | "subject">[];
}

/** What the running containerd was seen to load, kept in the guest's list. */
export type Loaded = {
  readonly invocationId: string;
  readonly config: ConfigTree;
  /** See {@link proxyHash}. */
  readonly proxy: string;
  /** The authorities that were installed then. */
  readonly ids: readonly string[];
};

/** containerd as found. */
export interface FoundContainerd {
  /** What the distribution's file says: the one that we keep where ours stands. */
  readonly distribution: ConfigTree;
  readonly file: ConfigTree | BadConfig | undefined;
  /** What the running one has read; `undefined` when that cannot be told. */
  readonly inForce: ConfigTree | BadConfig | undefined;
  readonly hostFiles: FoundRegistryFiles;
  readonly proxy: { readonly file: string; readonly inForce: string | undefined };
  /** `undefined` while it does not run. */
  readonly trust: AuthoritiesSeen | undefined;
  /** What its unit is, when it is not both active and enabled. */
  readonly notUp: string | undefined;
  readonly missing: readonly string[];
  /** What is wrong with the unit that ends containers when the machine goes down. */
  readonly shutdown: string | undefined;
}

/** What has to be known of the guest. */
export function containerdQuery(wanted: WantedContainerd | undefined): GuestQuery {
  return {
    files: [CONFIG_TOML, keptPath(CONFIG_TOML), OWNED_FILE],
    hashes: [BUNDLE, PROXY_DROP_IN, SHUTDOWN_FILE.path, ...(wanted?.hostFiles ?? []).map(({ path }) => path)],
    units: [UNIT, SHUTDOWN_UNIT],
    packages: packagesFor("containerd"),
  };
}

/** Reads containerd out of a look. It is there as this engine when the guest's list says so: docker has one, too. */
export function observeContainerd(
  facts: GuestFacts,
  wanted: WantedContainerd | undefined,
): Observed<FoundContainerd> {
  const { applied, files: ours } = ownedOf(facts);
  const note = applied[ADDRESS] as Loaded | undefined;
  if (note === undefined) return { state: "absent" };
  const [config, kept, dropIn, unit, shutdown, shutdownFile] = [
    facts.file(CONFIG_TOML),
    facts.file(keptPath(CONFIG_TOML)),
    facts.file(PROXY_DROP_IN),
    facts.unit(UNIT),
    facts.unit(SHUTDOWN_UNIT),
    facts.file(SHUTDOWN_FILE.path),
  ];
  for (const fact of [config, kept, dropIn, unit, shutdown, shutdownFile]) {
    if (fact.state === "unknown") return fact;
  }
  const hostFiles = findFiles(facts, wanted?.hostFiles ?? [], oursBelow(CONTAINERD_CERTS, ours));
  if ("unknown" in hostFiles) return { state: "unknown", reason: hostFiles.unknown };
  const missing: string[] = [];
  for (const name of packagesFor("containerd")) {
    const fact = facts.package(name);
    if (fact.state === "unknown") return fact;
    if (fact.state === "absent") missing.push(name);
  }
  const original = CONFIG_TOML in ours ? kept : config;
  const distribution = original.state === "present" ? parseConfig(original.value.text) : {};
  const file = config.state === "present" ? parseConfig(config.value.text) : undefined;
  const shutdownIs = shutdown.state === "present"
    ? `${shutdown.value.activeState}, ${shutdown.value.unitFileState}`
    : "missing";
  const isShutdownRight = shutdownFile.state === "present" && shutdownFile.value.sha256 === SHUTDOWN_HASH;
  const proxyFile = dropIn.state === "present" ? dropIn.value.sha256 : "";
  const is = unit.state === "present" ? `${unit.value.activeState}, ${unit.value.unitFileState}` : "missing";
  const daemon = unit.state === "present" ? { unit: unit.value, loaded: note } : undefined;
  const read = daemon && readBy({ ...daemon, file: config.state === "present" ? config.value : undefined });
  const readDropIn = daemon &&
    readBy({ ...daemon, file: dropIn.state === "present" ? dropIn.value : undefined });
  return {
    state: "present",
    owned: true,
    value: {
      // One that somebody has damaged before us says nothing that could be kept.
      distribution: isBad(distribution) ? {} : distribution,
      file,
      inForce: read === "file" || daemon === undefined ? file ?? {} : read?.config,
      hostFiles,
      proxy: {
        file: proxyFile,
        inForce: readDropIn === undefined && daemon !== undefined
          ? undefined
          : readDropIn === "file" || readDropIn === undefined
          ? proxyFile
          : readDropIn.proxy,
      },
      trust: daemon?.unit.activeState === "active"
        ? { unit: daemon.unit, loaded: note, bundleMs: bundleChangedMs(facts) }
        : undefined,
      notUp: is === "active, enabled" ? undefined : is,
      missing,
      shutdown: !isShutdownRight
        ? "another content"
        : shutdownIs === "active, enabled"
        ? undefined
        : shutdownIs,
    },
  };
}
