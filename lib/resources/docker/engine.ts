import { effectOf } from "../../config/effects.ts";
import { UserError } from "../../host/errors.ts";
import type { Change } from "../../plan/types.ts";
import { changeAt } from "../change.ts";
import { inGuest, type Job, type Kind, type World } from "../contract.ts";
import { ensureEngine } from "../engine_packages.ts";
import { authoritiesChange, wantedAuthorities } from "../network_facts.ts";
import { ownedOf } from "../owned.ts";
import {
  certificatesIn,
  compareFiles,
  DOCKER_CERTS,
  fileOps,
  foundAsWanted,
  oursBelow,
  type RegistryFile,
  wantedFiles,
} from "../registry_files.ts";
import { runningContainers } from "./containers.ts";
import { ADDRESS, compareDaemon, DAEMON_JSON, type DaemonConfig, daemonText } from "./daemon_config.ts";
import {
  type FoundDocker,
  observeDocker,
  queryFor,
  SERVICE,
  UNITS,
  type WantedDocker,
  withContent,
} from "./docker_look.ts";
import { installDaemonConfig, type Loaded } from "./load.ts";
import { retireDocker } from "./retire.ts";
import { wantedDaemon } from "./wanted_daemon.ts";

/** dockerd in the guest: installed, enabled, running, with the wanted configuration in the file and in force. */
export const dockerEngineKind: Kind<WantedDocker, FoundDocker> = {
  kind: ADDRESS,
  phase: 12,
  realm: "guest",
  path: () => "runtime",
  dependsOn: (_address, desired) => [
    "vm",
    "folders",
    ...(desired ? [`user:${desired.user}`] : []),
    ...(desired?.authorities ?? []).map(({ id }) => `ca:${id}`),
  ],
  async desired(world) {
    if (world.machine?.runtime.engine !== "docker") return new Map();
    const authorities = await wantedAuthorities(world);
    const certificates = await wantedFiles(certificatesOf(world));
    const wanted: WantedDocker = {
      ...wantedDaemon(world),
      ...(typeof certificates === "string" ? { certificates: [], missing: certificates } : { certificates }),
      authorities: authorities.map(({ id, subject }) => ({ id, subject })),
      user: world.machine.user.name,
    };
    return new Map([[ADDRESS, wanted]]);
  },
  async query(world) {
    const certificates = await wantedFiles(certificatesOf(world));
    return queryFor(typeof certificates === "string" ? [] : certificates);
  },
  async observe(world, look, wanted) {
    const desired = wanted.get(ADDRESS);
    const found = inGuest(look, (facts) => observeDocker(facts, desired));
    // What nobody wants and is not there, or may be in a guest that is down, is no line of a plan.
    if (!desired && (found.state === "absent" || look.guest.state !== "facts")) return new Map();
    return new Map([[ADDRESS, await withContent(found, desired, { world, look })]]);
  },
  refusal: (_world, { missing }) => missing,
  compare: compareDocker,
  expected: ({ daemon, sources, certificates, user }) => ({
    file: daemon,
    inForce: daemon,
    sources,
    certificates: foundAsWanted(certificates),
    trusts: true,
    notUp: [],
    members: [user],
    isMarked: false,
    isNoted: true,
  }),
  creation: () => ({ effect: effectOf("runtime.engine", "start"), reason: "dockerd and containerd" }),
  removal: (_world, { content, isNoted }) => ({
    effect: effectOf("runtime.engine", "stop"),
    reason: (isNoted ? "" : "started outside; ") +
      (content === undefined
        ? "stopped and disabled; its images, containers and volumes stay on the data disk"
        : `stopped and disabled; ${content} stay on the data disk, with the volumes`),
  }),
  interrupts: (world) => runningContainers(world),
  async apply(job, desired) {
    await ensureEngine(job, "docker");
    const ours = oursBelow(DOCKER_CERTS, (await job.owned.read()).files);
    const certificates = fileOps(await certificatesOf(job.world), ours);
    if (certificates.length > 0) {
      await job.owned.run({ what: "Writing the certificates of registries", ops: certificates }, job.signal);
    }
    const found = await inForceNow(job, desired);
    await installDaemonConfig(job, {
      ...found,
      desired: desired.daemon,
      needsRestart: !found.trusts ||
        compareDaemon(desired.daemon, { file: desired.daemon, inForce: found.inForce })
          .some(({ effect }) => effect === "service"),
      noted: { sources: desired.sources, ids: desired.authorities.map(({ id }) => id) },
    });
    await job.owned.run({
      what: "Enabling docker",
      ops: [
        // Not "enable": that also runs Debian's SysV tools for docker's init script, in Perl, for seconds.
        { op: "want-units", target: "multi-user.target", units: [SERVICE, "containerd.service"] },
        { op: "want-units", target: "sockets.target", units: ["docker.socket"] },
        { op: "systemctl", args: ["start", ...UNITS] },
        { op: "join-group", user: desired.user, group: "docker" },
      ],
    }, job.signal);
  },
  undo: retireDocker,
};

