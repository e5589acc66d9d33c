import { messageOf, UserError } from "../../host/errors.ts";
import type { Job } from "../contract.ts";
import { ensureEngine } from "../engine_packages.ts";
import { authoritiesInForce, wantedProxy } from "../network_facts.ts";
import type { OwnedOp } from "../owned.ts";
import { CONTAINERD_CERTS, fileOps, oursBelow } from "../registry_files.ts";
import { compareTrees, configText, type ConfigTree, hasCri, isBad, wantedConfig } from "./config_tree.ts";
import { PROXY_DROP_IN, proxyDropIn } from "./drop_in.ts";
import {
  ADDRESS,
  CONFIG_TOML,
  containerdQuery,
  type FoundContainerd,
  type Loaded,
  observeContainerd,
  UNIT,
  type WantedContainerd,
} from "./found.ts";
import { hostFiles } from "./hosts.ts";
import { SHUTDOWN_FILE, SHUTDOWN_UNIT } from "./shutdown.ts";

const CANDIDATE = "/etc/containerd/config.toml.machine-new";
const CHECK_MS = 60_000;
const RESTART_MS = 180_000;

/** Nothing was seen to be loaded yet: the mark that this engine is ours. */
const NOTHING_LOADED: Loaded = { invocationId: "", config: {}, proxy: "", ids: [] };

/** Makes containerd what is wanted: installed, configured, in force, enabled and running. */
export async function bringUp(job: Job, desired: WantedContainerd): Promise<void> {
  const { applied } = await job.owned.read();
  // Noted before anything is done, so that it can be undone wherever it is cut off.
  await job.owned.run({
    what: "Noting containerd",
    ops: [],
    claimed: { [ADDRESS]: applied[ADDRESS] ?? NOTHING_LOADED },
  });
  await ensureEngine(job, "containerd");
  await writeFiles(job);
  const { found, text } = await lookNow(job, desired);
  const wanted = wantedConfig(found.distribution, desired.settings);
  const next = configText(wanted);
  const isOurs = CONFIG_TOML in (await job.owned.read()).files;
  if (next !== text || !isOurs) {
    await validate(job, next);
    await writeConfig(job, next);
  }
  try {
    await bringIntoForce(job, {
      running: found.trust !== undefined,
      isFresh: isInForce(found, { wanted, desired }),
      cri: hasCri(wanted),
    });
  } catch (error) {
    if (next === text) throw error;
    await rollBack(job, { former: isOurs ? text : undefined, error });
  }
  await noteLoaded(job, {
    config: wanted,
    proxy: desired.proxy.hash,
    ids: desired.authorities.map(({ id }) => id),
  });
}

/** Whether the running containerd has read all that it is to read. */
function isInForce(
  { inForce, proxy, trust }: FoundContainerd,
  { wanted, desired }: { readonly wanted: ConfigTree; readonly desired: WantedContainerd },
): boolean {
  return inForce !== undefined && !isBad(inForce) && compareTrees(inForce, wanted).length === 0 &&
    proxy.inForce === desired.proxy.hash &&
    trust !== undefined && authoritiesInForce(desired.authorities, trust);
}

/** The registries' files, which are read at each pull, and the unit's drop-in. */
async function writeFiles(job: Job): Promise<void> {
  const files = await hostFiles(job.world.machine!);
  const dropIn = proxyDropIn(wantedProxy(job.world));
  const ours = (await job.owned.read()).files;
  const ops: OwnedOp[] = [
    ...fileOps(files, oursBelow(CONTAINERD_CERTS, ours)),
    { op: "own", file: SHUTDOWN_FILE },
  ];
  if (dropIn) ops.push({ op: "own", file: { path: PROXY_DROP_IN, ...dropIn } });
  else if (PROXY_DROP_IN in ours) ops.push({ op: "disown", path: PROXY_DROP_IN });
  ops.push({ op: "systemctl", args: ["daemon-reload"] });
  await job.owned.run({ what: "Writing what containerd is told of registries and proxies", ops }, job.signal);
}

/**
 * What is there at this moment, by a look of its own: a former step of this round may have started the daemon anew,
 * with whatever stood in the file then.
 */
