import type { Engine } from "../config/types.ts";
import { UserError } from "../host/errors.ts";
import { packagesFor } from "../image/packages.ts";
import type { Job } from "./contract.ts";

/** Under emulation apt unpacks docker and what belongs to it in three minutes. */
const INSTALL_MS = 900_000;

/** Installs what an engine needs and the guest lacks: its image may have been made for another engine. */
export async function ensurePackages(job: Job, engine: Engine): Promise<void> {
  const names = packagesFor(engine);
  const guest = await job.guest();
  const facts = await guest.look({ packages: names });
  const missing = names.filter((name) => facts.package(name).state !== "present");
  if (missing.length === 0) return;
  job.progress(`installing ${missing.join(", ")} in the guest`);
  const options = { timeoutMs: INSTALL_MS, signal: job.signal };
  const result = await guest.perform([{ op: "install-packages", names: missing }], options);
  if (!result.ok) {
    throw new UserError(`${engine} cannot be installed in the guest`, { output: result.output });
  }
}
