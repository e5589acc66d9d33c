import type { CachedRelease } from "../../artifacts/fetch.ts";
import type { Release } from "../../artifacts/catalogue.ts";
import { UserError } from "../../host/errors.ts";
import type { Job } from "../contract.ts";
import type { OwnedStore } from "../owned.ts";
import { PROGRAMS } from "./files.ts";

/** What is noted of a program in the guest. */
export interface ProgramNote {
  /** SHA-256 in hex. */
  readonly digest: string;
  /** What tells without reading it whether it is still the same. */
  readonly stamp: string;
}

/** A program that has arrived in the guest, and the place that it is for. */
export interface ArrivedProgram {
  readonly path: string;
  readonly name: string;
  readonly digest: string;
}

/** Under emulation ssh brings about 20 MiB a second. */
const COPY_MS = 900_000;
/** Reading all programs, to tell whether they are ours. */
const HASH_MS = 120_000;

/** Archives on their way, by the round that wants them. */
const fetches = new WeakMap<OwnedStore, Promise<CachedRelease>>();

/**
 * Brings the archive into the cache while everything still runs as before. When it cannot be had, that is said by the
 * step itself: the rest of the round needs it not.
 */
export async function fetchEarly(job: Job, release: Release): Promise<void> {
  await fetchOnce(job, release).catch(() => {});
}

function fetchOnce(job: Job, release: Release): Promise<CachedRelease> {
  const known = fetches.get(job.owned);
  if (known) return known;
  const fetching = fetchFor(job, release);
  fetches.set(job.owned, fetching);
  return fetching;
}

async function fetchFor({ world, progress, signal }: Job, release: Release): Promise<CachedRelease> {
  try {
    return await world.platform.artifacts.fetch(release, {
      settings: world.machine!.artifacts,
      cacheDir: world.cacheDir,
      onProgress: progress,
      onWait: (holder) => progress(`waiting for ${holder?.command ?? "another command"} to fetch it`),
      signal,
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const ways = "artifacts.mirror names another place, machine artifacts fetch tries again, " +
      "runtime.containerd.nerdctl: false does without";
    throw new UserError(error.message, {
      hint: error.hint === undefined ? ways : `${error.hint}. Else: ${ways}`,
      exitCode: error.exitCode,
      cause: error,
      ...(error.output === undefined ? {} : { output: error.output }),
    });
  }
}

/** What is wanted of the programs, and what is known of those that are there. */
export interface ProgramsWish {
  readonly release: Release;
  /** Of the same version; empty when another one was put in. */
  readonly noted: Readonly<Record<string, ProgramNote>>;
}

/** Copies those programs into the guest that are not there as released; each travels once. */
export async function copyPrograms(job: Job, { release, noted }: ProgramsWish): Promise<ArrivedProgram[]> {
  const guest = await job.guest();
  job.progress("comparing the programs in the guest");
  const paths = PROGRAMS.map(({ path }) => path).filter((path) => path in noted);
  const facts = paths.length === 0
    ? undefined
    : await guest.look({ hashes: paths }, { timeoutMs: HASH_MS, signal: job.signal });
  const missing = PROGRAMS.filter(({ path }) => {
    const fact = facts?.file(path);
    return fact?.state !== "present" || fact.value.sha256 !== noted[path]!.digest;
  });
  if (missing.length === 0) return [];
  const { path: archive } = await fetchOnce(job, release);
  job.progress(`unpacking ${release.fileName}`);
  await using unpacked = await job.world.platform.artifacts.unpack(
    archive,
    missing.map(({ member }) => member),
    job.signal,
  );
  const arrived: ArrivedProgram[] = [];
  for (const { member, path } of missing) {
    const file = unpacked.members.find(({ name }) => name === member)!;
    const name = path.slice(path.lastIndexOf("/") + 1);
    job.progress(`copying ${name} into the guest (${Math.ceil(file.sizeBytes / 2 ** 20)} MiB)`);
    const { digest } = file;
    const result = await guest.copyIn({ source: file.path, name, digest }, {
      timeoutMs: COPY_MS,
      signal: job.signal,
    });
    if (!result.ok) throw new UserError(`${name} cannot be copied into the guest`, { output: result.output });
    arrived.push({ path, name, digest });
  }
  return arrived;
}
