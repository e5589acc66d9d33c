import { type Finding, show } from "./finding.ts";
import { isList } from "./json.ts";
import type { Path } from "./path.ts";
import type { CniSettings, Json, Machine } from "./types.ts";

/** Versions of CNI's format that there are (its SPEC.md, "Released versions"). */
const VERSIONS: readonly string[] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** What a network and the type of a plugin may be called (CNI's SPEC.md, "Section 1"; libcni's pkg/utils). */
const NAME = /^[a-zA-Z0-9][\w.-]*$/;

/**
 * Holds an own list of plugins against CNI's format: containerd says what is wrong with one only in its journal. And the
 * version of a release against where plugins are to come from.
 */
export function checkCni({ cni }: Machine): Finding[] {
  return [...checkVersion(cni), ...cni.network.kind === "own" ? checkConflist(cni.network.conflist) : []];
}

function checkVersion({ plugins: { source, version } }: CniSettings): Finding[] {
  if (source === "release" || version === undefined) return [];
  return [{
    path: ["cni", "plugins", "version"],
    at: "key",
    message: "A version names a release, and the plugins are to come from Debian's package",
    remedy: 'Remove it, or write "source: release"',
  }];
}

function checkConflist(conflist: Readonly<Record<string, Json>>): Finding[] {
  const { cniVersion, name, plugins } = conflist;
  const at: Path = ["cni", "network", "conflist"];
  return [
    ...checkText(cniVersion, {
      path: [...at, "cniVersion"],
      isRight: (text) => VERSIONS.includes(text),
      rule: "a version of CNI's format",
      example: "1.0.0",
    }),
    ...checkText(name, {
      path: [...at, "name"],
      isRight: (text) => NAME.test(text),
      rule: "a name of letters, digits, dots, dashes and underscores",
      example: "machine",
    }),
    ...checkPlugins(plugins, [...at, "plugins"]),
  ];
}

function checkPlugins(plugins: Json | undefined, path: Path): Finding[] {
  if (plugins === undefined) return [missing(path, '"plugins: [{type: bridge}]"')];
  if (!isList(plugins) || plugins.length === 0) {
    return [{ path, message: "Must be a list of at least one plugin", remedy: 'Write "[{type: bridge}]"' }];
  }
  return plugins.flatMap((plugin, index) => {
    const at = [...path, index];
    if (plugin === null || typeof plugin !== "object" || isList(plugin)) {
      const remedy = 'Write "{type: bridge}"';
      return [{ path: at, message: `A plugin is a map with its type, not ${show(plugin)}`, remedy }];
    }
    const { type } = plugin as { readonly [key: string]: Json };
    const isRight = (text: string) => NAME.test(text);
    return checkText(type, {
      path: [...at, "type"],
      isRight,
      rule: "the name of a plugin",
      example: "bridge",
    });
  });
}

interface TextRule {
  readonly path: Path;
  readonly isRight: (text: string) => boolean;
  readonly rule: string;
  readonly example: string;
}

function checkText(value: Json | undefined, { path, isRight, rule, example }: TextRule): Finding[] {
  const key = String(path.at(-1));
  if (value === undefined) return [missing(path, `"${key}: ${example}"`)];
  if (typeof value === "string" && isRight(value)) return [];
  return [{ path, message: `${show(value)} is not ${rule}`, remedy: `Write one like "${example}"` }];
}

/** What is missing is said where it should be. */
function missing(path: Path, entry: string): Finding {
  return { path, message: "Is missing", remedy: `Add ${entry}` };
}
