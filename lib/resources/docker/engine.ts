import type { Json } from "../../config/types.ts";
import type { GuestFacts } from "../../guest/query.ts";
import { quoteAll } from "../../guest/quote.ts";
import { unixHttp } from "../../host/unix_http.ts";
import { UserError } from "../../host/errors.ts";
import { packagesFor } from "../../image/packages.ts";
import type { Change, Observed } from "../../plan/types.ts";
import { inGuest, type Job, type Kind, type World } from "../contract.ts";
import { OWNED_FILE, ownedOf } from "../owned.ts";
import { compareDaemon, type DaemonConfig, type DaemonState } from "./daemon_config.ts";
import { installDaemonConfig, type Loaded, type LoadPlan } from "./load.ts";

export const ADDRESS = "engine:docker";
export const DAEMON_JSON = "/etc/docker/daemon.json";
const UNITS = ["docker.service", "docker.socket", "containerd.service"] as const;
const GROUP = "/etc/group";

/** Docker as wanted. */
interface WantedDocker {
  readonly daemon: DaemonConfig;
  readonly user: string;
}

/** Docker as found. */
interface FoundDocker extends DaemonState {
  /** Units that are not both enabled and active. */
  readonly notUp: readonly string[];
  readonly members: readonly string[];
}

/** dockerd in the guest: installed, enabled, running, with the wanted configuration in the file and in force. */
export const dockerEngineKind: Kind<WantedDocker, FoundDocker> = {
  kind: ADDRESS,
  phase: 12,
  realm: "guest",
  path: () => "runtime",
  dependsOn: () => ["vm", "folders", "user"],
  desired: ({ machine }) =>
    new Map(machine ? [[ADDRESS, { daemon: machine.runtime.docker.daemon, user: machine.user.name }]] : []),
  query: () => ({ files: [DAEMON_JSON, GROUP, OWNED_FILE], units: UNITS }),
  observe: (_world, look) => Promise.resolve(new Map([[ADDRESS, inGuest(look, observeDocker)]])),
  compare(desired, observed) {
    const changes: Change[] = compareDaemon(desired.daemon, observed);
    for (const unit of observed.notUp) {
      changes.push({
        path: unit,
        before: "not enabled and running",
        after: "enabled and running",
        effect: "live",
      });
    }
    if (!observed.members.includes(desired.user)) {
      changes.push({ path: "user", before: "not in the group docker", after: "in it", effect: "live" });
    }
    return changes;
  },
  creation: () => ({ effect: "live", reason: "dockerd and containerd" }),
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
      after: [
        // Not "enable": that also runs Debian's SysV tools for docker's init script, in Perl, for seconds.
        "systemctl add-wants -q --no-reload multi-user.target docker.service containerd.service",
        "systemctl add-wants -q --no-reload sockets.target docker.socket",
        `systemctl start ${UNITS.join(" ")}`,
        `usermod -aG docker ${quoteAll([desired.user])}`,
      ],
      signal: job.signal,
    });
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
      : [name]
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

/** What is in force at this moment: a former step of this round may have started or stopped the daemon. */
async function inForceNow(job: Job): Promise<{
  readonly inForce: DaemonConfig | undefined;
  readonly running: boolean;
  readonly before: string | undefined;
}> {
  const result = await (await job.guest()).run([
    "systemctl show -p ActiveState,InvocationID docker.service",
    `echo '@@file'; [ ! -e ${DAEMON_JSON} ] || cat ${DAEMON_JSON}`,
  ].join("\n"));
  if (result.code !== 0) {
    throw new UserError("The guest does not tell the state of docker", { output: result.stderr });
  }
  const [state = "", text = ""] = result.stdout.split("@@file\n");
  const running = /^ActiveState=active$/m.test(state);
  const invocationId = /^InvocationID=(.*)$/m.exec(state)?.[1] ?? "";
  const loaded = (await job.owned.read()).applied[ADDRESS] as Loaded | undefined;
  const observed = observeFromLook(job);
  const inForce = !running ? undefined : loaded?.invocationId === invocationId ? loaded.config : observed;
  return { inForce, running, before: text === "" ? undefined : text };
}

function observeFromLook(job: Job): DaemonConfig | undefined {
  if (job.look.guest.state !== "facts") return undefined;
  const observed = observeDocker(job.look.guest.facts);
  return observed.state === "present" ? observed.value.inForce : undefined;
}

async function ensureInstalled(job: Job): Promise<void> {
  const guest = await job.guest();
  const there = await guest.run("command -v dockerd >/dev/null && command -v docker >/dev/null");
  if (there.code === 0) return;
  job.progress("installing docker in the guest");
  const packages = quoteAll(packagesFor("docker"));
  const result = await guest.run(
    `export DEBIAN_FRONTEND=noninteractive; apt-get -q update && ` +
      `apt-get -q install -y --no-install-recommends ${packages} 2>&1`,
    { timeoutMs: 900_000, signal: job.signal },
  );
  if (result.code !== 0) {
    throw new UserError("docker cannot be installed in the guest", { output: result.stdout });
  }
}

/** The names of the containers that run now, which a restart of dockerd would stop. */
async function runningContainers(world: World): Promise<readonly string[]> {
  const answer = await unixHttp(world.folder.dockerSocket, {
    method: "GET",
    path: "/containers/json",
    timeoutMs: 10_000,
  });
  if (answer.status !== 200) {
    throw new UserError("Docker does not list its containers", { output: answer.body });
  }
  const containers = JSON.parse(answer.body) as readonly { readonly Names: readonly string[] }[];
  return containers.map(({ Names }) => (Names[0] ?? "").replace(/^\//, "")).sort();
}
