import type { Job } from "../contract.ts";
import type { OwnedOp } from "../owned.ts";
import { ADDRESS } from "./daemon_config.ts";

/** dockerd waits this long for containers to end (dockerd(8), shutdown-timeout), under emulation longer. */
const STOP_MS = 300_000;

/**
 * Switches docker off, in one script that can be made again wherever it was cut off: its socket first, which would start
 * it anew; then what `live-restore` has left running; then what we have written. Images, containers and volumes stay.
 */
export async function retireDocker(job: Job): Promise<void> {
  const { files } = await job.owned.read();
  const ours = Object.keys(files).filter((path) => path.startsWith("/etc/docker/")).sort();
  const { machine } = job.world;
  const ops: OwnedOp[] = [
    { op: "retire-unit", unit: "docker.socket" },
    { op: "retire-unit", unit: "docker.service" },
    { op: "end-tasks", only: "moby" },
    // With another engine that is containerd's own business.
    ...(machine?.runtime.engine === "none"
      ? [{ op: "retire-unit", unit: "containerd.service" } as const]
      : []),
    ...(machine ? [{ op: "leave-group", user: machine.user.name, group: "docker" } as const] : []),
    ...ours.map((path): OwnedOp => ({ op: "disown", path })),
  ];
  job.progress("stopping docker and its containers");
  const change = { what: "Switching docker off", ops, forgotten: [ADDRESS], timeoutMs: STOP_MS };
  await job.owned.run(change, job.signal);
}
