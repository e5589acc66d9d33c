import { variable } from "./environment.ts";
import { runOrThrow } from "./process.ts";

/** The proxies that this computer uses. */
export interface HostProxy {
  /** Addresses with their scheme and without a slash at the end; "" for none. */
  readonly http: string;
  readonly https: string;
  /** Names, addresses and networks that are reached without one, in the order of their source. */
  readonly except: readonly string[];
}

/** The variables that name proxies. */
export const PROXY_VARIABLES: readonly string[] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
  .flatMap((name) => [name, name.toUpperCase()]);

const NONE: HostProxy = { http: "", https: "", except: [] };

/** The proxies of this computer: the environment's, and on macOS without those the system's. */
export async function hostProxy(): Promise<HostProxy> {
  const fromEnvironment = proxyFromEnvironment(variable);
  const hasOne = fromEnvironment.http !== "" || fromEnvironment.https !== "";
  if (hasOne || Deno.build.os !== "darwin") return fromEnvironment;
  return proxyFromScutil(await runOrThrow(["/usr/sbin/scutil", "--proxy"]));
}

/**
 * The proxies that an environment names, as curl reads it (curl(1), ENVIRONMENT): lower case goes first, and under
 * CGI HTTP_PROXY is a header of whoever asks (RFC 3875, 4.1.18).
 * @param read gives a variable that is set and not empty
 */
export function proxyFromEnvironment(read: (name: string) => string | undefined): HostProxy {
  const either = (name: string) => read(name) ?? read(name.toUpperCase());
  const isCgi = read("REQUEST_METHOD") !== undefined;
  const all = either("all_proxy") ?? "";
  // One for everything may be of a sort that is none for http, as SOCKS; one for http is taken as it is.
  const fallback = /^[a-z][a-z0-9+.-]*:\/\//i.test(all) && !/^https?:/i.test(all) ? "" : all;
  const except = (either("no_proxy") ?? "").split(/[\s,]+/).filter((name) => name !== "");
  if (except.includes("*")) return NONE;
  const http = isCgi ? read("http_proxy") : either("http_proxy");
  return withoutNeedless({
    http: proxyAddress(http ?? fallback),
    https: proxyAddress(either("https_proxy") ?? fallback),
    except,
  });
}

/** The proxies that `scutil --proxy` tells of (scutil(8), macOS). */
export function proxyFromScutil(text: string): HostProxy {
  const values = new Map<string, string>();
  const except: string[] = [];
  let isInList = false;
  for (const line of text.split("\n")) {
    const row = /^\s*(\w+) : (.*)$/.exec(line);
    if (/^\s*\}/.test(line)) isInList = false;
    if (!row) continue;
    const [, name = "", value = ""] = row;
    if (value.startsWith("<array>")) isInList = name === "ExceptionsList";
    else if (isInList) except.push(exceptionOfMac(value));
    else values.set(name, value);
  }
  const address = (name: "HTTP" | "HTTPS") => {
    const host = values.get(`${name}Proxy`);
    if (values.get(`${name}Enable`) !== "1" || !host) return "";
    const port = values.get(`${name}Port`);
    return proxyAddress(`${host.includes(":") ? `[${host}]` : host}${port === undefined ? "" : `:${port}`}`);
  };
  return withoutNeedless({ http: address("HTTP"), https: address("HTTPS"), except });
}

/** macOS writes `*.local` and `169.254/16`; everywhere else it is `.local` and `169.254.0.0/16`. */
function exceptionOfMac(text: string): string {
  const network = /^(\d+(?:\.\d+){0,2})(\/\d+)$/.exec(text);
  if (!network) return text.replace(/^\*\./, ".");
  const parts = network[1]!.split(".");
  return [...parts, ...Array(4 - parts.length).fill("0")].join(".") + network[2]!;
}

/** An address with its scheme, which may be left out (curl(1), --proxy). */
function proxyAddress(text: string): string {
  if (text === "") return "";
  return (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`).replace(/\/+$/, "");
}

/** Exceptions from nothing are none. */
function withoutNeedless(proxy: HostProxy): HostProxy {
  return proxy.http === "" && proxy.https === "" ? NONE : proxy;
}

/** What an address may be made of: nothing that a shell, apt or systemd would read as more than itself. */
const PLAIN_ADDRESS = /^https?:\/\/(?:[\w.~%!$&()*+,;=:-]+@)?(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i;

/** Whether an address names an http proxy in a form that every program takes. */
export function isPlainAddress(address: string): boolean {
  return PLAIN_ADDRESS.test(address) && URL.canParse(address);
}

/** An address without its password. */
export function maskedAddress(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):.*@/i, "$1:***@");
}
