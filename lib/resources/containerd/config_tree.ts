import { parse, stringify, TomlDate } from "smol-toml";
import { effectOf } from "../../config/effects.ts";
import type { ContainerdSettings, Json } from "../../config/types.ts";
import { messageOf } from "../../host/errors.ts";
import { equal } from "../../plan/equal.ts";
import type { Change } from "../../plan/types.ts";
import { keyPath } from "../change.ts";
import { CONTAINERD_CERTS } from "../registry_files.ts";

/** A config.toml as its tables and values. */
export type ConfigTree = { readonly [key: string]: Json };

/** What of the machine file decides about config.toml. */
export type ConfigSettings = Omit<ContainerdSettings, "nerdctl"> & {
  /** The folder of CNI's plugins. */
  readonly pluginFolder: string;
};

/** Why a text is no configuration. */
export interface BadConfig {
  readonly problem: string;
}

/** The plugin behind Kubernetes' interface, in the second version of the format (containerd 1.x). */
export const CRI = "io.containerd.grpc.v1.cri";

const FORMAT_VERSION = 2;
const PLUGINS_PATH = ["plugins", CRI, "cni", "bin_dir"] as const;
const SNAPSHOTTER_PATH = ["plugins", CRI, "containerd", "snapshotter"] as const;

/** Reads a config.toml. */
export function parseConfig(text: string): ConfigTree | BadConfig {
  try {
    return toJson(parse(text)) as ConfigTree;
  } catch (error) {
    return { problem: messageOf(error).split("\n")[0] ?? "" };
  }
}

export function isBad(config: ConfigTree | BadConfig | undefined): config is BadConfig {
  return config !== undefined && Object.keys(config).length === 1 && typeof config["problem"] === "string";
}

/** The text of a config.toml. */
export function configText(config: ConfigTree): string {
  return `# Written by machine: the distribution's file, and runtime.containerd\n${
    stringify(config).trimEnd()
  }\n`;
}

/** Values of TOML as JSON has them. */
function toJson(value: unknown): Json {
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, part]): [string, Json] => [key, toJson(part)]),
    );
  }
  return typeof value === "bigint" ? Number(value) : value as Json;
}

/**
 * The configuration that a machine wants: the distribution's, with ours over it and the user's over both. Tables are
 * merged, everything else is replaced; the format's version stays what the distribution's file says.
 */
export function wantedConfig(distribution: ConfigTree, settings: ConfigSettings): ConfigTree {
  const ours: ConfigTree = {
    root: "/var/lib/containerd",
    state: "/run/containerd",
    plugins: {
      [CRI]: {
        cni: { bin_dir: settings.pluginFolder },
        containerd: { snapshotter: settings.snapshotter },
        registry: { config_path: CONTAINERD_CERTS },
      },
    },
  };
  const merged = mergeTrees(mergeTrees(distribution, ours), settings.config);
  return {
    ...merged,
    version: distribution["version"] ?? FORMAT_VERSION,
    ...disabledPlugins(merged, settings),
  };
}

/** Kubernetes' interface is off when its plugin is on the list. A list that the user wrote is only added to. */
function disabledPlugins(merged: ConfigTree, { cri, config }: ConfigSettings): ConfigTree {
  const list = merged["disabled_plugins"];
  const disabled = Array.isArray(list) ? list as readonly Json[] : [];
  if (!cri) return isCriOff(disabled) ? {} : { disabled_plugins: [...disabled, CRI] };
  if (!isCriOff(disabled) || "disabled_plugins" in config) return {};
  return { disabled_plugins: disabled.filter((name) => !isCri(name)) };
}

/** The short name counts as well (containerd's config.go). */
function isCri(name: Json): boolean {
  return name === CRI || name === "cri";
}

/** Whether containerd has Kubernetes' interface with a configuration. */
export function hasCri(config: ConfigTree): boolean {
  return !isCriOff(config["disabled_plugins"]);
}

function isCriOff(list: Json | undefined): boolean {
  return Array.isArray(list) && (list as readonly Json[]).some(isCri);
}

/** One tree over another: tables are merged key by key, everything else is replaced. */
export function mergeTrees(under: ConfigTree, over: ConfigTree): ConfigTree {
  const merged: Record<string, Json> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isTable(value) && isTable(before) ? mergeTrees(before, value) : value;
  }
  return merged;
}

function isTable(value: Json | undefined): value is ConfigTree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What differs at one place of two trees; `undefined` where there is nothing. */
export interface TreeDifference {
  readonly path: readonly string[];
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

/** What differs between two trees, key by key; an empty table is like none. */
export function compareTrees(
  before: Json | undefined,
  after: Json | undefined,
  path: readonly string[] = [],
): TreeDifference[] {
  if ((isTable(before) || before === undefined) && (isTable(after) || after === undefined)) {
    const keys = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
    return keys.flatMap((key) => compareTrees(before?.[key], after?.[key], [...path, key]));
  }
  return equal(before, after) ? [] : [{ path, before, after }];
}

/** Keys that make containerd look for images in another place: the present ones are hidden, not lost. */
const HIDING: readonly string[] = ["root"];

/** A difference as a change of the key of the machine file that decides about it. */
export function changeOf(
  { path, before, after }: TreeDifference,
  settings: ConfigSettings,
  note?: string,
): Change {
  const isSaid = path.reduce<Json | undefined>(
    (tree, key) => isTable(tree) ? tree[key] : undefined,
    settings.config,
  ) !== undefined;
  const hides = path.length === 1 && HIDING.includes(path[0]!)
    ? "hides the present images and containers until it is changed back"
    : equal(path, SNAPSHOTTER_PATH)
    ? "images are unpacked again"
    : undefined;
  const notes = [note, hides].filter((part) => part !== undefined);
  const rest = notes.length === 0 ? {} : { note: notes.join("; ") };
  const at = (key: string, sides: { readonly before: unknown; readonly after: unknown }): Change => ({
    path: key,
    ...sides,
    effect: effectOf(key),
    ...rest,
  });
  if (!isSaid && equal(path, ["disabled_plugins"]) && isCriOff(before) !== isCriOff(after)) {
    return at("runtime.containerd.cri", { before: !isCriOff(before), after: !isCriOff(after) });
  }
  if (!isSaid && equal(path, SNAPSHOTTER_PATH)) {
    return at("runtime.containerd.snapshotter", { before, after });
  }
  if (!isSaid && equal(path, PLUGINS_PATH)) return at("cni.plugins.source", { before, after });
  return at(keyPath("runtime.containerd.config", path), { before, after });
}
