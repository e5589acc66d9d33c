import { agentKind } from "./agent.ts";
import { cniKind } from "./cni/cni.ts";
import { containerdEngineKind } from "./containerd/engine.ts";
import { authorityKind } from "./authorities.ts";
import type { AnyKind } from "./contract.ts";
import { dataDiskKind } from "./data_disk.ts";
import { dockerContextKind } from "./docker/context.ts";
import { dockerEngineKind } from "./docker/engine.ts";
import { diskKind } from "./disks.ts";
import { envKind } from "./env.ts";
import { fileKind } from "./files.ts";
import { foldersKind } from "./folders.ts";
import { hostnameKind } from "./hostname.ts";
import { imageKind } from "./image.ts";
import { moduleKind } from "./modules.ts";
import { mountKind } from "./mounts.ts";
import { nerdctlKind } from "./nerdctl/nerdctl.ts";
import { packageKind } from "./packages.ts";
import { loginKind } from "./registries.ts";
import { provisionKind } from "./provision.ts";
import { socketKind } from "./sockets.ts";
import { proxyKind } from "./proxy.ts";
import { sshConfigKind } from "./ssh_config.ts";
import { systemDiskKind } from "./system_disk.ts";
import { sysctlKind } from "./sysctl.ts";
import { timezoneKind } from "./timezone.ts";
import { userKind } from "./user.ts";
import { vmKind } from "./vm.ts";

/** Every kind of resource, in order of work. */
export const KINDS: readonly AnyKind[] = [
  imageKind,
  systemDiskKind,
  dataDiskKind,
  vmKind,
  agentKind,
  hostnameKind,
  authorityKind,
  proxyKind,
  timezoneKind,
  packageKind,
  moduleKind,
  sysctlKind,
  foldersKind,
  diskKind,
  mountKind,
  userKind,
  envKind,
  fileKind,
  cniKind,
  dockerEngineKind,
  containerdEngineKind,
  loginKind,
  nerdctlKind,
  provisionKind,
  socketKind,
  dockerContextKind,
  sshConfigKind,
];
