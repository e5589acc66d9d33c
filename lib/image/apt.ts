import { join } from "node:path";
import { exists, readTextIfPresent } from "../host/files.ts";
import { listNames } from "../host/folders.ts";
import { runOrThrow } from "../host/process.ts";
import { type AptConfiguration, findKeyring, imageSources } from "./sources.ts";

/** What mmdebstrap has to know of the host's apt. */
export interface AptInput {
  /** Lines for a sources.list. */
  readonly sources: readonly string[];
  /** Lines for an apt.conf: how the host fetches, e.g. through a proxy. */
  readonly options: readonly string[];
}

/**
 * Reads how this host gets its packages.
 * @throws UserError when it has no source of Debian's own
 */
export async function readApt(signal?: AbortSignal): Promise<AptInput> {
  const keyring = await findKeyring(exists);
  const sources = imageSources(await readConfiguration("/etc"), keyring);
  const dump = await runOrThrow(["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"], {
    ...(signal === undefined ? {} : { signal }),
  });
  return { sources, options: fetchOptions(dump) };
}

/**
 * Keeps of `apt-config dump` what says how to fetch. Which indexes to fetch, and in which language, is the
 * host's own affair.
 */
export function fetchOptions(dump: string): string[] {
  const kept =
    /^Acquire::(http|https|ftp|socks|tor|Proxy|ForceIPv|Retries|Check-Date|Check-Valid-Until|Max-|Min-|Queue-|By-Hash)/i;
  return dump.split("\n").filter((line) => kept.test(line) && !line.endsWith(' "";'));
}

async function readConfiguration(etc: string): Promise<AptConfiguration> {
  const folder = join(etc, "apt/sources.list.d");
  const names = (await listNames(folder)).sort();
  const read = async (path: string) => await readTextIfPresent(path) ?? "";
  const all = (suffix: string) =>
    Promise.all(names.filter((name) => name.endsWith(suffix)).map((name) => read(join(folder, name))));
  return {
    lists: [await read(join(etc, "apt/sources.list")), ...await all(".list")],
    sources: await all(".sources"),
    codename: debianCodename(await read(join(etc, "os-release"))),
  };
}

/** The codename in an os-release(5) file of Debian; `undefined` for other systems, also those made from Debian. */
export function debianCodename(osRelease: string): string | undefined {
  const value = (key: string) => new RegExp(`^${key}="?([^"\\n]*)"?$`, "m").exec(osRelease)?.[1];
  return value("ID") === "debian" ? value("VERSION_CODENAME") : undefined;
}
