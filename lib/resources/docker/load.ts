import type { Json } from "../../config/types.ts";
import { waitFor } from "../../host/clock.ts";
import { messageOf, UserError } from "../../host/errors.ts";
import { equal } from "../../plan/equal.ts";
import type { Job } from "../contract.ts";
import type { OwnedOp } from "../owned.ts";
import { maskedAddress } from "../network_facts.ts";
import {
  ADDRESS,
  DAEMON_JSON,
  type DaemonConfig,
  type DaemonSources,
  daemonText,
  parseConfig,
  RELOADABLE,
  withRemovedDefaults,
} from "./daemon_config.ts";
import { holdsPassword, shownValue } from "./wanted_daemon.ts";

/** What the running dockerd was seen to load, kept in the guest's list. */
export type Loaded = {
  /** systemd's id of the run of the service; another one means that it was started anew. */
  readonly invocationId: string;
  /** `null`: not to be told, but not what stands in the file. */
  readonly config: DaemonConfig | null;
  /** The keys of the machine file that its derived parts come from. */
  readonly sources?: DaemonSources;
  /** The authorities that were installed when this run began. */
  readonly ids?: readonly string[];
};

/** How to bring a configuration into force. */
export interface LoadPlan {
  readonly desired: DaemonConfig;
  readonly inForce: DaemonConfig | undefined;
  readonly running: boolean;
  /** The text of the file that stands there now. */
  readonly before: string | undefined;
  readonly needsRestart: boolean;
  /** What is noted once it is in force, beside the configuration. */
  readonly noted: Pick<Loaded, "sources" | "ids">;
  /** What is known of the run of dockerd that there is; noted before its file is replaced. */
  readonly known: Loaded;
}

const CANDIDATE = "/etc/docker/daemon.json.machine-new";
const RELOAD_MS = 30_000;
const RESTART_MS = 180_000;

/**
 * Checks the configuration with dockerd itself, puts it in place and brings it into force: nothing when it is,
 * a reload that is counted only when dockerd reports it, or a restart. The former file comes back when dockerd
 * does not take the new one.
 */
export async function installDaemonConfig(job: Job, plan: LoadPlan): Promise<void> {
  const text = daemonText(plan.desired);
  const isMarked = text === undefined && DAEMON_JSON in (await job.owned.read()).files;
  if (text !== plan.before || isMarked) {
    await validate(job, text);
    await replaceConfig(job, text, plan);
  }
  try {
    await bringIntoForce(job, plan);
  } catch (error) {
    if (text === plan.before) throw error;
    job.progress("putting the former daemon.json back");
    await writeConfig(job, plan.before);
    const back = await backInForce(job, plan);
    throw new UserError(
      `dockerd does not take the new configuration: ${messageOf(error)}; ` +
        (back === undefined ? "the former one is in force again" : "the former one does not start either"),
      { cause: error, output: (error instanceof UserError ? error.output : undefined) ?? back ?? "" },
    );
  }
  await noteLoaded(job, { config: plan.desired, ...plan.noted });
}

/**
 * Puts the new file in place. What the running dockerd has in force is noted with it: should this apply be killed before
 * the new one is loaded, a file that is gone would tell nothing any more, not even by its age.
 */
async function replaceConfig(
  job: Job,
  text: string | undefined,
  { running, known }: LoadPlan,
): Promise<void> {
  await job.owned.run({
    what: "Writing daemon.json",
    ops: configOps(text),
    ...(running ? { claimed: { [ADDRESS]: known } } : {}),
  }, job.signal);
}

/**
 * Brings the former configuration back; gives dockerd's own words when that fails too. Where a reload was refused the
 * former one never lost its force: a restart would only stop containers that nobody was asked about.
 */
async function backInForce(job: Job, plan: LoadPlan): Promise<string | undefined> {
  const { inForce } = plan;
  if (!plan.running || inForce === undefined || plan.needsRestart) return await restartDocker(job);
  try {
    await reload(job, withRemovedDefaults(inForce, plan.desired) ?? inForce);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.output ?? error.message;
  }
}

async function bringIntoForce(job: Job, plan: LoadPlan): Promise<void> {
  if (!plan.running || plan.inForce === undefined || plan.needsRestart) {
    job.progress(plan.running ? "restarting dockerd" : "starting dockerd");
    const failure = await restartDocker(job);
    if (failure !== undefined) throw new UserError("it does not start", { output: failure });
    return;
  }
  const transitional = withRemovedDefaults(plan.desired, plan.inForce);
  if (transitional) {
    await writeConfig(job, daemonText(transitional));
    await reload(job, transitional);
    await writeConfig(job, daemonText(plan.desired));
    return;
  }
  if (!equal(plan.inForce, plan.desired)) await reload(job, plan.desired);
}

