import { effectOf } from "../../config/effects.ts";
import type { Json } from "../../config/types.ts";
import { equal } from "../../plan/equal.ts";
import type { Change } from "../../plan/types.ts";

export type DaemonConfig = Readonly<Record<string, Json>>;

/**
 * Keys that a running dockerd takes over on SIGHUP, with the value that a missing key means
 * (dockerd(8), "Configuration reload behavior"; moby's daemon/reload.go). A key that is merely removed
 * stays in force until the next start, so its default is what has to be reloaded.
 */
export const RELOADABLE: DaemonConfig = {
  "debug": false,
  "labels": [],
  "live-restore": false,
  "max-concurrent-downloads": 3,
  "max-concurrent-uploads": 5,
  "max-download-attempts": 5,
  "insecure-registries": [],
  "registry-mirrors": [],
  "shutdown-timeout": 15,
};

/** Keys that make dockerd look for images in another place: the present ones are hidden, not lost. */
const HIDING = new Set(["data-root", "storage-driver", "storage-opts", "userns-remap", "features"]);

/** What stands in daemon.json, and what the running dockerd has in force. */
export interface DaemonState {
  /** The file's content; `undefined` when there is none; a text when it is not JSON. */
  readonly file: DaemonConfig | string | undefined;
  /** What dockerd started with, or reloaded; `undefined` when that cannot be told. */
  readonly inForce: DaemonConfig | undefined;
}

/** The text of daemon.json; `undefined` when there is nothing to say and the file is to be absent. */
export function daemonText(config: DaemonConfig): string | undefined {
  return Object.keys(config).length === 0 ? undefined : JSON.stringify(config, null, 2) + "\n";
}

/**
 * What differs, key by key: in the file, and in force. Equal is not in force: a file put back by hand
 * may never have been loaded, and one that looks right may be newer than the process that runs.
 */
export function compareDaemon(desired: DaemonConfig, state: DaemonState): Change[] {
  if (typeof state.file === "string") {
    return [{
      path: "runtime.docker.daemon",
      before: "not JSON",
      after: desired,
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
    changes.push(changeOf(key, {
      before: fileRight ? inForce?.value : file[key],
      after: desired[key],
      needsRestart: !(key in RELOADABLE) && !inForceRight,
      onlyInForce: fileRight,
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
  readonly before: Json | undefined;
  readonly after: Json | undefined;
  readonly needsRestart: boolean;
  readonly onlyInForce: boolean;
}

function changeOf(key: string, change: KeyChange): Change {
  const notes = [
    ...(change.onlyInForce ? ["the file is right, the running dockerd has another value"] : []),
    ...(HIDING.has(key) ? ["hides the present images and containers until it is changed back"] : []),
  ];
  return {
    path: `runtime.docker.daemon.${key}`,
    before: change.before,
    after: change.after,
    effect: effectOf(`runtime.docker.daemon.${key}`, change.needsRestart ? "restart" : "reload"),
    ...(notes.length > 0 ? { note: notes.join("; ") } : {}),
  };
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
