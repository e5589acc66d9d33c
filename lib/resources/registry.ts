import { agentKind } from "./agent.ts";
import type { AnyKind } from "./contract.ts";
import { dataDiskKind } from "./data_disk.ts";
import { dockerContextKind } from "./docker/context.ts";
import { dockerEngineKind } from "./docker/engine.ts";
import { dockerSocketKind } from "./docker/socket.ts";
import { foldersKind } from "./folders.ts";
import { hostnameKind } from "./hostname.ts";
import { imageKind } from "./image.ts";
import { mountKind } from "./mounts.ts";
import { sshConfigKind } from "./ssh_config.ts";
import { systemDiskKind } from "./system_disk.ts";
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
  foldersKind,
  mountKind,
  userKind,
  dockerEngineKind,
  dockerSocketKind,
  dockerContextKind,
  sshConfigKind,
];