/** Lets dockerd judge the file before it replaces the one in force. */
async function validate(job: Job, text: string | undefined): Promise<void> {
  if (text === undefined) return;
  job.progress("checking daemon.json with dockerd");
  const guest = await job.guest();
  const candidate = { path: CANDIDATE, content: text, mode: "0600" };
  const ops = [{ op: "write", files: [candidate] }, { op: "check-dockerd", path: CANDIDATE }] as const;
  const result = await guest.perform(ops, { timeoutMs: 60_000, signal: job.signal });
  await guest.perform([{ op: "remove", path: CANDIDATE }]);
  if (!result.ok) {
    throw new UserError(
      "dockerd refuses the configuration in runtime.docker.daemon; the former one is untouched",
      {
        output: result.output,
      },
    );
  }
}

async function writeConfig(job: Job, text: string | undefined): Promise<void> {
  await job.owned.run({ what: "Writing daemon.json", ops: configOps(text) }, job.signal);
}

function configOps(text: string | undefined): OwnedOp[] {
  if (text === undefined) return [{ op: "disown", path: DAEMON_JSON }];
  const config = parseConfig(text);
  const mode = typeof config !== "string" && holdsPassword(config) ? "0600" : "0644";
  return [{ op: "own", file: { path: DAEMON_JSON, content: text, mode } }];
}

/** Restarts dockerd; gives its own words when it does not come up. */
async function restartDocker(job: Job): Promise<string | undefined> {
  const unit = "docker.service";
  const ops = [
    { op: "systemctl", args: ["reset-failed", unit], lenient: true },
    { op: "systemctl", args: ["restart", unit], journal: unit },
  ] as const;
  const result = await (await job.guest()).perform(ops, { timeoutMs: RESTART_MS, signal: job.signal });
  return result.ok ? undefined : result.output;
}

/**
 * Sends SIGHUP and waits for dockerd's own "reload" event: `systemctl reload` succeeds even when the
 * configuration was refused, and the event's attributes carry what is in force.
 */
async function reload(job: Job, config: DaemonConfig): Promise<void> {
  job.progress("reloading dockerd");
  const guest = await job.guest();
  const args = ["kill", "-s", "HUP", "--kill-whom=main", "docker.service"];
  const sent = await guest.perform([{ op: "clock" }, { op: "systemctl", args }]);
  if (!sent.ok) throw new UserError("dockerd cannot be signalled", { output: sent.output });
  const since = sent.output.split("\n")[0]!;
  const event = await waitFor(() => reloadEvent(job, since), { timeoutMs: RELOAD_MS, signal: job.signal });
  if (event === undefined) {
    const log = await guest.perform([{ op: "journal", unit: "docker.service" }]);
    throw new UserError("it did not report that it reloaded", { output: log.output });
  }
  const wrong = Object.entries(config).find(([key, value]) => !isReported(event, key, value));
  if (wrong) {
    const [key, value] = wrong;
    const said = `"${key}": ${maskedAddress(event[key] ?? "")}, not ${JSON.stringify(shownValue(value))}`;
    throw new UserError(`it reloaded, but has another value in force: ${said}`);
  }
}

async function reloadEvent(job: Job, since: string): Promise<Readonly<Record<string, string>> | undefined> {
  const now = await (await job.guest()).perform([{ op: "clock" }]);
  const filters = encodeURIComponent(JSON.stringify({ type: ["daemon"], event: ["reload"] }));
  const path = `/events?since=${since}&until=${now.output}&filters=${filters}`;
  const answer = await job.world.platform.docker(job.world.folder, path, 10_000);
  const line = answer.body.trim().split("\n").at(-1);
  if (answer.status !== 200 || !line) return undefined;
  return (JSON.parse(line) as { Actor: { Attributes: Record<string, string> } }).Actor.Attributes;
}

/**
 * Whether the event reports a key's value. It has no others than those that a reload takes over, a list as JSON text, the
 * list of runtimes by their names (moby's daemon/reload.go); dockerd adds a slash to a mirror's address.
 */
export function isReported(event: Readonly<Record<string, string>>, key: string, value: Json): boolean {
  const said = event[key];
  if (said === undefined || !(key in RELOADABLE)) return true;
  if (key === "runtimes") return Object.keys(value ?? {}).every((name) => said.includes(`${name}:`));
  if (Array.isArray(value)) return sameList(said, value);
  // Its own defaults stand for a zero.
  return said === String(value === 0 && key.startsWith("max-") ? RELOADABLE[key] : value);
}

function sameList(text: string, list: readonly Json[]): boolean {
  try {
    const plain = (value: unknown) => (value as unknown[]).map((entry) => String(entry).replace(/\/$/, ""));
    return equal(plain(JSON.parse(text) ?? []), plain(list));
  } catch {
    return false;
  }
}

/** Notes in the guest which run of dockerd has loaded what. */
async function noteLoaded(job: Job, noted: Omit<Loaded, "invocationId">): Promise<void> {
  const facts = await (await job.guest()).look({ units: ["docker.service"] });
  const unit = facts.unit("docker.service");
  if (unit.state !== "present") throw new UserError("The guest does not tell which run of dockerd this is");
  const loaded: Loaded = { invocationId: unit.value.invocationId, ...noted };
  await job.owned.run({ what: "Noting what dockerd has loaded", ops: [], applied: { [ADDRESS]: loaded } });
}