async function lookNow(
  job: Job,
  desired: WantedContainerd,
): Promise<{ readonly found: FoundContainerd; readonly text: string | undefined }> {
  const facts = await (await job.guest()).look(containerdQuery(desired), { signal: job.signal });
  const observed = observeContainerd(facts, desired);
  if (observed.state !== "present") {
    const reason = observed.state === "unknown" ? observed.reason : "its list has lost the note of it";
    throw new UserError(`The guest does not tell the state of containerd: ${reason}`);
  }
  const file = facts.file(CONFIG_TOML);
  return { found: observed.value, text: file.state === "present" ? file.value.text : undefined };
}

/** Lets containerd judge the file before it replaces the one in force. */
async function validate(job: Job, text: string): Promise<void> {
  job.progress("checking config.toml with containerd");
  const guest = await job.guest();
  const candidate = { path: CANDIDATE, content: text, mode: "0600" };
  const ops = [{ op: "write", files: [candidate] }, { op: "check-containerd", path: CANDIDATE }] as const;
  const result = await guest.perform(ops, { timeoutMs: CHECK_MS, signal: job.signal });
  await guest.perform([{ op: "remove", path: CANDIDATE }]);
  if (!result.ok) {
    throw new UserError(
      "containerd refuses the configuration in runtime.containerd.config; the former one is untouched",
      { output: result.output },
    );
  }
}

/** Puts a config.toml in place; the distribution's own when there is no text. */
async function writeConfig(job: Job, text: string | undefined): Promise<void> {
  const op: OwnedOp = text === undefined
    ? { op: "disown", path: CONFIG_TOML }
    // It may hold what lets in at a registry.
    : { op: "own", file: { path: CONFIG_TOML, content: text, mode: "0600" } };
  await job.owned.run({ what: "Writing config.toml", ops: [op] }, job.signal);
}

/** Enables containerd, and starts it, anew where the running one has read something else. */
async function bringIntoForce(
  job: Job,
  now: { readonly running: boolean; readonly isFresh: boolean; readonly cri: boolean },
): Promise<void> {
  const isFresh = now.running && now.isFresh;
  if (!isFresh) {
    job.progress(now.running ? "restarting containerd; containers keep running" : "starting containerd");
  }
  const result = await (await job.guest()).perform([
    { op: "want-units", target: "multi-user.target", units: [UNIT, SHUTDOWN_UNIT] },
    { op: "systemctl", args: ["reset-failed", UNIT], lenient: true },
    { op: "systemctl", args: [isFresh ? "start" : "restart", UNIT], journal: UNIT },
    { op: "systemctl", args: ["start", SHUTDOWN_UNIT] },
    { op: "resume-tasks" },
    // A plugin that cannot start does not keep containerd from starting without it.
    ...(now.cri ? [{ op: "check-plugin", id: "cri" } as const] : []),
  ], { timeoutMs: RESTART_MS, signal: job.signal });
  if (!result.ok) throw new UserError("It does not come up", { output: result.output });
}

/** The former file comes back when containerd does not take the new one. */
async function rollBack(
  job: Job,
  { former, error }: { readonly former: string | undefined; readonly error: unknown },
): Promise<never> {
  job.progress("putting the former config.toml back");
  await writeConfig(job, former);
  const result = await (await job.guest()).perform([
    { op: "systemctl", args: ["reset-failed", UNIT], lenient: true },
    { op: "systemctl", args: ["restart", UNIT], journal: UNIT },
  ], { timeoutMs: RESTART_MS, signal: job.signal });
  const after = result.ok ? "the former one is in force again" : "the former one does not start either";
  throw new UserError(`containerd does not take the new configuration: ${messageOf(error)}; ${after}`, {
    cause: error,
    output: (error instanceof UserError ? error.output : undefined) ?? result.output,
  });
}

/** Notes in the guest which run of containerd has loaded what. */
async function noteLoaded(job: Job, loaded: Omit<Loaded, "invocationId">): Promise<void> {
  const unit = (await (await job.guest()).look({ units: [UNIT] })).unit(UNIT);
  if (unit.state !== "present") {
    throw new UserError("The guest does not tell which run of containerd this is");
  }
  const note: Loaded = { invocationId: unit.value.invocationId, ...loaded };
  await job.owned.run({ what: "Noting what containerd has loaded", ops: [], applied: { [ADDRESS]: note } });
}
