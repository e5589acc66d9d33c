import { effectOf } from "../../config/effects.ts";
import { pluginFolder, RELEASED_PLUGINS } from "../cni/conflist.ts";
import { inGuest, type Kind, type World } from "../contract.ts";
import { maskedAddress, wantedAuthorities, wantedProxy } from "../network_facts.ts";
import { OWNED_FILE, ownedOf } from "../owned.ts";
import { foundAsWanted, wantedFiles } from "../registry_files.ts";
import { compareContainerd } from "./compare.ts";
import { wantedConfig } from "./config_tree.ts";
import { proxyHash } from "./drop_in.ts";
import {
  ADDRESS,
  containerdQuery,
  type FoundContainerd,
  observeContainerd,
  type WantedContainerd,
} from "./found.ts";
import { hostFiles } from "./hosts.ts";
import { bringUp } from "./load.ts";
import { retire } from "./retire.ts";
import { runningTasks } from "./tasks.ts";

/** containerd in the guest without dockerd: installed, enabled, running, with the wanted configuration in force. */
export const containerdEngineKind: Kind<WantedContainerd, FoundContainerd> = {
  kind: ADDRESS,
  phase: 12,
  realm: "guest",
  path: () => "runtime",
  dependsOn: (_address, desired) => [
    ...["vm", "folders"],
    ...(desired?.authorities ?? []).map(({ id }) => `ca:${id}`),
    // A folder of plugins that has none yet would leave Kubernetes' interface without a network.
    ...desired?.settings.pluginFolder === RELEASED_PLUGINS ? ["cni"] : [],
  ],
  async desired(world) {
    const wanted = await wantedContainerd(world);
    return new Map(wanted ? [[ADDRESS, wanted]] : []);
  },
  async query(world, addresses) {
    if (!addresses.includes(ADDRESS)) return { files: [OWNED_FILE] };
    return containerdQuery(await wantedContainerd(world));
  },
  observe(_world, look, desired) {
    const isOurs = look.guest.state === "facts" && ADDRESS in ownedOf(look.guest.facts).applied;
    if (!desired.has(ADDRESS) && !isOurs) return Promise.resolve(new Map());
    const seen = inGuest(look, (facts) => observeContainerd(facts, desired.get(ADDRESS)));
    return Promise.resolve(new Map([[ADDRESS, seen]]));
  },
  compare: compareContainerd,
  expected: ({ settings, hostFiles, proxy }) => {
    const config = wantedConfig({}, settings);
    return {
      distribution: {},
      file: config,
      inForce: config,
      hostFiles: foundAsWanted(hostFiles),
      proxy: { file: proxy.hash, inForce: proxy.hash },
      trust: undefined,
      notUp: undefined,
      missing: [],
      shutdown: undefined,
    };
  },
  refusal: (_world, { missing }) => missing,
  creation: () => ({
    effect: effectOf("runtime.engine", "start"),
    reason: "containerd with its CNI plugins",
  }),
  removal: ({ machine }) => ({
    effect: effectOf("runtime.engine", "stop"),
    reason: machine?.runtime.engine === "docker"
      ? "its containers stop; they and their images stay in /var/lib/containerd"
      : "stopped and disabled; its containers and images stay in /var/lib/containerd",
  }),
  // A restart of containerd interrupts nothing: containers belong to their shims, which systemd leaves alone
  // (KillMode=process in the unit of the distribution).
  interrupts: async (world, _look, { action }) => action === "delete" ? await runningTasks(world) : [],
  apply: bringUp,
  undo: retire,
};

/** What the file wants of containerd; `undefined` when another engine is chosen. */
async function wantedContainerd(world: World): Promise<WantedContainerd | undefined> {
  const { machine } = world;
  if (machine?.runtime.engine !== "containerd") return undefined;
  const { nerdctl: _nerdctl, ...settings } = machine.runtime.containerd;
  const files = await wantedFiles(hostFiles(machine));
  const proxy = wantedProxy(world);
  const addresses = [proxy.http, proxy.https].filter((address) => address !== "").map(maskedAddress);
  return {
    settings: { ...settings, pluginFolder: pluginFolder(machine.cni) },
    ...(typeof files === "string" ? { hostFiles: [], missing: files } : { hostFiles: files }),
    proxy: { hash: proxyHash(proxy), told: [...new Set(addresses)].join(", ") || "none" },
    authorities: (await wantedAuthorities(world)).map(({ id, subject }) => ({ id, subject })),
  };
}
