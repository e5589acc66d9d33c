import type { GuestFacts, GuestQuery } from "../../guest/query.ts";
import { UserError } from "../../host/errors.ts";
import type { Observed } from "../../plan/types.ts";
import type { Look, World } from "../contract.ts";
import { authoritiesInForce, type Authority, BUNDLE, bundleChangedMs } from "../network_facts.ts";
import { OWNED_FILE, ownedOf } from "../owned.ts";
import {
  DOCKER_CERTS,
  findFiles,
  type FoundRegistryFiles,
  oursBelow,
  type WantedRegistryFile,
} from "../registry_files.ts";
import { keptContent } from "./containers.ts";
import {
  ADDRESS,
  DAEMON_JSON,
  type DaemonConfig,
  type DaemonSources,
  type DaemonState,
  hidesContent,
  parseConfig,
} from "./daemon_config.ts";
import type { Loaded } from "./load.ts";

export const SERVICE = "docker.service";
export const UNITS = [SERVICE, "docker.socket", "containerd.service"] as const;
const GROUP = "/etc/group";

/** Docker as wanted. */
export interface WantedDocker {
  readonly daemon: DaemonConfig;
  readonly sources: DaemonSources;
  readonly certificates: readonly WantedRegistryFile[];
  /** Why they cannot be had. */
  readonly missing?: string;
  readonly authorities: readonly Pick<Authority, "id" | "subject">[];
  readonly user: string;
}

/** Docker as found. */
export interface FoundDocker extends DaemonState {
  /** Units that are not both enabled and active, with what they are. */
  readonly notUp: readonly { readonly unit: string; readonly is: string }[];
  readonly members: readonly string[];
  /** There is no daemon.json, yet the guest's list has one of ours: its removal was cut off. */
  readonly isMarked: boolean;
  /** Whether the guest's list says that we have switched it on. */
  readonly isNoted: boolean;
  /** Where the derived keys of the running configuration came from. */
  readonly sources: DaemonSources;
  readonly certificates: FoundRegistryFiles;
  /** Whether the running dockerd has read the authorities that are wanted. */
  readonly trusts: boolean;
}

/** What is to be known of the guest. */
export function queryFor(certificates: readonly WantedRegistryFile[]): GuestQuery {
  return {
    files: [DAEMON_JSON, GROUP, OWNED_FILE],
    hashes: [BUNDLE, ...certificates.map(({ path }) => path)],
    units: UNITS,
  };
}

/** Reads docker out of a look. */
export function observeDocker(facts: GuestFacts, desired: WantedDocker | undefined): Observed<FoundDocker> {
  const units = UNITS.map((name) => ({ name, fact: facts.unit(name) }));
  for (const { fact } of units) if (fact.state === "unknown") return fact;
  const service = facts.unit(SERVICE);
  const owned = facts.file(OWNED_FILE);
  if (owned.state === "unknown") return owned;
  const loaded = ownedOf(facts).applied[ADDRESS] as Loaded | undefined;
  if (service.state !== "present") return { state: "absent" };
  const { value: unit } = service;
  const socket = facts.unit("docker.socket");
  const isOff = [service, socket].every((fact) =>
    fact.state !== "present" ||
    fact.value.unitFileState === "disabled" && ["failed", "inactive"].includes(fact.value.activeState)
  );
  // As the base image brings it: put in, never switched on. What is noted of it is what is left to take away.
  if (isOff && (desired !== undefined || loaded === undefined)) return { state: "absent" };
  const file = facts.file(DAEMON_JSON);
  if (file.state === "unknown") return file;
  const group = facts.file(GROUP);
  if (group.state !== "present") {
    return { state: "unknown", reason: `${GROUP} could not be read in the guest` };
  }
  const ours = oursBelow(DOCKER_CERTS, ownedOf(facts).files);
  const certificates = findFiles(facts, desired?.certificates ?? [], ours);
  if ("unknown" in certificates) return { state: "unknown", reason: certificates.unknown };
  const docker = group.value.text.split("\n").find((line) => line.startsWith("docker:"));
  const notUp = units.flatMap(({ name, fact }) =>
    fact.state === "present" && fact.value.activeState === "active" && fact.value.unitFileState === "enabled"
      ? []
      : [{
        unit: name,
        is: fact.state === "present" ? `${fact.value.activeState}, ${fact.value.unitFileState}` : "missing",
      }]
  );
  const content = file.state === "present" ? parseConfig(file.value.text) : undefined;
  const authorities = desired?.authorities ?? [];
  const isTrustTold = authorities.length > 0 || (loaded?.ids ?? []).length > 0;
  return {
    state: "present",
    owned: true,
    value: {
      file: content,
      inForce: unit.activeState !== "active"
        ? asConfig(content)
        : loaded && loaded.invocationId === unit.invocationId
        ? loaded.config ?? undefined
        : file.state === "present" && file.value.mtimeMs > unit.startedMs
        ? undefined
        : asConfig(content),
      sources: loaded?.sources ?? {},
      certificates,
      trusts: unit.activeState !== "active" || authoritiesInForce(authorities, {
        unit,
        loaded: loaded?.ids && { invocationId: loaded.invocationId, ids: loaded.ids },
        bundleMs: isTrustTold ? bundleChangedMs(facts) : 0,
      }),
      notUp,
      members: docker?.split(":")[3]?.split(",") ?? [],
      isNoted: loaded !== undefined,
      isMarked: file.state === "absent" && DAEMON_JSON in ownedOf(facts).files,
    },
  };
}

function asConfig(content: DaemonConfig | string | undefined): DaemonConfig | undefined {
  return typeof content === "string" ? undefined : content ?? {};
}

/** What dockerd keeps is counted when it is about to be hidden or left behind; only it can tell. */
export async function withContent(
  found: Observed<FoundDocker>,
  desired: WantedDocker | undefined,
  { world, look }: { readonly world: World; readonly look: Look },
): Promise<Observed<FoundDocker>> {
  if (found.state !== "present" || look.agent.state !== "present") return found;
  const isOf = desired === undefined || hidesContent(desired.daemon, found.value);
  const isUp = !found.value.notUp.some(({ unit }) => unit === SERVICE);
  if (!isOf || !isUp) return found;
  try {
    return { ...found, value: { ...found.value, content: await keptContent(world) } };
  } catch (error) {
    if (error instanceof UserError) return found; // the plan then says it without numbers
    throw error;
  }
}
