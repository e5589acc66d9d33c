import { z } from "zod";
import { keysOf } from "./field.ts";
import { json, keptPort, mapOf, text, word } from "./values.ts";

const key = keysOf({ effect: "service", support: "later" });
const live = keysOf({ effect: "live", support: "later" });

const now = keysOf({ effect: "live", support: "yes" });

/** `cni`: the network of containers that containerd and Kubernetes run. */
export const cniBlock = z.strictObject({
  network: now(
    z.union([
      z.enum(["auto", "flannel", "none"]),
      z.strictObject({
        conflist: now(mapOf(json()), "Your own list of plugins, as the specification of CNI has it"),
      }),
    ]).default("auto"),
    "The network that containers of containerd get; auto: a bridge of the guest's own",
  ),
  plugins: now(
    z.strictObject({
      source: now(
        z.enum(["auto", "release", "package"]).default("auto"),
        "Where the plugins come from: Debian's package, or the release; auto: the package, unless flannel or a " +
          "version is wanted",
        { effect: "service" },
      ),
      version: now(
        text(/^v\d+\.\d+\.\d+$/, "a version such as v1.7.1").optional(),
        "The release that is taken",
        {
          defaultNote: "the newest one that was tried",
        },
      ),
    }).prefault({}),
    "CNI's plugins",
  ),
});

const k3s = z.strictObject({
  enabled: key(z.boolean().default(true).optional(), "false stops the cluster and keeps its state"),
  version: key(
    text(/^v\d+\.\d+\.\d+\+k3s\d+$/, "a version such as v1.33.4+k3s1").optional(),
    "The release of k3s",
  ),
  runtime: key(
    z.enum(["auto", "docker", "containerd", "embedded"]).default("auto").optional(),
    "What runs the cluster's containers; auto is the engine of the machine",
  ),
  flags: key(mapOf(json()).optional(), "The keys of k3s's config.yaml, as k3s documents them", {
    effect: { other: "service", newCluster: "data-loss" },
  }),
  port: key(keptPort().default(6443).optional(), "The port of the API on the host; 0: chosen once and kept"),
  airgap: key(
    z.boolean().default(true).optional(),
    "Loads k3s's own images from its release, without a registry",
  ),
  kubeconfig: live(
    z.strictObject({
      merge: live(z.boolean().default(true).optional(), "Adds the cluster to your kubeconfig"),
      name: live(word().optional(), "Its name there", { defaultNote: "machine- and the machine's name" }),
      current: live(z.boolean().default(true).optional(), "Makes it the current context"),
    }).optional(),
    "Your kubeconfig",
  ),
});

/** `kubernetes`: a cluster of one machine. */
export const kubernetesBlock = z.strictObject({
  k3s: key(k3s.optional(), "k3s; without this block an installed one is removed"),
});
