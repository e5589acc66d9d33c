import { sortKeys } from "./json.ts";
import type { MachineFile } from "./schema/machine.ts";
import type { CniNetwork, CniSettings, Json } from "./types.ts";

/** The network of containers, with what "auto" stands for. */
export function normalCni({ cni }: MachineFile): CniSettings {
  const network = networkOf(cni.network);
  const { source, version } = cni.plugins;
  // Debian has no flannel among its plugins, and one version of the others.
  const needsRelease = network.kind === "flannel" || version !== undefined;
  return {
    network,
    plugins: {
      source: source === "auto" ? needsRelease ? "release" : "package" : source,
      ...(version === undefined ? {} : { version: version.slice(1) }),
    },
  };
}

function networkOf(network: MachineFile["cni"]["network"]): CniNetwork {
  if (typeof network !== "string") {
    return { kind: "own", conflist: sortKeys(network.conflist) as Readonly<Record<string, Json>> };
  }
  return { kind: network === "auto" ? "bridge" : network };
}
