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

/** A login takes it over at once; a daemon only when it starts. */
const proxyKey = keysOf({ effect: { shells: "live", daemons: "service" }, support: "yes" });
/** A proxy's address, or nothing. */
const proxyAddress = () =>
  text(/^$|^https?:\/\/[^\s/]+\/?$/, 'an address like "http://proxy.corp.test:3128", or ""');

const proxy = z.strictObject({
  inherit: proxyKey(
    z.boolean().default(true),
    "Takes the host's proxy over; one on the host's own loopback is reached through the gateway",
  ),
  http: proxyKey(proxyAddress().optional(), "The proxy for http; an empty text for none", {
    defaultNote: "the host's",
  }),
  https: proxyKey(proxyAddress().optional(), "The proxy for https; an empty text for none", {
    defaultNote: "the host's",
  }),
  except: proxyKey(
    z.array(text(/^[^\s,]+$/, "a name, an address or a network")).default([]),
    "Names, addresses and networks that are reached without a proxy, beside the host's own exceptions",
    { merge: "unite" },
  ),
});

const caCerts = z.strictObject({
  host: proxyKey(
    z.boolean().default(true),
    "Trusts the authorities that the host trusts beyond its distribution's own",
  ),
  files: proxyKey(z.array(word()).default([]), "Further authorities, PEM files on the host", {
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
  proxy: proxyKey(proxy.prefault({}), "The proxy for the guest and its daemons"),
  caCerts: proxyKey(caCerts.prefault({}), "Certificate authorities that the guest trusts"),
  interfaces: interfaceKey(z.array(networkInterface).optional(), "Further network interfaces", {
    identity: ["name"],
  }),
});
