import { AUTHORITIES_BUNDLE } from "../guest/authorities_script.ts";
import type { GuestFacts, GuestUnit } from "../guest/query.ts";
import { derBlocks, readCertificate } from "../host/certificates.ts";
import { messageOf, UserError } from "../host/errors.ts";
import { readBytesOf } from "../host/files.ts";
import { type HostProxy, isPlainAddress, maskedAddress } from "../host/proxy.ts";
import type { HostFacts } from "../host/system.ts";
import { type HostTrust, type LeftOut, type Unreadable, whyUseless } from "../host/trust.ts";
import type { Change } from "../plan/types.ts";
import { changeAt } from "./change.ts";
import type { World } from "./contract.ts";

export { maskedAddress };

/** Where the guest reaches the host, whose loopback answers there (QEMU's user network). */
export const GATEWAY = "192.168.5.2";

/** What programs of the guest trust, as update-ca-certificates(8) makes it. */
export const BUNDLE = AUTHORITIES_BUNDLE;

/** What the guest reaches by itself: its own loopback, and the network that it shares with the host alone. */
export const NEVER_BY_PROXY: readonly string[] = ["localhost", "127.0.0.0/8", "::1", "192.168.5.0/24"];

/** The proxies that the guest has to use, by addresses that lead there from inside. */
export interface Proxy {
  /** "" for none. */
  readonly http: string;
  readonly https: string;
  /** What is reached without one; empty when there is no proxy at all. */
  readonly except: readonly string[];
}

const NO_PROXY: Proxy = { http: "", https: "", except: [] };

/** The proxies that the file names, and those of the host where it inherits and says nothing else. */
export function wantedProxy({ machine, host }: World): Proxy {
  if (!machine) return NO_PROXY;
  const { inherit, http, https, except } = machine.network.proxy;
  const inherited: HostProxy = inherit ? host.proxy : NO_PROXY;
  const proxies = {
    http: http ?? usable(inherited.http),
    https: https ?? usable(inherited.https),
  };
  if (proxies.http === "" && proxies.https === "") return NO_PROXY;
  const own = [...new Set([...except, ...inherited.except])].filter((name) => !NEVER_BY_PROXY.includes(name));
  return {
    http: fromGuest(proxies.http),
    https: fromGuest(proxies.https),
    except: [...own.sort(), ...NEVER_BY_PROXY],
  };
}

/** Why a proxy of the host's cannot be handed on to the guest, where the file does not say another one. */
export function unusableProxy({ machine, host }: World): string | undefined {
  if (!machine?.network.proxy.inherit) return undefined;
  const wrong = (["http", "https"] as const).find((name) =>
    machine.network.proxy[name] === undefined && host.proxy[name] !== "" && usable(host.proxy[name]) === ""
  );
  if (wrong === undefined) return undefined;
  const address = maskedAddress(host.proxy[wrong]);
  return `the host's proxy for ${wrong}, "${address}", is no http proxy with a plain address: ` +
    `write network.proxy.${wrong}, or network.proxy.inherit: false`;
}

function usable(address: string): string {
  return isPlainAddress(address) ? address : "";
}

/** An address on the host's own loopback is reached through the gateway; all others as they are. */
function fromGuest(address: string): string {
  const parts = /^(https?:\/\/(?:[^@]*@)?)(\[[^\]]*\]|[^:]*)(.*)$/i.exec(address);
  if (!parts) return address;
  const host = parts[2]!.toLowerCase();
  const isLoopback = host === "localhost" || host.endsWith(".localhost") || host === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(host);
  return isLoopback ? `${parts[1]}${GATEWAY}${parts[3]}` : address;
}

/** A certificate authority that the guest is to trust. */
export interface Authority {
  /** The first 16 hex digits of the SHA-256 of its certificate (DER). */
  readonly id: string;
  /** Its name for people. */
  readonly subject: string;
  readonly pem: string;
}

/** The authorities that are wanted, and what is to be said of others. */
export interface WantedTrust {
  readonly authorities: readonly Authority[];
  readonly leftOut: readonly LeftOut[];
  readonly unreadable: readonly Unreadable[];
}

