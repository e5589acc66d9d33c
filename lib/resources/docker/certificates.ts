import type { Registry } from "../../config/types.ts";
import type { GuestFacts } from "../../guest/query.ts";
import { messageOf } from "../../host/errors.ts";
import { readBytesOf, sha256 } from "../../host/files.ts";
import type { Change } from "../../plan/types.ts";
import { changeAt, entryPath } from "../change.ts";
import type { World } from "../contract.ts";
import { ownedOf, type OwnedOp } from "../owned.ts";

/** dockerd reads it anew at each pull and push (moby's registry/registry.go, `ReadCertsDirectory`). */
const FOLDER = "/etc/docker/certs.d";

/** What dockerd takes for what, by a file's end: authorities, the client's certificate, its key. */
const NAMES = { ca: "ca.crt", cert: "client.cert", key: "client.key" } as const;

/** A file of certificates as wanted; its content is read again when it is written. */
export interface WantedCertificate {
  /** In the guest. */
  readonly path: string;
  /** The key of the machine file. */
  readonly key: string;
  /** On this computer. */
  readonly source: string;
  readonly mode: string;
  readonly hash: string;
  /** Why the source cannot be read. */
  readonly missing?: string;
}

/** What stands in the places of certificates. */
export interface FoundCertificates {
  /** The hash of each file that was looked at; `undefined` where there is none. */
  readonly hashes: Readonly<Record<string, string | undefined>>;
  /** Files that are ours by the guest's list. */
  readonly ours: readonly string[];
}

/** The certificates of every registry of the file, for dockerd. */
export async function wantedCertificates({ machine }: World): Promise<readonly WantedCertificate[]> {
  return await Promise.all((machine?.runtime.registries ?? []).flatMap(certificatesOf));
}

function certificatesOf({ host, certificates }: Registry): Promise<WantedCertificate>[] {
  return (["ca", "cert", "key"] as const).flatMap((name) => {
    const source = certificates[name];
    if (source === undefined) return [];
    const at = {
      path: `${FOLDER}/${host}/${NAMES[name]}`,
      key: `${entryPath("runtime.registries", host)}.certificates.${name}`,
      source,
      mode: name === "key" ? "0600" : "0644",
    };
    return [withHash(at)];
  });
}

async function withHash(at: Omit<WantedCertificate, "hash" | "missing">): Promise<WantedCertificate> {
  try {
    return { ...at, hash: sha256(await readBytesOf(at.source)) };
  } catch (error) {
    return { ...at, hash: "", missing: `"${at.source}" cannot be read: ${messageOf(error)}` };
  }
}

/** Reads from a look what stands there. */
export function findCertificates(
  facts: GuestFacts,
  wanted: readonly WantedCertificate[],
): FoundCertificates | { readonly unknown: string } {
  const hashes: Record<string, string | undefined> = {};
  for (const { path } of wanted) {
    const fact = facts.file(path);
    if (fact.state === "unknown") return { unknown: fact.reason };
    hashes[path] = fact.state === "present" ? fact.value.sha256 : undefined;
  }
  return { hashes, ours: Object.keys(ownedOf(facts).files).filter((path) => path.startsWith(`${FOLDER}/`)) };
}

/** What is ours and has no place any more. */
function leftOf(owned: readonly string[], wanted: readonly WantedCertificate[]): string[] {
  return owned.filter((path) =>
    path.startsWith(`${FOLDER}/`) && !wanted.some((certificate) => certificate.path === path)
  ).sort();
}

/** What differs; dockerd is not touched by any of it. */
export function compareCertificates(
  wanted: readonly WantedCertificate[],
  { hashes, ours }: FoundCertificates,
): Change[] {
  const words = { isTold: true } as const;
  // A look is at what is wanted now: of what was wanted before it tells only whether it is ours still.
  const isRight = ({ path, hash }: WantedCertificate) =>
    path in hashes ? hashes[path] === hash : ours.includes(path);
  return [
    ...wanted.filter((certificate) => !isRight(certificate)).map(({ path, key, hash }) => {
      const before = hashes[path] === undefined ? undefined : shortHash(hashes[path]);
      return changeAt(key, { before, after: shortHash(hash) }, words);
    }),
    ...leftOf(ours, wanted).map((path) =>
      changeAt("runtime.registries", { before: path, after: undefined }, words)
    ),
  ];
}

/** Makes it so. @throws Error when a source cannot be read */
export async function certificateOps(
  wanted: readonly WantedCertificate[],
  owned: readonly string[],
): Promise<OwnedOp[]> {
  const files = await Promise.all(wanted.map(async ({ path, source, mode }): Promise<OwnedOp> => ({
    op: "own",
    file: { path, content: await readBytesOf(source), mode },
  })));
  return [
    ...files,
    ...leftOf(owned, wanted).map((path): OwnedOp => ({ op: "disown", path })),
  ];
}

function shortHash(hash: string): string {
  return `sha256:${hash.slice(0, 12)}`;
}
