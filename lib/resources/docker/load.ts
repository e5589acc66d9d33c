import type { Json } from "../../config/types.ts";
import { waitFor } from "../../host/clock.ts";
import { messageOf, UserError } from "../../host/errors.ts";
import { equal } from "../../plan/equal.ts";
import type { Job } from "../contract.ts";
import type { OwnedOp } from "../owned.ts";
import { type DaemonConfig, daemonText, withRemovedDefaults } from "./daemon_config.ts";
import { ADDRESS, DAEMON_JSON } from "./engine.ts";

/** What the running dockerd was seen to load, kept in the guest's list. */
export type Loaded = {
  /** systemd's id of the run of the service; another one means that it was started anew. */
  readonly invocationId: string;
  readonly config: DaemonConfig;
};

/** How to bring a configuration into force. */
export interface LoadPlan {
  readonly desired: DaemonConfig;
  readonly inForce: DaemonConfig | undefined;
  readonly running: boolean;
  /** The text of the file that stands there now. */
  readonly before: string | undefined;
  readonly needsRestart: boolean;
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
    await writeConfig(job, text);
  }
  try {
    await bringIntoForce(job, plan);
  } catch (error) {
    if (text === plan.before) throw error;
    job.progress("putting the former daemon.json back");
    await writeConfig(job, plan.before);
    const back = await restartDocker(job);
    throw new UserError(
      `dockerd does not take the new configuration: ${messageOf(error)}; ` +
        (back === undefined ? "the former one is in force again" : "the former one does not start either"),
      { cause: error, output: (error instanceof UserError ? error.output : undefined) ?? back ?? "" },
    );
  }
  await noteLoaded(job, plan.desired);
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
  const ops: OwnedOp[] = text === undefined
    ? [{ op: "disown", path: DAEMON_JSON }]
    : [{ op: "own", file: { path: DAEMON_JSON, content: text, mode: "0644" } }];
  await job.owned.run({ what: "Writing daemon.json", ops }, job.signal);
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
  const loud = config["registry-mirrors"];
  if (loud !== undefined && !sameList(event["registry-mirrors"], loud)) {
    throw new UserError(`it reloaded, but has other registry-mirrors in force: ${event["registry-mirrors"]}`);
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

/** The event writes a list as JSON text; dockerd adds a slash to a mirror's address. */
function sameList(text: string | undefined, list: Json): boolean {
  try {
    const plain = (value: unknown) => (value as unknown[]).map((entry) => String(entry).replace(/\/$/, ""));
    return equal(plain(JSON.parse(text ?? "null") ?? []), plain(list));
  } catch {
    return false;
  }
}

/** Notes in the guest which run of dockerd has loaded what. */
async function noteLoaded(job: Job, config: DaemonConfig): Promise<void> {
  const facts = await (await job.guest()).look({ units: ["docker.service"] });
  const unit = facts.unit("docker.service");
  if (unit.state !== "present") throw new UserError("The guest does not tell which run of dockerd this is");
  const loaded: Loaded = { invocationId: unit.value.invocationId, config };
  await job.owned.run({ what: "Noting what dockerd has loaded", ops: [], applied: { [ADDRESS]: loaded } });
}
