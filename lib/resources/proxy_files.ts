import type { Variables } from "./login_variables.ts";
import type { Proxy } from "./network_facts.ts";

/** What every service gets that systemd starts (systemd-system.conf(5)). */
export const UNITS = "/etc/systemd/system.conf.d/machine-proxy.conf";
export const APT = "/etc/apt/apt.conf.d/95machine-proxy";
export const SUDO = "/etc/sudoers.d/machine-proxy";

/** The files that hold the proxies and nothing else. */
export const FILES = [APT, SUDO, UNITS] as const;

/** A file as it is to be. */
export interface ProxyFile {
  readonly content: string;
  /** Four octal digits. */
  readonly mode: string;
}

/** The variables by which programs know their proxies: curl reads the lower case, Go and others the upper one. */
export function proxyVariables({ http, https, except }: Proxy): Variables {
  const variables = { "http_proxy": http, "https_proxy": https, "no_proxy": except.join() };
  const set = Object.entries(variables).filter(([, value]) => value !== "");
  return Object.fromEntries(set.flatMap(([name, value]) => [[name, value], [name.toUpperCase(), value]]));
}

/**
 * The files by their paths. Logins have to know the password of a proxy, so everybody in the guest can find it there; what
 * only root has to read is root's alone.
 */
export function proxyFiles(proxy: Proxy): Readonly<Record<string, ProxyFile>> {
  const mode = [proxy.http, proxy.https].some((address) => address.includes("@")) ? "0600" : "0644";
  return {
    [APT]: { content: aptText(proxy), mode },
    [SUDO]: { content: sudoText(proxy), mode: "0440" },
    [UNITS]: { content: unitsText(proxy), mode },
  };
}

const WRITTEN = 'Written by machine from the key "network.proxy".';

/** apt takes https by the proxy for http where nothing else is said, and knows exceptions by whole names (apt.conf(5)). */
function aptText({ http, https, except }: Proxy): string {
  const names = except.filter((name) => /^[\w-]+(\.[\w-]+)*$/.test(name));
  const lines = [["http", http], ["https", https]].flatMap(([method, address]) => [
    `Acquire::${method}::Proxy "${address || "DIRECT"}";`,
    ...names.map((name) => `Acquire::${method}::Proxy::${name} "DIRECT";`),
  ]);
  return [`// ${WRITTEN}`, ...lines, ""].join("\n");
}

/** sudo takes nothing of a login's environment along but what it is told to (sudoers(5), env_keep). */
function sudoText(proxy: Proxy): string {
  const names = Object.keys(proxyVariables(proxy)).sort().join(" ");
  return `# ${WRITTEN}\nDefaults env_keep += "${names}"\n`;
}

/** A percent sign begins a specifier there, and stands for itself when doubled (systemd.unit(5)). */
function unitsText(proxy: Proxy): string {
  const words = Object.entries(proxyVariables(proxy)).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, value]) => `"${name}=${value.replaceAll("%", "%%")}"`);
  return [`# ${WRITTEN}`, "[Manager]", `DefaultEnvironment=${words.join(" ")}`, ""].join("\n");
}

/** The variables that a file of systemd's sets. */
export function variablesOfUnits(text: string): Variables {
  const line = /^DefaultEnvironment=(.*)$/m.exec(text)?.[1] ?? "";
  const rows = [...line.matchAll(/"(\w+)=([^"]*)"/g)];
  return Object.fromEntries(rows.map(([, name, value]) => [name!, value!.replaceAll("%%", "%")]));
}