/** The authorities of the file, and those that the host trusts beyond its distribution's set; sorted by their ids. */
export async function wantedAuthorities(world: World): Promise<readonly Authority[]> {
  return (await wantedTrust(world)).authorities;
}

/** The same, with what is left out and what could not be read. */
export async function wantedTrust(world: World): Promise<WantedTrust> {
  if (!world.machine) return { authorities: [], leftOut: [], unreadable: [] };
  const { host, files } = world.machine.network.caCerts;
  const sources: HostTrust[] = await Promise.all(files.map(trustOfFile));
  if (host) sources.push(await trustOf(world));
  const byId = new Map<string, Authority>();
  for (const { hash, subject, pem } of sources.flatMap(({ authorities }) => authorities)) {
    byId.set(hash.slice(0, 16), { id: hash.slice(0, 16), subject, pem });
  }
  return {
    authorities: [...byId.values()].sort((a, b) => a.id < b.id ? -1 : 1),
    leftOut: sources.flatMap(({ leftOut }) => leftOut),
    unreadable: sources.flatMap(({ unreadable }) => unreadable),
  };
}

/** What the host trusts, read once for a command: its facts stay the same meanwhile. */
const trusts = new WeakMap<HostFacts, Promise<HostTrust>>();

function trustOf({ host, platform }: World): Promise<HostTrust> {
  const known = trusts.get(host) ?? platform.trust();
  trusts.set(host, known);
  return known;
}

async function trustOfFile(source: string): Promise<HostTrust> {
  try {
    const certificates = derBlocks(await readBytesOf(source)).map(readCertificate);
    const useful = certificates.filter((certificate) => whyUseless(certificate) === undefined);
    const leftOut = certificates.flatMap((certificate) => {
      const reason = whyUseless(certificate);
      return reason === undefined ? [] : [{ subject: certificate.subject, reason }];
    });
    if (useful.length === 0) throw new Error("it holds no authority that is valid now");
    return { authorities: useful, leftOut, unreadable: [] };
  } catch (error) {
    return { authorities: [], leftOut: [], unreadable: [{ source, reason: messageOf(error) }] };
  }
}

/** Which authorities were installed when a daemon was started by us: it reads them once, when it starts. */
export interface AuthoritiesLoaded {
  /** systemd's id of that run of the service. */
  readonly invocationId: string;
  /** The ids of the authorities, sorted. */
  readonly ids: readonly string[];
}

/** A daemon as it was seen beside what it ought to trust. */
export interface AuthoritiesSeen {
  readonly unit: Pick<GuestUnit, "invocationId" | "startedMs">;
  readonly loaded: AuthoritiesLoaded | undefined;
  /** When {@link BUNDLE} was last written, see {@link bundleChangedMs}. */
  readonly bundleMs: number;
}

/**
 * Whether the running daemon has read the authorities that are wanted. Of a run that we started it is noted; any
 * other run has read the bundle as it was at its start.
 */
export function authoritiesInForce(wanted: readonly Pick<Authority, "id">[], seen: AuthoritiesSeen): boolean {
  const { unit, loaded, bundleMs } = seen;
  const ids = wanted.map(({ id }) => id).sort();
  if (ids.length === 0 && (loaded === undefined || loaded.ids.length === 0)) return true;
  if (loaded?.invocationId === unit.invocationId) return [...loaded.ids].sort().join() === ids.join();
  return unit.startedMs > bundleMs;
}

/**
 * When the guest's bundle was written; 0 when there is none. Its query is `hashes: [BUNDLE]`.
 * @throws UserError when the guest did not tell
 */
export function bundleChangedMs(facts: GuestFacts): number {
  const fact = facts.file(BUNDLE);
  if (fact.state === "unknown") throw new UserError(`Cannot read ${BUNDLE} in the guest: ${fact.reason}`);
  return fact.state === "present" ? fact.value.mtimeMs : 0;
}

/** The line of a daemon that has to be started anew to trust what is wanted. */
export function authoritiesChange(wanted: readonly Pick<Authority, "subject">[]): Change {
  const after = wanted.length === 0 ? "none" : wanted.map(({ subject }) => subject).join(", ");
  const words = { which: "daemons", isTold: true, note: "the running one has read others" } as const;
  return changeAt("network.caCerts", { before: "not in force", after }, words);
}
