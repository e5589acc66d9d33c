import { effectOf } from "../../config/effects.ts";
import type { Json } from "../../config/types.ts";
import { equal } from "../../plan/equal.ts";
import type { Change } from "../../plan/types.ts";
import { shownValue } from "./wanted_daemon.ts";

/** dockerd as a resource: everything about it is noted under this address. */
export const ADDRESS = "engine:docker";
export const DAEMON_JSON = "/etc/docker/daemon.json";

export type DaemonConfig = Readonly<Record<string, Json>>;

/**
 * Keys that a running dockerd takes over on SIGHUP, with the value that a missing key means
 * (dockerd(8), "Configuration reload behavior"; moby's daemon/reload.go). A key that is merely removed
 * stays in force until the next start, so its default is what has to be reloaded.
 */
export const RELOADABLE: DaemonConfig = {
  "allow-nondistributable-artifacts": [],
  "debug": false,
  "default-runtime": "runc",
  "labels": [],
  "live-restore": false,
  "max-concurrent-downloads": 3,
  "max-concurrent-uploads": 5,
  "max-download-attempts": 5,
  "insecure-registries": [],
  "registry-mirrors": [],
  "runtimes": {},
  "shutdown-timeout": 15,
};

/** What stands in daemon.json, and what the running dockerd has in force. */
export interface DaemonState {
  /** The file's content; `undefined` when there is none; a text when it is not JSON. */
  readonly file: DaemonConfig | string | undefined;
  /** What dockerd started with, or reloaded; `undefined` when that cannot be told. */
  readonly inForce: DaemonConfig | undefined;
  /** What dockerd keeps now, in words; left out where nobody asked. */
  readonly content?: string;
}

/** The text of daemon.json; `undefined` when there is nothing to say and the file is to be absent. */
export function daemonText(config: DaemonConfig): string | undefined {
  return Object.keys(config).length === 0 ? undefined : JSON.stringify(config, null, 2) + "\n";
}

/** The content of daemon.json; the text itself when it is not a JSON object. */
export function parseConfig(text: string): DaemonConfig | string {
  try {
    const value = JSON.parse(text) as Json;
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as DaemonConfig
      : text;
  } catch {
    return text;
  }
}

/** What {@link compareDaemon} has to know of keys that the user did not write. */
export type DaemonSources = Readonly<Record<string, string>>;

/**
 * What differs, key by key: in the file, and in force. Equal is not in force: a file put back by hand
 * may never have been loaded, and one that looks right may be newer than the process that runs.
 */
export function compareDaemon(
  desired: DaemonConfig,
  state: DaemonState,
  sources: DaemonSources = {},
): Change[] {
  if (typeof state.file === "string") {
    return [{
      path: "runtime.docker.daemon",
      before: "not JSON",
      after: shownValue(desired),
      effect: effectOf("runtime.docker.daemon", "restart"),
    }];
  }
  const file = state.file ?? {};
  const keys = new Set([...Object.keys(desired), ...Object.keys(file), ...Object.keys(state.inForce ?? {})]);
  const changes: Change[] = [];
  for (const key of [...keys].sort()) {
    const inForce = state.inForce === undefined
      ? undefined
      : key in state.inForce
      ? { value: state.inForce[key] }
      : { value: RELOADABLE[key] };
    const wanted = desired[key] ?? RELOADABLE[key];
    const fileRight = equal(file[key], desired[key]);
    const inForceRight = inForce !== undefined && equal(inForce.value, wanted);
    if (fileRight && (inForceRight || state.inForce === undefined)) continue;
    changes.push(changeOf({
      before: fileRight ? inForce?.value : file[key],
      after: desired[key],
      needsRestart: !(key in RELOADABLE) && !inForceRight,
      onlyInForce: fileRight,
      path: sources[key] ?? `runtime.docker.daemon.${key}`,
      hides: !inForceRight && hides(key, inForce?.value, desired[key]) ? state.content ?? "" : undefined,
    }));
  }
  if (state.inForce === undefined) {
    changes.push({
      path: "runtime.docker.daemon",
      before: "unknown in force",
      after: "in force",
      effect: effectOf("runtime.docker.daemon", "restart"),
      note: "daemon.json is newer than the running dockerd",
    });
  }
  return changes;
}

interface KeyChange {
  readonly path: string;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
  readonly needsRestart: boolean;
  readonly onlyInForce: boolean;
  /** What is hidden by it, in words, "" where that was not counted; `undefined` when nothing is. */
  readonly hides: string | undefined;
}

function changeOf(change: KeyChange): Change {
  const { hides } = change;
  const notes = [
    ...(change.onlyInForce ? ["the file is right, the running dockerd has another value"] : []),
    ...(hides === undefined ? [] : [
      `hides the present images and containers${hides === "" ? "" : ` (${hides})`} until it is changed back`,
    ]),
  ];
  return {
    path: change.path,
    before: shownValue(change.before),
    after: shownValue(change.after),
    effect: effectOf(change.path, caseOf(change.path, change.needsRestart)),
    ...(notes.length > 0 ? { note: notes.join("; ") } : {}),
  };
}

/** The effect of a proxy is told by who has to take it over, that of dockerd's own keys by how. */
function caseOf(path: string, needsRestart: boolean): string | undefined {
  if (path.startsWith("runtime.registries")) return undefined; // all of it reloads
  if (path.startsWith("network.")) return needsRestart ? "daemons" : "shells";
  return needsRestart ? "restart" : "reload";
}

/** Keys that make dockerd look for images in another place: the present ones are hidden, not lost. */
const HIDING = new Set(["data-root", "storage-driver", "storage-opts", "userns-remap"]);

/** Whether a change hides what is there; of the features one does, the image store of containerd. */
function hides(key: string, before: Json | undefined, after: Json | undefined): boolean {
  if (key !== "features") return HIDING.has(key);
  return storesInContainerd(before) !== storesInContainerd(after);
}

function storesInContainerd(features: Json | undefined): boolean {
  if (typeof features !== "object" || features === null || Array.isArray(features)) return false;
  return (features as Readonly<Record<string, Json>>)["containerd-snapshotter"] === true;
}

/** Whether bringing this about hides images: what there is now is to be counted before. */
export function hidesContent(desired: DaemonConfig, { inForce }: DaemonState): boolean {
  if (inForce === undefined) return false;
  return [...HIDING, "features"].some((key) =>
    !equal(inForce[key], desired[key]) && hides(key, inForce[key], desired[key])
  );
}

/**
 * The configuration to reload so that removed keys lose their force: the wanted one, and the explicit
 * default of each reloadable key that is in force and no longer wanted. `undefined` when none is.
 */
export function withRemovedDefaults(desired: DaemonConfig, inForce: DaemonConfig): DaemonConfig | undefined {
  const removed = Object.keys(inForce).filter((key) =>
    key in RELOADABLE && !(key in desired) && !equal(inForce[key], RELOADABLE[key])
  );
  if (removed.length === 0) return undefined;
  return { ...desired, ...Object.fromEntries(removed.map((key) => [key, RELOADABLE[key]!])) };
}
