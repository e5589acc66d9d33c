import type { Engine } from "../config/types.ts";
import { UserError } from "../host/errors.ts";
import { packagesFor } from "../image/packages.ts";
import type { Job } from "./contract.ts";

/** Under emulation apt unpacks docker and what belongs to it in three minutes. */
const INSTALL_MS = 900_000;

/** Installs what an engine needs and the guest lacks: its image may have been made for another engine. */
export async function ensureEngine(job: Job, engine: Engine): Promise<void> {
  await ensurePackages(job, { names: packagesFor(engine), what: engine });
}

/**
 * Installs packages that something needs and the guest lacks.
 * @throws UserError with apt's words
 */
export async function ensurePackages(
  job: Job,
  { names, what }: { readonly names: readonly string[]; readonly what: string },
): Promise<void> {
  const guest = await job.guest();
  const facts = await guest.look({ packages: names });
  const missing = names.filter((name) => facts.package(name).state !== "present");
  if (missing.length === 0) return;
  job.progress(`installing ${missing.join(", ")} in the guest`);
  const options = { timeoutMs: INSTALL_MS, signal: job.signal };
  const result = await guest.perform([{ op: "install-packages", names: missing }], options);
  if (!result.ok) throw new UserError(`${what} cannot be installed in the guest`, { output: result.output });
}