/** The certificates of every registry of the file, for dockerd. */
async function certificatesOf({ machine }: World): Promise<RegistryFile[]> {
  const registries = machine?.runtime.registries ?? [];
  return (await Promise.all(registries.map((registry) => certificatesIn(DOCKER_CERTS, registry)))).flat();
}

function compareDocker(desired: WantedDocker, observed: FoundDocker): readonly Change[] {
  const isWanted = ([key]: readonly [string, unknown]) => !(key in desired.daemon);
  const former = Object.fromEntries(Object.entries(observed.sources).filter(isWanted));
  const changes: Change[] = compareDaemon(desired.daemon, observed, { ...former, ...desired.sources });
  changes.push(...compareFiles(desired.certificates, observed.certificates));
  if (!observed.trusts) changes.push(authoritiesChange(desired.authorities));
  for (const { unit, is } of observed.notUp) {
    // What else is wrong with it does not go away: of "activating, disabled" the second half stays.
    const isPassing = is === "activating, enabled";
    const note = is.startsWith("activating") ? { note: "it is still starting" } : {};
    const passing = isPassing ? { isPassing } : {};
    const effect = effectOf("unit");
    changes.push({ path: unit, before: is, after: "active, enabled", effect, ...note, ...passing });
  }
  if (observed.isMarked && daemonText(desired.daemon) === undefined) {
    changes.push(changeAt("runtime.docker.daemon", { before: "listed as ours", after: undefined }, {
      which: "reload",
      isTold: true,
    }));
  }
  if (!observed.members.includes(desired.user)) {
    changes.push({
      path: "user",
      before: "not in the group docker",
      after: "in it",
      effect: effectOf("unit"),
    });
  }
  return changes;
}

/**
 * What is in force at this moment, by a look of its own: a former step of this round may have started the daemon
 * anew, with whatever stood in the file then.
 */
async function inForceNow(job: Job, desired: WantedDocker): Promise<{
  readonly inForce: DaemonConfig | undefined;
  readonly running: boolean;
  readonly before: string | undefined;
  readonly trusts: boolean;
  readonly known: Loaded;
}> {
  const facts = await (await job.guest()).look(queryFor(desired.certificates), { signal: job.signal });
  const observed = observeDocker(facts, desired);
  if (observed.state === "unknown") {
    throw new UserError(`The guest does not tell the state of docker: ${observed.reason}`);
  }
  const unit = facts.unit(SERVICE);
  const file = facts.file(DAEMON_JSON);
  const found = observed.state === "present" ? observed.value : undefined;
  const loaded = ownedOf(facts).applied[ADDRESS] as Loaded | undefined;
  const invocationId = unit.state === "present" ? unit.value.invocationId : "";
  return {
    inForce: found?.inForce,
    running: unit.state === "present" && unit.value.activeState === "active",
    before: file.state === "present" ? file.value.text : undefined,
    trusts: found?.trusts ?? true,
    known: {
      invocationId,
      config: found?.inForce ?? null,
      sources: found?.sources ?? {},
      // Of a run that is not ours the bundle's age goes on telling.
      ...(loaded?.invocationId === invocationId && loaded.ids ? { ids: loaded.ids } : {}),
    },
  };
}
