import { UserError } from "../../host/errors.ts";
import type { Job } from "../contract.ts";
import type { OwnedOp } from "../owned.ts";
import { CONTAINERD_CERTS, oursBelow } from "../registry_files.ts";
import { PROXY_DROP_IN } from "./drop_in.ts";
import { ADDRESS, CONFIG_TOML, UNIT } from "./found.ts";
import { SHUTDOWN_FILE, SHUTDOWN_UNIT } from "./shutdown.ts";
import { DOCKER_NAMESPACE } from "./tasks.ts";

/** Containers have ten seconds to end by themselves, one after another under emulation. */
const STOP_MS = 300_000;

/**
 * Takes containerd away as an engine: its containers stop, its files give way to the distribution's. dockerd goes on
 * with a containerd of the distribution's configuration; without an engine it is stopped and disabled. Containers and
 * images stay where they are.
 */
export async function retire(job: Job): Promise<void> {
  const end = { op: "end-tasks", except: DOCKER_NAMESPACE } as const;
  const isThere = await stateNow(job) !== "missing";
  if (isThere) {
    job.progress("stopping containers");
    // Shims outlive a containerd that is down: only a running one can stop what they run.
    const start = { op: "systemctl", args: ["start", UNIT], lenient: true } as const;
    const result = await (await job.guest()).perform([start, end], {
      timeoutMs: STOP_MS,
      signal: job.signal,
    });
    if (!result.ok) throw new UserError("Containers cannot be stopped", { output: result.output });
  }
  const isUp = isThere && await stateNow(job) === "active";
  const { files } = await job.owned.read();
  const ours = [
    ...[CONFIG_TOML, PROXY_DROP_IN, SHUTDOWN_FILE.path].filter((path) => path in files),
    ...oursBelow(CONTAINERD_CERTS, files),
  ];
  const isForDocker = job.world.machine?.runtime.engine === "docker";
  const ops: OwnedOp[] = [
    // Its stop ends what a containerd that is down could not be asked to end.
    { op: "retire-unit", unit: SHUTDOWN_UNIT },
    ...ours.map((path): OwnedOp => ({ op: "disown", path })),
    { op: "systemctl", args: ["daemon-reload"] },
    { op: "systemctl", args: ["reset-failed", UNIT], lenient: true },
    // One that does not come up with our configuration may do so with the distribution's. It may just as well wait for
    // a disk that a later step brings: then docker's own start says what is wrong, if it still is.
    ...(isThere && (isForDocker || !isUp)
      ? [{ op: "systemctl", args: ["restart", UNIT], lenient: true } as const, end]
      : []),
    ...(isForDocker ? [] : [{ op: "retire-unit", unit: UNIT } as const]),
  ];
  const change = { what: "Taking containerd away", ops, forgotten: [ADDRESS], timeoutMs: STOP_MS };
  await job.owned.run(change, job.signal);
}

async function stateNow(job: Job): Promise<string> {
  const unit = (await (await job.guest()).look({ units: [UNIT] }, { signal: job.signal })).unit(UNIT);
  if (unit.state === "unknown") throw new UserError(`The state of containerd is not known: ${unit.reason}`);
  return unit.state === "absent" ? "missing" : unit.value.activeState;
}
