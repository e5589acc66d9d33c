import { effectOf } from "../../config/effects.ts";
import type { Json } from "../../config/types.ts";
import type { GuestFacts, GuestQuery } from "../../guest/query.ts";
import { UserError } from "../../host/errors.ts";
import { packagesFor } from "../../image/packages.ts";
import type { Change, Observed } from "../../plan/types.ts";
import { changeAt } from "../change.ts";
import { inGuest, type Job, type Kind } from "../contract.ts";
import { OWNED_FILE, ownedOf } from "../owned.ts";
import { runningContainers } from "./containers.ts";
import { compareDaemon, type DaemonConfig, type DaemonState, daemonText } from "./daemon_config.ts";
import { installDaemonConfig, type Loaded, type LoadPlan } from "./load.ts";

export const ADDRESS = "engine:docker";
export const DAEMON_JSON = "/etc/docker/daemon.json";
const UNITS = ["docker.service", "docker.socket", "containerd.service"] as const;
const GROUP = "/etc/group";
const QUERY: GuestQuery = { files: [DAEMON_JSON, GROUP, OWNED_FILE], units: UNITS };

/** Docker as wanted. */
interface WantedDocker {
  readonly daemon: DaemonConfig;
  readonly user: string;
}

/** Docker as found. */
interface FoundDocker extends DaemonState {
  /** Units that are not both enabled and active, with what they are. */
  readonly notUp: readonly { readonly unit: string; readonly is: string }[];
  readonly members: readonly string[];
  /** There is no daemon.json, yet the guest's list has one of ours: its removal was cut off. */
  readonly isMarked: boolean;
}

/** dockerd in the guest: installed, enabled, running, with the wanted configuration in the file and in force. */
export const dockerEngineKind: Kind<WantedDocker, FoundDocker> = {
  kind: ADDRESS,
  phase: 12,
  realm: "guest",
  path: () => "runtime",
  dependsOn: (_address, desired) => ["vm", "folders", ...(desired ? [`user:${desired.user}`] : [])],
  desired: ({ machine }) =>
    new Map(machine ? [[ADDRESS, { daemon: machine.runtime.docker.daemon, user: machine.user.name }]] : []),
  query: () => QUERY,
  observe: (_world, look) => Promise.resolve(new Map([[ADDRESS, inGuest(look, observeDocker)]])),
  compare(desired, observed) {
    const changes: Change[] = compareDaemon(desired.daemon, observed);
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
  },
  expected: ({ daemon, user }) => ({
    file: daemon,
    inForce: daemon,
    notUp: [],
    members: [user],
    isMarked: false,
  }),
  creation: () => ({ effect: effectOf("unit"), reason: "dockerd and containerd" }),
  interrupts: (world) => runningContainers(world),
  async apply(job, desired) {
    await ensureInstalled(job);
    const found = await inForceNow(job);
    const load: LoadPlan = {
      desired: desired.daemon,
      inForce: found.inForce,
      running: found.running,
      before: found.before,
      needsRestart: compareDaemon(desired.daemon, { file: desired.daemon, inForce: found.inForce })
        .some(({ effect }) => effect === "service"),
    };
    await installDaemonConfig(job, load);
    await job.owned.run({
      what: "Enabling docker",
      ops: [
        // Not "enable": that also runs Debian's SysV tools for docker's init script, in Perl, for seconds.
        { op: "want-units", target: "multi-user.target", units: ["docker.service", "containerd.service"] },
        { op: "want-units", target: "sockets.target", units: ["docker.socket"] },
        { op: "systemctl", args: ["start", ...UNITS] },
        { op: "join-group", user: desired.user, group: "docker" },
      ],
    }, job.signal);
  },
  // The engine goes with the system disk; its images stay on the data disk.
  undo: () => Promise.resolve(),
};

function observeDocker(facts: GuestFacts): Observed<FoundDocker> {
  const units = UNITS.map((name) => ({ name, fact: facts.unit(name) }));
  for (const { fact } of units) if (fact.state === "unknown") return fact;
  const service = facts.unit("docker.service");
  if (service.state !== "present") return { state: "absent" };
  const file = facts.file(DAEMON_JSON);
  if (file.state === "unknown") return file;
  const owned = facts.file(OWNED_FILE);
  if (owned.state === "unknown") return owned;
  const group = facts.file(GROUP);
  if (group.state !== "present") {
    return { state: "unknown", reason: `${GROUP} could not be read in the guest` };
  }
  const docker = group.value.text.split("\n").find((line) => line.startsWith("docker:"));
  const { value: unit } = service;
  if (unit.unitFileState === "disabled" && unit.activeState === "inactive") {
    return { state: "absent" }; // as the base image brings it: put in, never switched on
  }
  const notUp = units.flatMap(({ name, fact }) =>
    fact.state === "present" && fact.value.activeState === "active" && fact.value.unitFileState === "enabled"
      ? []
      : [{
        unit: name,
        is: fact.state === "present" ? `${fact.value.activeState}, ${fact.value.unitFileState}` : "missing",
      }]
  );
  const loaded = ownedOf(facts).applied[ADDRESS] as Loaded | undefined;
  const content = file.state === "present" ? parseConfig(file.value.text) : undefined;
  return {
    state: "present",
    owned: true,
    value: {
      file: content,
      inForce: unit.activeState !== "active"
        ? asConfig(content)
        : loaded && loaded.invocationId === unit.invocationId
        ? loaded.config
        : file.state === "present" && file.value.mtimeMs > unit.startedMs
        ? undefined
        : asConfig(content),
      notUp,
      members: docker?.split(":")[3]?.split(",") ?? [],
      isMarked: file.state === "absent" && DAEMON_JSON in ownedOf(facts).files,
    },
  };
}

function asConfig(content: DaemonConfig | string | undefined): DaemonConfig | undefined {
  return typeof content === "string" ? undefined : content ?? {};
}

/** The content of daemon.json; the text itself when it is not a JSON object. */
export function parseConfig(text: string): DaemonConfig | string {
  try {
    const value = JSON.parse(text) as Json;
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as DaemonConfig
      : text;
  } catch {
    return text;
  }
}

/**
 * What is in force at this moment, by a look of its own: a former step of this round may have started the daemon
 * anew, with whatever stood in the file then.
 */
async function inForceNow(job: Job): Promise<{
  readonly inForce: DaemonConfig | undefined;
  readonly running: boolean;
  readonly before: string | undefined;
}> {
  const facts = await (await job.guest()).look(QUERY, { signal: job.signal });
  const observed = observeDocker(facts);
  if (observed.state === "unknown") {
    throw new UserError(`The guest does not tell the state of docker: ${observed.reason}`);
  }
  const unit = facts.unit("docker.service");
  const file = facts.file(DAEMON_JSON);
  return {
    inForce: observed.state === "present" ? observed.value.inForce : undefined,
    running: unit.state === "present" && unit.value.activeState === "active",
    before: file.state === "present" ? file.value.text : undefined,
  };
}

async function ensureInstalled(job: Job): Promise<void> {
  const names = packagesFor("docker");
  const guest = await job.guest();
  const facts = await guest.look({ packages: names });
  if (names.every((name) => facts.package(name).state === "present")) return;
  job.progress("installing docker in the guest");
  const options = { timeoutMs: 900_000, signal: job.signal };
  const result = await guest.perform([{ op: "install-packages", names }], options);
  if (!result.ok) throw new UserError("docker cannot be installed in the guest", { output: result.output });
}
