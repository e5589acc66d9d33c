import { neededOf, type Release } from "../../artifacts/catalogue.ts";
import type { Machine } from "../../config/types.ts";
import type { Program } from "../release_programs.ts";
import { pluginFolder, pluginsOf } from "./conflist.ts";

/** The plugins that a release of CNI's own has (its plugins/linux_only.txt and meta, ipam and main folders). */
const RELEASED: ReadonlySet<string> = new Set(
  ("bandwidth bridge dhcp dummy firewall host-device host-local ipvlan loopback macvlan portmap ptp sbr static tap " +
    "tuning vlan vrf").split(" "),
);

/** The plugins that are taken out of releases. */
export function releasedPlugins(machine: Machine): readonly Program[] {
  const { network } = machine.cni;
  const folder = pluginFolder(machine.cni);
  const [plugins, flannel] = [neededOf("cni-plugins", machine), neededOf("cni-plugin-flannel", machine)];
  const program = (release: Release, name: string, member = name): Program => ({
    release,
    member,
    path: `${folder}/${name}`,
  });
  return [
    ...plugins
      ? pluginsOf(network).filter((name) => RELEASED.has(name)).map((name) => program(plugins, name))
      : [],
    ...flannel
      ? [program(flannel, "flannel", `flannel-${flannel.arch === "x86_64" ? "amd64" : "arm64"}`)]
      : [],
  ];
}

/** Where all plugins are that the network needs, whoever brings them. */
export function pluginPaths({ cni }: Machine): readonly string[] {
  return pluginsOf(cni.network).map((name) => `${pluginFolder(cni)}/${name}`);
}
