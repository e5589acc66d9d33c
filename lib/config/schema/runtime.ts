import { z } from "zod";
import { keysOf } from "./field.ts";
import { json, mapOf, text, word } from "./values.ts";

const key = keysOf({ effect: "live", support: "yes" });
const service = keysOf({ effect: "service", support: "yes" });
const later = keysOf({ effect: "service", support: "later" });
const liveLater = keysOf({ effect: "live", support: "later" });

const engine = z.enum(["docker", "containerd", "podman", "none"]);

/** Names that docker's own client accepts for contexts ("default" is its own). */
const contextName = text(
  /^(?!default$)[A-Za-z0-9][\w.+-]+$/,
  'letters, digits and _ . + -, and not "default"',
);

const docker = z.strictObject({
  daemon: service(
    mapOf(json()).default({}),
    "The keys of dockerd's daemon.json, as Docker documents them",
    { effect: { reload: "live", restart: "service" } },
  ),
  context: key(
    z.strictObject({
      name: key(contextName.optional(), "The name of the context", {
        defaultNote: "machine- and the machine's name",
      }),
      current: key(
        z.boolean().optional(),
        "Makes it the current context; when false, the one that is current stays so",
        {
          defaultNote: "true for the first machine of a file, unless another one says true; else false",
        },
      ),
    }).prefault({}),
    "The docker context on the host that leads to the machine",
  ),
});

const containerd = z.strictObject({
  cri: service(
    z.union([z.boolean(), z.enum(["auto"])]).default("auto"),
    "Kubernetes' interface to containerd; auto: as the distribution has it, which is on",
  ),
  snapshotter: service(
    z.enum(["overlayfs", "native"]).default("overlayfs"),
    "What unpacks images for containers; images that another one unpacked are unpacked again",
  ),
  nerdctl: key(
    z.boolean().default(true),
    "nerdctl and BuildKit, from the release archive; ctr is there in any case",
  ),
  config: service(
    mapOf(json()).default({}),
    "Keys of containerd's config.toml, merged as a tree with the distribution's",
  ),
});

const podman = z.strictObject({
  connection: liveLater(
    z.strictObject({
      name: liveLater(word().optional(), "The name of the connection", {
        defaultNote: "machine- and the machine's name",
      }),
      current: liveLater(z.boolean().default(true).optional(), "Makes it the default connection"),
    }).optional(),
    "The podman connection on the host that leads to the machine",
  ),
});

const certificates = z.strictObject({
  ca: key(word().optional(), "The authority that vouches for the registry, a PEM file on the host"),
  cert: key(word().optional(), "A certificate to show to the registry, a PEM file on the host"),
  key: key(word().optional(), "Its private key, a PEM file on the host"),
});

const registry = z.strictObject({
  mirrors: key(z.array(z.url({ protocol: /^https?$/ })).default([]), "Mirrors to ask first, in this order"),
  insecure: key(z.boolean().default(false), "Allows http and certificates that nobody vouches for"),
  certificates: key(certificates.prefault({}), "Certificates for this registry alone"),
  credentials: key(
    z.enum(["none", "host"]).default("none"),
    "host: logs in with what the docker client of the host knows, also inside the guest",
  ),
});

/** The long form of `runtime`. */
export const runtimeBlock = z.strictObject({
  engine: service(engine.default("docker"), "What runs containers", {
    effect: { start: "live", stop: "service" },
    supported: ["docker", "containerd", "none"],
  }),
  rootless: later(z.boolean().default(false).optional(), "Runs the engine as the user, not as root"),
  registries: key(
    mapOf(registry).default({}),
    "Mirrors, trust and credentials of image registries, by host and port; for every engine",
  ),
  docker: service(docker.prefault({}), "Settings of Docker"),
  containerd: service(containerd.prefault({}), "Settings of containerd"),
  podman: later(podman.optional(), "Settings of Podman"),
});

/** `runtime`: a bare name is short for its engine. */
export const runtimeField = service(
  z.union([engine, runtimeBlock]).prefault("docker"),
  "What runs containers; a bare name is short for {engine: …}",
  { supported: ["docker", "containerd", "none"], merge: "deep", shortFor: "engine" },
);
