import { effectOf } from "../../config/effects.ts";
import { equal } from "../../plan/equal.ts";
import type { Change } from "../../plan/types.ts";
import { changeAt } from "../change.ts";
import { authoritiesChange, authoritiesInForce } from "../network_facts.ts";
import { compareFiles } from "../registry_files.ts";
import {
  changeOf,
  compareTrees,
  type ConfigSettings,
  type ConfigTree,
  isBad,
  wantedConfig,
} from "./config_tree.ts";
import { type FoundContainerd, UNIT, type WantedContainerd } from "./found.ts";
import { SHUTDOWN_UNIT } from "./shutdown.ts";

/** What differs between containerd as wanted and as found: in its files, and in what the running one has read. */
export function compareContainerd(desired: WantedContainerd, observed: FoundContainerd): Change[] {
  const { settings } = desired;
  const wanted = wantedConfig(observed.distribution, settings);
  return [
    ...compareConfig(wanted, observed, settings),
    ...compareFiles(desired.hostFiles, observed.hostFiles),
    ...compareProxy(desired, observed),
    ...(observed.trust === undefined || authoritiesInForce(desired.authorities, observed.trust)
      ? []
      : [authoritiesChange(desired.authorities)]),
    ...observed.missing.map((name): Change => ({
      path: name,
      before: "not installed",
      after: "installed",
      effect: effectOf("unit"),
      isTold: true,
    })),
    ...(observed.notUp === undefined ? [] : [unitChange(UNIT, observed.notUp)]),
    ...(observed.shutdown === undefined ? [] : [unitChange(SHUTDOWN_UNIT, observed.shutdown)]),
  ];
}

/** The file and what is in force, key by key. */
function compareConfig(
  wanted: ConfigTree,
  observed: FoundContainerd,
  settings: ConfigSettings,
): Change[] {
  if (isBad(observed.file)) {
    const before = `no TOML: ${observed.file.problem}`;
    return [changeAt("runtime.containerd.config", { before, after: "the configuration" }, { isTold: true })];
  }
  const inFile = compareTrees(observed.file, wanted);
  const changes = inFile.map((difference) => changeOf(difference, settings));
  if (observed.inForce === undefined) {
    const words = { isTold: true, note: "config.toml is newer than the running containerd" } as const;
    return [
      ...changes,
      changeAt("runtime.containerd.config", { before: "unknown in force", after: "in force" }, words),
    ];
  }
  const inForce = isBad(observed.inForce) ? {} : observed.inForce;
  const stale = compareTrees(inForce, wanted)
    .filter(({ path }) => !inFile.some((other) => equal(other.path, path)))
    .map((difference) =>
      changeOf(difference, settings, "the file is right, the running containerd has another value")
    );
  return [...changes, ...stale];
}

function compareProxy({ proxy }: WantedContainerd, { proxy: found }: FoundContainerd): Change[] {
  const words = { which: "daemons", isTold: true } as const;
  if (found.file !== proxy.hash) {
    const before = found.file === "" ? "none" : "another one";
    return [changeAt("network.proxy", { before, after: proxy.told }, words)];
  }
  if (found.inForce === proxy.hash) return [];
  const note = "the running containerd was started without it";
  return [changeAt("network.proxy", { before: "not in force", after: proxy.told }, { ...words, note })];
}

function unitChange(path: string, is: string): Change {
  return {
    path,
    before: is,
    after: "active, enabled",
    effect: effectOf("unit"),
    isTold: true,
    ...(is.startsWith("activating") ? { note: "it is still starting" } : {}),
    ...(is === "activating, enabled" ? { isPassing: true } : {}),
  };
}
