import { sha256 } from "../../host/files.ts";
import type { Proxy } from "../network_facts.ts";

/** Tells containerd of the proxies that the file or the host has. */
export const PROXY_DROP_IN = "/etc/systemd/system/containerd.service.d/machine-proxy.conf";

/** The drop-in of containerd's unit with its proxies; `undefined` when there are none. */
export function proxyDropIn(proxy: Proxy): { readonly content: string; readonly mode: string } | undefined {
  const variables = [["HTTP_PROXY", proxy.http], ["HTTPS_PROXY", proxy.https]].filter(([, value]) =>
    value !== ""
  );
  if (variables.length === 0) return undefined;
  const lines = [...variables, ["NO_PROXY", proxy.except.join(",")]]
    .map(([name, value]) => `Environment=${quoteForUnit(`${name}=${value}`)}`);
  // An address with a password is nobody's business in the guest but root's.
  const hasSecret = variables.some(([, value]) => value!.includes("@"));
  return { content: ["[Service]", ...lines, ""].join("\n"), mode: hasSecret ? "0600" : "0644" };
}

/** A word of a unit file as it is: `%` begins a specifier there (systemd.unit(5), systemd.syntax(7)). */
function quoteForUnit(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;
}

/** Tells one set of proxies from another without telling their passwords; empty for none. */
export function proxyHash(proxy: Proxy): string {
  const dropIn = proxyDropIn(proxy);
  return dropIn === undefined ? "" : sha256(dropIn.content);
}
