import { stringify } from "smol-toml";
import { effectOf } from "../../config/effects.ts";
import type { Machine, Registry } from "../../config/types.ts";
import type { GuestFileContent } from "../../guest/ops.ts";
import { messageOf } from "../../host/errors.ts";
import { readText, sha256 } from "../../host/files.ts";
import type { Change } from "../../plan/types.ts";
import { entryPath } from "../change.ts";
import { HOSTS_FOLDER } from "./config_tree.ts";

/** A file about a registry, as wanted. */
export interface WantedHostFile {
  readonly path: string;
  /** As image names have it. */
  readonly host: string;
  readonly mode: string;
  /** Of the content, which may be a secret. */
  readonly hash: string;
}

const CERTIFICATES = { ca: "ca.crt", cert: "client.cert", key: "client.key" } as const;

/**
 * What containerd is told of registries: a folder each, with hosts.toml and the certificates that it names. They are
 * read at every pull, so nothing has to be restarted (containerd's docs/hosts.md).
 * @throws UserError when a certificate cannot be read
 */
export async function hostFiles(machine: Machine): Promise<readonly (GuestFileContent & { host: string })[]> {
  const { registries } = machine.runtime;
  const files = await Promise.all(registries.map(async (registry) => {
    const { host } = registry;
    const at = (name: string) => `${HOSTS_FOLDER}/${host}/${name}`;
    const text = hostsText(registry, registries);
    const certificates = await Promise.all(
      Object.entries(registry.certificates).map(async ([name, source]) => {
        const file = CERTIFICATES[name as keyof typeof CERTIFICATES];
        return { host, path: at(file), content: await readText(source), mode: modeOf(file) };
      }),
    );
    const hosts = { host, path: at("hosts.toml"), content: text ?? "", mode: "0644" };
    return text === undefined ? certificates : [hosts, ...certificates];
  }));
  return files.flat();
}

function modeOf(file: string): string {
  return file === CERTIFICATES.key ? "0600" : "0644";
}

/** The same without what is in them; a text says why they cannot be had. */
export async function wantedHostFiles(machine: Machine): Promise<readonly WantedHostFile[] | string> {
  try {
    return (await hostFiles(machine)).map(({ path, host, mode, content }) => ({
      path,
      host,
      mode,
      hash: sha256(content),
    }));
  } catch (error) {
    return `A certificate of runtime.registries cannot be read: ${messageOf(error)}`;
  }
}

/** Where one registry or mirror is reached, and what it is trusted with. */
interface HostTable {
  readonly capabilities: readonly string[];
  readonly "skip_verify"?: true;
  readonly ca?: string;
  readonly client?: readonly (readonly string[])[];
}

/** The hosts.toml of a registry; `undefined` when there is nothing to say that is not so anyway. */
function hostsText(registry: Registry, registries: readonly Registry[]): string | undefined {
  const { host, mirrors, insecure, certificates } = registry;
  if (mirrors.length === 0 && !insecure && Object.keys(certificates).length === 0) return undefined;
  const server = serverOf(registry);
  const own = { capabilities: ["pull", "resolve", "push"], ...trustIn(registry) };
  const tables = mirrors.map((mirror): [string, HostTable] => {
    // As with dockerd, a mirror is trusted as the file says of the mirror's own host.
    const entry = registries.find((other) => other.host === new URL(mirror).host);
    return [mirror, { capabilities: ["pull", "resolve"], ...(entry ? trustIn(entry) : {}) }];
  });
  return `# Written by machine: runtime.registries[${JSON.stringify(host)}]\n${
    stringify({
      server,
      ...own,
      // containerd 1.7 takes a file without any table "host" for damaged, so there is always one.
      host: Object.fromEntries(tables.length === 0 ? [[server, own]] : tables),
    })
  }`;
}

/**
 * The address of the registry itself. With `skip_verify`, containerd tries an address of "http" by TLS first and
 * falls back, so that "insecure" means both, as it does with dockerd.
 */
function serverOf({ host, insecure }: Registry): string {
  return `${insecure ? "http" : "https"}://${host === "docker.io" ? "registry-1.docker.io" : host}`;
}

function trustIn({ host, insecure, certificates }: Registry): Omit<HostTable, "capabilities"> {
  const at = (name: keyof typeof CERTIFICATES) => `${HOSTS_FOLDER}/${host}/${CERTIFICATES[name]}`;
  return {
    ...(insecure ? { "skip_verify": true as const } : {}),
    ...(certificates.ca === undefined ? {} : { ca: at("ca") }),
    ...(certificates.cert === undefined ? {} : {
      client: [[at("cert"), certificates.key === undefined ? "" : at("key")]],
    }),
  };
}

/** Whether a file is one that only {@link hostFiles} puts there. */
export function isHostFile(path: string): boolean {
  return path.startsWith(`${HOSTS_FOLDER}/`);
}

/** What differs between the files wanted and those found, and what is ours of them and no longer wanted. */
export function compareHostFiles(
  wanted: readonly WantedHostFile[],
  found: FoundHostFiles,
): Change[] {
  const change = (path: string, before: string, after: string | undefined): Change => {
    const host = path.slice(HOSTS_FOLDER.length + 1, path.lastIndexOf("/"));
    const key = entryPath("runtime.registries", host);
    const name = path.slice(path.lastIndexOf("/") + 1);
    const effect = effectOf(key);
    return {
      path: key,
      before: `${name}: ${before}`,
      after: after && `${name}: ${after}`,
      effect,
      isTold: true,
    };
  };
  return [
    ...wanted.flatMap(({ path, hash, mode }) => {
      const file = found.files[path];
      // A look is at what is wanted now: of what was wanted before it tells only whether it is ours still.
      if (!(path in found.files) && found.ours.includes(path)) return [];
      if (file?.hash === hash && file.mode === mode) return [];
      const before = file === undefined
        ? "missing"
        : file.hash === hash
        ? `mode ${file.mode}`
        : "another content";
      return [change(path, before, "as the file says")];
    }),
    ...found.ours.filter((path) => !wanted.some((file) => file.path === path))
      .map((path) => change(path, "there", undefined)),
  ];
}

/** What is there about registries. */
export interface FoundHostFiles {
  /** The files that were looked at; `undefined` where there is none. */
  readonly files: Readonly<Record<string, FoundHostFile | undefined>>;
  /** Files that are ours by the guest's list. */
  readonly ours: readonly string[];
}

/** A file as found. */
export interface FoundHostFile {
  readonly hash: string;
  readonly mode: string;
}
