import { z } from "zod";
import { keysOf } from "./field.ts";
import { guestKeys } from "./guest.ts";
import { cniBlock, kubernetesBlock } from "./kubernetes.ts";
import { mountsList } from "./mounts.ts";
import { networkBlock, portsBlock } from "./network.ts";
import { runtimeField } from "./runtime.ts";
import { keptPort, text, word } from "./values.ts";
import { NAME, NAME_RULE, vmBlock } from "./vm.ts";

const key = keysOf({ effect: "live", support: "yes" });
const later = keysOf({ effect: "live", support: "later" });
const service = keysOf({ effect: "service", support: "later" });

/** Host names as hostname(7) allows them. */
const hostName = text(
  /^(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
  "a host name: letters, digits, hyphens and dots, at most 64",
);

const artifacts = z.strictObject({
  mirror: key(
    word().default("official"),
    "Where releases come from: official, or the URL or folder of a mirror with the same layout",
    { effect: "none" },
  ),
  offline: key(
    z.boolean().default(false),
    "Takes no release from the network: only from a folder, or from the cache",
    { effect: "none" },
  ),
});

const ssh = z.strictObject({
  port: key(keptPort().default(0), "The port of the guest's sshd on the host; 0: chosen once and kept"),
  agent: key(z.boolean().default(false), "Forwards your ssh agent into shell and exec"),
  config: key(z.boolean().default(false), "Includes the machine's ssh configuration in your ~/.ssh/config"),
});

/** machine.yaml, version 1: every key of the format, those of later versions of the program too. */
export const machineFile = z.strictObject({
  apiVersion: key(z.literal("machine/v1").default("machine/v1"), "The version of this format", {
    effect: "none",
  }),
  name: key(text(NAME, NAME_RULE).default("default"), "The machine's name", { effect: "identity" }),
  extends: key(
    z.array(word()).default([]),
    "Profiles and files to start from: no slash and no dot, a profile; else a file, relative to this file",
    { effect: "none" },
  ),
  protect: key(
    z.boolean().default(false),
    "Refuses delete and everything that would make the machine anew or lose data",
  ),
  vm: key(vmBlock.prefault({}), "The virtual computer", { effect: "restart" }),
  user: guestKeys.user,
  hostname: key(hostName.optional(), "The guest's host name", { defaultNote: "the machine's name" }),
  timezone: guestKeys.timezone,
  locale: guestKeys.locale,
  mounts: mountsList,
  ports: later(portsBlock.optional(), "Ports of the guest on the host"),
  network: key(networkBlock.prefault({}), "Names, proxies, certificates and interfaces"),
  env: guestKeys.env,
  packages: guestKeys.packages,
  files: guestKeys.files,
  sysctl: guestKeys.sysctl,
  modules: guestKeys.modules,
  binfmt: guestKeys.binfmt,
  runtime: runtimeField,
  cni: key(cniBlock.prefault({}), "The network of containers outside Docker"),
  kubernetes: service(kubernetesBlock.optional(), "Kubernetes"),
  provision: guestKeys.provision,
  artifacts: key(artifacts.prefault({}), "Where downloads come from", { effect: "none" }),
  ssh: key(ssh.prefault({}), "How the machine is reached"),
});

/** A file whose every key has the right type, defaults filled in. */
export type MachineFile = z.output<typeof machineFile>;
