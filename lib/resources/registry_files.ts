import type { Registry } from "../config/types.ts";
import type { GuestFileContent } from "../guest/ops.ts";
import type { GuestFacts } from "../guest/query.ts";
import { messageOf } from "../host/errors.ts";
import { readBytesOf, sha256 } from "../host/files.ts";
import type { Change } from "../plan/types.ts";
import { changeAt, entryPath } from "./change.ts";
import type { OwnedOp } from "./owned.ts";

/** Where dockerd looks for what belongs to one registry, at each pull and push (moby's registry/registry.go). */
export const DOCKER_CERTS = "/etc/docker/certs.d";
/** Where containerd and nerdctl look, at each pull (containerd's docs/hosts.md). */
export const CONTAINERD_CERTS = "/etc/containerd/certs.d";

/** dockerd takes a file for what the end of its name says; containerd and BuildKit are told the same names. */
export const CERTIFICATE_NAMES = { ca: "ca.crt", cert: "client.cert", key: "client.key" } as const;

/** A file about a registry, and the key of the machine file that it comes from. */
export interface RegistryFile extends GuestFileContent {
  readonly key: string;
}

/** A file about a registry as wanted, without its content, which may be a secret. */
export type WantedRegistryFile = Pick<RegistryFile, "path" | "key" | "mode"> & { readonly hash: string };

/** What stands in the places of such files. */
export interface FoundRegistryFiles {
  /** The files that were looked at; `undefined` where there is none. */
  readonly files: Readonly<Record<string, { readonly hash: string; readonly mode: string } | undefined>>;
  /** Files that are ours by the guest's list. */
  readonly ours: readonly string[];
}

/** Where the certificates of a registry stand in the guest, by what they are. */
export function certificatePath(folder: string, host: string, name: keyof typeof CERTIFICATE_NAMES): string {
  return `${folder}/${host}/${CERTIFICATE_NAMES[name]}`;
}

/** The certificates of a registry. @throws Error when one cannot be read on this computer */
export async function certificatesIn(
  folder: string,
  { host, certificates }: Registry,
): Promise<RegistryFile[]> {
  const names = (["ca", "cert", "key"] as const).filter((name) => certificates[name] !== undefined);
  return await Promise.all(names.map(async (name) => ({
    path: certificatePath(folder, host, name),
    content: await readBytesOf(certificates[name]!),
    mode: name === "key" ? "0600" : "0644",
    key: `${entryPath("runtime.registries", host)}.certificates.${name}`,
  })));
}

/** Files as wanted; a text says why they cannot be had. */
export async function wantedFiles(
  files: Promise<readonly RegistryFile[]>,
): Promise<readonly WantedRegistryFile[] | string> {
  try {
    return (await files).map(({ path, key, mode, content }) => ({ path, key, mode, hash: sha256(content) }));
  } catch (error) {
    return `A certificate of runtime.registries cannot be read: ${messageOf(error)}`;
  }
}

/** Reads out of a look what stands there. */
export function findFiles(
  facts: GuestFacts,
  wanted: readonly WantedRegistryFile[],
  ours: readonly string[],
): FoundRegistryFiles | { readonly unknown: string } {
  const files: Record<string, { hash: string; mode: string } | undefined> = {};
  for (const { path } of wanted) {
    const fact = facts.file(path);
    if (fact.state === "unknown") return { unknown: fact.reason };
    files[path] = fact.state === "present"
      ? { hash: fact.value.sha256, mode: fact.value.mode.padStart(4, "0") }
      : undefined;
  }
  return { files, ours };
}

/** What a look finds once files are as they are wanted. */
export function foundAsWanted(wanted: readonly WantedRegistryFile[]): FoundRegistryFiles {
  return {
    files: Object.fromEntries(wanted.map(({ path, hash, mode }) => [path, { hash, mode }])),
    ours: wanted.map(({ path }) => path),
  };
}

/** What differs; no daemon has to do anything about it. */
export function compareFiles(
  wanted: readonly WantedRegistryFile[],
  { files, ours }: FoundRegistryFiles,
): Change[] {
  const words = { isTold: true } as const;
  return [
    ...wanted.flatMap(({ path, key, mode, hash }) => {
      const file = files[path];
      // A look is at what is wanted now: of what was wanted before it tells only whether it is ours still.
      const isRight = path in files ? file?.hash === hash && file.mode === mode : ours.includes(path);
      if (isRight) return [];
      const isMode = file?.hash === hash;
      const before = file && (isMode ? `mode ${file.mode}` : shortHash(file.hash));
      const after = isMode ? `mode ${mode}` : shortHash(hash);
      return [changeAt(key, { before, after }, { ...words, note: `in ${path}` })];
    }),
    ...leftOf(ours, wanted).map((path) =>
      changeAt(entryPath("runtime.registries", hostOf(path)), { before: path, after: undefined }, words)
    ),
  ];
}

/** Puts files in place, and takes away those of ours that have none any more. */
export function fileOps(files: readonly RegistryFile[], ours: readonly string[]): OwnedOp[] {
  return [
    ...files.map(({ path, content, mode }): OwnedOp => ({ op: "own", file: { path, content, mode } })),
    ...leftOf(ours, files).map((path): OwnedOp => ({ op: "disown", path })),
  ];
}

/** Of the files that are ours those below a daemon's folder for registries. */
export function oursBelow(folder: string, owned: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(owned).filter((path) => path.startsWith(`${folder}/`)).sort();
}

function leftOf(ours: readonly string[], wanted: readonly { readonly path: string }[]): string[] {
  return ours.filter((path) => !wanted.some((file) => file.path === path));
}

/** The registry whose folder a file is in. */
function hostOf(path: string): string {
  return path.split("/").at(-2) ?? "";
}

function shortHash(hash: string): string {
  return `sha256:${hash.slice(0, 12)}`;
}
