import { z } from "zod";
import { keysOf } from "./field.ts";
import { mapOf, ports, text, word } from "./values.ts";
import { NAME, NAME_RULE } from "./vm.ts";

const key = keysOf({ effect: "live", support: "later" });

const rule = z.strictObject({
  protocol: key(z.enum(["tcp", "udp"]).default("tcp").optional(), "The protocol of the port"),
  guest: key(ports().optional(), "The port or range of ports in the guest"),
  host: key(ports().optional(), "The port or range on the host", { defaultNote: "the same as in the guest" }),
  ignore: key(z.boolean().default(false).optional(), "Never forwards it"),
  reverse: key(z.boolean().default(false).optional(), "Offers a port of the host in the guest instead"),
  guestSocket: key(text(/^\//, "an absolute path").optional(), "A Unix socket in the guest"),
  hostSocket: key(word().optional(), "Its path on the host; a relative one is in the machine's folder"),
}).refine((it) => (it.guest === undefined) !== (it.guestSocket === undefined), {
  error: 'Must have either "guest" or "guestSocket"',
});

/** `ports`: what the guest listens on, on the host. */
export const portsBlock = z.strictObject({
  auto: key(
    z.boolean().default(true).optional(),
    "Forwards every port that something in the guest listens on",
  ),
  bind: key(word().default("127.0.0.1").optional(), "The address of the host to listen on"),
  rules: key(z.array(rule).optional(), "What is forwarded otherwise; the first match wins", {
    identity: ["protocol", "guest", "guestSocket"],
  }),
});

const dns = z.strictObject({
  hostResolver: key(z.boolean().default(true).optional(), "Answers by the host's own resolver"),
  hosts: key(mapOf(word()).optional(), "Names with an address or another name"),
  servers: key(z.array(word()).optional(), "Servers to ask instead of the host's"),
  split: key(
    z.array(z.strictObject({
      domain: key(word(), "The domain with servers of its own"),
      servers: key(z.array(word()).min(1), "The servers to ask for it"),
    })).optional(),
    "Domains with servers of their own",
    { identity: ["domain"] },
  ),
});

const proxyKey = keysOf({ effect: { shells: "live", daemons: "service" }, support: "later" });
const proxy = z.strictObject({
  inherit: proxyKey(z.boolean().default(true).optional(), "Takes the host's proxy over"),
  http: proxyKey(z.string().optional(), "The proxy for http; an empty text for none"),
  https: proxyKey(z.string().optional(), "The proxy for https; an empty text for none"),
  except: proxyKey(z.array(word()).optional(), "Names that are reached without a proxy", { merge: "unite" }),
});

const caCerts = z.strictObject({
  host: proxyKey(z.boolean().default(true).optional(), "Trusts what the host's administrator trusts"),
  files: proxyKey(z.array(word()).optional(), "Further certificates, PEM files on the host", {
    merge: "unite",
  }),
});

const interfaceKey = keysOf({ effect: "restart", support: "later" });
const networkInterface = z.strictObject({
  name: interfaceKey(text(NAME, NAME_RULE), "The name of the network"),
  type: interfaceKey(z.enum(["shared"]), "shared: a network that machines with the same name share"),
});

/** `network`: names, proxies, certificates and further interfaces. */
export const networkBlock = z.strictObject({
  dns: key(dns.optional(), "How names are resolved in the guest"),
  proxy: proxyKey(proxy.optional(), "The proxy for the guest and its daemons"),
  caCerts: proxyKey(caCerts.optional(), "Certificate authorities that the guest trusts"),
  interfaces: interfaceKey(z.array(networkInterface).optional(), "Further network interfaces", {
    identity: ["name"],
  }),
});
