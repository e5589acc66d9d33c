import { join } from "node:path";
import { ensurePrivateDir } from "../host/files.ts";
import { withLock } from "../host/lock.ts";
import type { Job } from "./contract.ts";

const TIMEOUT_MS = 30_000;

/** Does some work on a file that all machines share: one command at a time, whichever machine it works on. */
export async function withHostLock(job: Job, what: string, work: () => Promise<void>): Promise<void> {
  const { cacheDir } = job.world;
  await ensurePrivateDir(cacheDir); // the cache may be emptied at any time
  const options = { command: `machine, for "${job.world.name}"`, timeoutMs: TIMEOUT_MS, signal: job.signal };
  await withLock(join(cacheDir, `${what}.lock`), options, work);
}
