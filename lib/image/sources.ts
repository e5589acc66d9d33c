import { UserError } from "../host/errors.ts";

/** The release that images are made of. */
export const SUITE = "trixie";

const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
] as const;

const COMPONENTS = new Set(["main", "contrib", "non-free", "non-free-firmware"]);

/** One package source of the host's apt: one address and one suite. */
export interface AptEntry {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path of the keyring that has to sign it; `undefined`: any key that apt trusts. */
  readonly signedBy: string | undefined;
}

/** The files of the host that say where its packages come from. */
export interface AptConfiguration {
  /** Content of every `*.list` file, comments included. */
  readonly lists: readonly string[];
  /** Content of every `*.sources` file. */
  readonly sources: readonly string[];
  /** Codename of the host's release, e.g. "bookworm"; `undefined` when the host is no Debian. */
  readonly codename: string | undefined;
}

/** Reads one-line entries (sources.list(5), "ONE-LINE-STYLE FORMAT"). */
export function parseListFile(text: string): AptEntry[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?$/.exec(line);
    if (!match) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    return [{
      uri,
      suite,
      components: words(components),
      signedBy: /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1],
    }];
  });
}

/** Reads deb822 stanzas (sources.list(5), "DEB822-STYLE FORMAT"). */
export function parseSourcesFile(text: string): AptEntry[] {
  const withoutComments = text.split("\n").filter((line) => !line.startsWith("#")).join("\n");
  return withoutComments.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const field of stanza.replaceAll(/\n[ \t]+/g, " ").split("\n")) {
      const colon = field.indexOf(":");
      if (colon > 0) fields.set(field.slice(0, colon).trim().toLowerCase(), field.slice(colon + 1).trim());
    }
    const value = (name: string) => fields.get(name) ?? "";
    if (/^(no|false|0|off|disable)$/i.test(value("enabled"))) return [];
    if (!words(value("types")).includes("deb")) return [];
    // A key may stand in the stanza itself; then it is not a path, and not Debian's keyring either.
    const signedBy = value("signed-by") || undefined;
    return words(value("uris")).flatMap((uri) =>
      words(value("suites")).map((suite) => ({
        uri,
        suite,
        components: words(value("components")),
        signedBy,
      }))
    );
  });
}

/**
 * The host's own Debian sources, pointed at the release of the image: the same addresses, so that what
 * works for the host (a mirror, a cache, a proxy) works here. Vendors' sources are left out.
 * @returns lines for a sources.list
 * @throws UserError when the host has none
 */
export function imageSources(host: AptConfiguration, keyring: string): string[] {
  const { codename } = host;
  const entries = [...host.lists.flatMap(parseListFile), ...host.sources.flatMap(parseSourcesFile)];
  const own = codename === undefined ? [] : entries.filter((entry) => isDebians(entry, codename));
  const lines = own.map((entry) => {
    const suite = SUITE + entry.suite.slice(codename?.length);
    return `deb [signed-by=${keyring}] ${entry.uri} ${suite} main`;
  });
  if (!own.some((entry) => entry.suite === codename)) throw noSources(codename);
  return [...new Set(lines)];
}

/** The first of Debian's keyrings that is there, by the given test. */
export async function findKeyring(exists: (path: string) => Promise<boolean>): Promise<string> {
  for (const path of KEYRINGS) if (await exists(path)) return path;
  throw new UserError(`Debian's keyring is missing: ${KEYRINGS[0]} does not exist`, {
    hint: "apt-get install debian-archive-keyring",
  });
}

/**
 * Vendors name their suites after the release too ("bookworm stable"): only the keyring and the components
 * tell them apart.
 */
function isDebians(entry: AptEntry, codename: string): boolean {
  const suites = [codename, `${codename}-updates`, `${codename}-security`];
  const keyed = entry.signedBy === undefined ||
    /^\/usr\/share\/keyrings\/debian-archive-[\w.-]+\.(gpg|pgp)$/.test(entry.signedBy);
  return keyed && suites.includes(entry.suite) && !entry.uri.startsWith("cdrom:") &&
    entry.components.includes("main") && entry.components.every((name) => COMPONENTS.has(name));
}

function noSources(codename: string | undefined): UserError {
  const found = codename === undefined
    ? "this host is not Debian"
    : `apt has no source for "${codename}" signed by Debian`;
  return new UserError(`Cannot build the image: ${found}`, {
    hint: "Run this on a Debian host; downloading ready images is not supported yet",
  });
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
