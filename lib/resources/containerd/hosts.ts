import { stringify } from "smol-toml";
import type { Machine, Registry } from "../../config/types.ts";
import { entryPath } from "../change.ts";
import {
  CERTIFICATE_NAMES,
  certificatePath,
  certificatesIn,
  CONTAINERD_CERTS,
  type RegistryFile,
} from "../registry_files.ts";

/**
 * What containerd is told of registries: a folder each, with hosts.toml and the certificates that it names. They are
 * read at every pull, so nothing has to be restarted (containerd's docs/hosts.md).
 * @throws Error when a certificate cannot be read on this computer
 */
export async function hostFiles({ runtime: { registries } }: Machine): Promise<readonly RegistryFile[]> {
  const files = await Promise.all(registries.map(async (registry): Promise<RegistryFile[]> => {
    const { host } = registry;
    const content = hostsText(registry, registries);
    const certificates = await certificatesIn(CONTAINERD_CERTS, registry);
    if (content === undefined) return certificates;
    const key = entryPath("runtime.registries", host);
    return [{ path: `${CONTAINERD_CERTS}/${host}/hosts.toml`, content, mode: "0644", key }, ...certificates];
  }));
  return files.flat();
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
  const at = (name: keyof typeof CERTIFICATE_NAMES) => certificatePath(CONTAINERD_CERTS, host, name);
  return {
    ...(insecure ? { "skip_verify": true as const } : {}),
    ...(certificates.ca === undefined ? {} : { ca: at("ca") }),
    ...(certificates.cert === undefined ? {} : {
      client: [[at("cert"), certificates.key === undefined ? "" : at("key")]],
    }),
  };
}
