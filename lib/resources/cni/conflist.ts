import type { CniNetwork, CniSettings, Json } from "../../config/types.ts";

/** Where containerd looks for networks; it takes the first by name (containerd's docs/cri/config.md). */
export const CONFLIST_FOLDER = "/etc/cni/net.d";
const CONFLIST_NAME = "05-machine.conflist";
/** The network of the machine's own containers. */
export const CONFLIST = `${CONFLIST_FOLDER}/${CONFLIST_NAME}`;

/** The bridge that it makes in the guest, where it is the guest's own. */
export const BRIDGE = "machine0";

/** Where plugins of a release stand, and those of Debian's package. */
export const RELEASED_PLUGINS = "/opt/cni/bin";
const FOLDERS = { release: RELEASED_PLUGINS, package: "/usr/lib/cni" } as const;
export const PLUGIN_FOLDERS: readonly string[] = Object.values(FOLDERS);

/** The folder that plugins are looked for in. */
export function pluginFolder({ plugins }: CniSettings): string {
  return FOLDERS[plugins.source];
}

/** The text of the conflist that a network means; `undefined` where nothing of ours is wanted. */
export function conflistText(network: CniNetwork): string | undefined {
  const list = listOf(network);
  return list && `${JSON.stringify(list, undefined, 2)}\n`;
}

function listOf(network: CniNetwork): { readonly [key: string]: Json } | undefined {
  switch (network.kind) {
    case "own":
      return network.conflist;
    case "bridge":
      return BRIDGE_LIST;
    case "flannel":
      return FLANNEL_LIST;
    case "none":
      return undefined;
  }
}

/** Published ports, as the container's engine hands them over. */
const PORTMAP = { type: "portmap", capabilities: { portMappings: true } };

/** Lets the network's packets through also where a dockerd has left the policy DROP behind (its docs, "Packet filtering"). */
const FIREWALL = { type: "firewall" };

/** A network of one guest, that reaches whatever the guest reaches. */
const BRIDGE_LIST = {
  cniVersion: "1.0.0",
  name: "machine",
  plugins: [
    {
      type: "bridge",
      bridge: BRIDGE,
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        // Beside Docker's 172.17.0.0/16, nerdctl's 10.4.0.0/16, k3s's 10.42.0.0/15 and QEMU's 192.168.5.0/24.
        ranges: [[{ subnet: "10.87.0.0/16" }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
    PORTMAP,
    FIREWALL,
  ],
};

/** flanneld says the addresses in /run/flannel/subnet.env (flannel-io/cni-plugin's README). */
const FLANNEL_LIST = {
  cniVersion: "0.3.1",
  name: "cbr0",
  plugins: [
    { type: "flannel", delegate: { hairpinMode: true, forceAddress: true, isDefaultGateway: true } },
    PORTMAP,
  ],
};

/** What containerd needs of plugins whatever the network is, and what flannel hands over to. */
const ALWAYS = ["bridge", "host-local", "loopback", "portmap"] as const;

/** The plugins that a network needs, by their names, in order. */
export function pluginsOf(network: CniNetwork): readonly string[] {
  const plugins = listOf(network)?.["plugins"];
  const named = Array.isArray(plugins) ? plugins.flatMap(typesIn) : [];
  return [...new Set([...ALWAYS, ...named])].sort();
}

function typesIn(plugin: Json): string[] {
  if (plugin === null || typeof plugin !== "object" || Array.isArray(plugin)) return [];
  const { type, ipam } = plugin as { readonly [key: string]: Json };
  return [...typeof type === "string" ? [type] : [], ...typesIn(ipam ?? null)];
}

/** The names of a folder's networks that containerd would take before ours (libcni's ConfFiles: these endings). */
export function before(names: readonly string[]): readonly string[] {
  return others(names).filter((name) => name < CONFLIST_NAME);
}

/** The names of networks that are not ours. */
export function others(names: readonly string[]): readonly string[] {
  return names.filter((name) => /\.(?:conf|conflist|json)$/.test(name) && name !== CONFLIST_NAME);
}
