import { type Certificate, derBlocks, readCertificate } from "./certificates.ts";
import { messageOf } from "./errors.ts";
import { readBytesOf, sha256 } from "./files.ts";
import { filesBelow } from "./folders.ts";
import { kindOf } from "./input.ts";
import { homeDir } from "./paths.ts";
import { run } from "./process.ts";

/** What a computer trusts beyond its distribution's own set of authorities. */
export interface HostTrust {
  /** By their hashes. */
  readonly authorities: readonly Certificate[];
  /** Those that are no use, with the reason. */
  readonly leftOut: readonly LeftOut[];
  /** What could not be looked at: further authorities may be in it. */
  readonly unreadable: readonly Unreadable[];
}

/** A certificate that is not handed on. */
export interface LeftOut {
  readonly subject: string;
  readonly reason: string;
}

/** A source of certificates that cannot be read. */
export interface Unreadable {
  readonly source: string;
  readonly reason: string;
}

/** Where Linux distributions keep them; `root` is "/" but for tests. */
interface LinuxPlaces {
  readonly root: string;
}

/** The set that Debian's ca-certificates brings, and what it makes of that and the administrator's own. */
const DEBIAN_SET = "/usr/share/ca-certificates";
const DEBIAN_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/** Where administrators put their own: Debian, Fedora, openSUSE, Arch (update-ca-certificates(8), update-ca-trust(8)). */
const ANCHORS = [
  "/usr/local/share/ca-certificates",
  "/etc/pki/ca-trust/source/anchors",
  "/etc/pki/trust/anchors",
  "/etc/ca-certificates/trust-source/anchors",
];

/** What this computer trusts beyond its distribution's own set. */
export async function hostTrust(): Promise<HostTrust> {
  return Deno.build.os === "darwin" ? await trustOfMac() : await trustOfLinux({ root: "" });
}

/** Debian's bundle without Debian's set, and every distribution's folder for the administrator. */
export async function trustOfLinux({ root }: LinuxPlaces): Promise<HostTrust> {
  const gathered = new Gathered();
  for (const folder of ANCHORS) {
    for (const file of await gathered.read(`${root}${folder}`, filesBelow) ?? []) {
      gathered.add(await gathered.read(file, blocksOf) ?? []);
    }
  }
  // Without Debian's set there is no telling what in a bundle is beyond a distribution's.
  const set = await gathered.read(`${root}${DEBIAN_SET}`, setOf);
  if (set && set.size > 0) {
    const bundle = await gathered.read(`${root}${DEBIAN_BUNDLE}`, blocksOf) ?? [];
    gathered.add(bundle.filter((der) => !set.has(sha256(der))));
  }
  return gathered.trust();
}

/**
 * The roots in the keychains of the system and of the user (security(1)). The others there are no anchors of trust by
 * themselves: what they sign counts only with their root.
 */
async function trustOfMac(): Promise<HostTrust> {
  const gathered = new Gathered();
  for (
    const keychain of [
      "/Library/Keychains/System.keychain",
      `${homeDir()}/Library/Keychains/login.keychain-db`,
    ]
  ) {
    const text = await gathered.read(keychain, exportKeychain);
    if (text !== undefined) gathered.addRoots(text);
  }
  return gathered.trust();
}

/** What an export of macOS's keychains says. */
export function trustFromKeychains(...exports: readonly string[]): HostTrust {
  const gathered = new Gathered();
  for (const text of exports) gathered.addRoots(text);
  return gathered.trust();
}

async function exportKeychain(keychain: string): Promise<string> {
  const result = await run(["/usr/bin/security", "find-certificate", "-a", "-p", keychain]);
  if (result.code !== 0) throw new Error(result.stderr.trim() || `security ended with ${result.code}`);
  return result.stdout;
}

/** The hashes of a distribution's set. */
async function setOf(folder: string): Promise<ReadonlySet<string>> {
  const files = await Promise.all((await filesBelow(folder)).map(blocksOf));
  return new Set(files.flat().map((der) => sha256(der)));
}

async function blocksOf(path: string): Promise<readonly Uint8Array[]> {
  return await kindOf(path) === "file" ? derBlocks(await readBytesOf(path)) : [];
}

/** Certificates as they are found, sorted out. */
class Gathered {
  readonly #authorities = new Map<string, Certificate>();
  readonly #leftOut = new Map<string, LeftOut>();
  readonly #unreadable: Unreadable[] = [];

  /** Reads a source; what keeps it from being read is noted, since unknown is not absent. */
  async read<T>(source: string, read: (source: string) => Promise<T>): Promise<T | undefined> {
    try {
      return await read(source);
    } catch (error) {
      this.#unreadable.push({ source, reason: messageOf(error) });
      return undefined;
    }
  }

  add(blocks: readonly Uint8Array[]): void {
    for (const der of blocks) {
      try {
        this.#sort(readCertificate(der));
      } catch (error) {
        const hash = sha256(der);
        this.#leftOut.set(hash, { subject: `a certificate ${hash.slice(0, 16)}`, reason: messageOf(error) });
      }
    }
  }

  addRoots(text: string): void {
    this.add(
      derBlocks(new TextEncoder().encode(text)).filter((der) => {
        try {
          return readCertificate(der).isRoot;
        } catch {
          return true; // damaged: it is said when it is added
        }
      }),
    );
  }

  trust(): HostTrust {
    const authorities = [...this.#authorities.values()].sort((a, b) => a.hash < b.hash ? -1 : 1);
    return { authorities, leftOut: [...this.#leftOut.values()], unreadable: this.#unreadable };
  }

  #sort(certificate: Certificate): void {
    const reason = whyUseless(certificate);
    if (reason === undefined) this.#authorities.set(certificate.hash, certificate);
    else this.#leftOut.set(certificate.hash, { subject: certificate.subject, reason });
  }
}

/** Why a certificate is no authority that anybody could trust now; `undefined` when it is one. */
export function whyUseless({ isAuthority, expiresMs }: Certificate, nowMs = Date.now()): string | undefined {
  if (!isAuthority) return "it is no authority";
  if (expiresMs > nowMs) return undefined;
  return `it expired on ${new Date(expiresMs).toISOString().slice(0, 10)}`;
}
