import type { CachedRelease } from "../artifacts/fetch.ts";
import type { Release } from "../artifacts/catalogue.ts";
import type { GuestFacts, GuestStamp } from "../guest/query.ts";
import { UserError } from "../host/errors.ts";
import type { Job } from "./contract.ts";
import { ownedOf, type OwnedStore } from "./owned.ts";

/** A program out of a release, and where it stands in the guest. */
export interface Program {
  readonly release: Release;
  /** Its name in the archive. */
  readonly member: string;
  readonly path: string;
}

/** What is noted of a program in the guest. */
export type ProgramNote = {
  /** SHA-256 in hex. */
  readonly digest: string;
  /** What tells without reading it whether it is still the same. */
  readonly stamp: string;
  /** Of its release. */
  readonly version: string;
};

/** Programs in the guest by their paths. */
export type ProgramNotes = Readonly<Record<string, ProgramNote>>;

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

/** Archives on their way, by the round that wants them and their paths in a mirror. */
const fetches = new WeakMap<OwnedStore, Map<string, Promise<CachedRelease>>>();

/** Releases, and what is done by somebody who cannot have them. */
export interface ReleasesWish {
  readonly releases: readonly Release[];
  /** The key that does without, as advice: `runtime.containerd.nerdctl: false does without`. */
  readonly without: string;
}

/**
 * Brings archives into the cache while everything still runs as before. When one cannot be had, that is said by the
 * step itself: the rest of the round needs it not.
 */
export async function fetchEarly(job: Job, { releases, without }: ReleasesWish): Promise<void> {
  for (const release of releases) await fetchOnce(job, { release, without }).catch(() => {});
}

interface ReleaseWish {
  readonly release: Release;
  readonly without: string;
}

function fetchOnce(job: Job, wish: ReleaseWish): Promise<CachedRelease> {
  const known = fetches.get(job.owned) ?? new Map<string, Promise<CachedRelease>>();
  fetches.set(job.owned, known);
  const { path } = wish.release;
  const fetching = known.get(path) ?? fetchFor(job, wish);
  known.set(path, fetching);
  return fetching;
}

async function fetchFor(
  { world, progress, signal }: Job,
  { release, without }: ReleaseWish,
): Promise<CachedRelease> {
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
    const ways = `artifacts.mirror names another place, machine artifacts fetch tries again, ${without}`;
    throw new UserError(error.message, {
      hint: error.hint === undefined ? ways : `${error.hint}. Else: ${ways}`,
      exitCode: error.exitCode,
      cause: error,
      ...(error.output === undefined ? {} : { output: error.output }),
    });
  }
}

/** What is wanted of programs, and what is known of those that are there. */
export interface ProgramsWish {
  readonly programs: readonly Program[];
  readonly noted: ProgramNotes;
  /** See {@link ReleasesWish}. */
  readonly without: string;
}

/** Copies those programs into the guest that are not there as released; each travels once. */
export async function copyPrograms(
  job: Job,
  { programs, noted, without }: ProgramsWish,
): Promise<ArrivedProgram[]> {
  const guest = await job.guest();
  const known = programs.filter(({ path, release }) => noted[path]?.version === release.version)
    .map(({ path }) => path);
  if (known.length > 0) job.progress("comparing the programs in the guest");
  const facts = known.length === 0
    ? undefined
    : await guest.look({ hashes: known }, { timeoutMs: HASH_MS, signal: job.signal });
  const missing = programs.filter(({ path }) => {
    if (!known.includes(path)) return true;
    const fact = facts!.file(path);
    return fact.state !== "present" || fact.value.sha256 !== noted[path]!.digest;
  });
  const arrived: ArrivedProgram[] = [];
  for (const release of new Set(missing.map((program) => program.release))) {
    const ofIt = missing.filter((program) => program.release === release);
    const { path: archive } = await fetchOnce(job, { release, without });
    job.progress(`unpacking ${release.fileName}`);
    await using unpacked = await job.world.platform.artifacts.unpack(
      archive,
      ofIt.map(({ member }) => member),
      job.signal,
    );
    for (const { member, path } of ofIt) {
      const file = unpacked.members.find(({ name }) => name === member)!;
      const name = path.slice(path.lastIndexOf("/") + 1);
      job.progress(`copying ${name} into the guest (${Math.ceil(file.sizeBytes / 2 ** 20)} MiB)`);
      const { digest } = file;
      const result = await guest.copyIn({ source: file.path, name, digest }, {
        timeoutMs: COPY_MS,
        signal: job.signal,
      });
      if (!result.ok) {
        throw new UserError(`${name} cannot be copied into the guest`, { output: result.output });
      }
      arrived.push({ path, name, digest });
    }
  }
  return arrived;
}

/** What to note of programs, as they stand in the guest now. */
export async function notePrograms(job: Job, programs: readonly Program[]): Promise<ProgramNotes> {
  const paths = programs.map(({ path }) => path);
  const facts = await (await job.guest()).look({ stamps: paths }, { signal: job.signal });
  const { files } = await job.owned.read();
  return Object.fromEntries(programs.flatMap(({ path, release }): [string, ProgramNote][] => {
    const stamp = facts.stamp(path);
    if (stamp.state !== "present") return [];
    return [[path, {
      digest: files[path] ?? "",
      stamp: stampText(stamp.value),
      version: release.version,
    }]];
  }));
}

/** A stamp as it is noted. */
export function stampText({ mode, owner, sizeBytes, changed }: GuestStamp): string {
  return `${mode} ${owner} ${sizeBytes} ${changed}`;
}

/** Programs that are not as they were put in, with what they are; the reason where that cannot be told. */
export function otherPrograms(
  facts: GuestFacts,
  programs: readonly Program[],
  noted: ProgramNotes,
): Readonly<Record<string, string>> | { readonly unknown: string } {
  const others: Record<string, string> = {};
  for (const { path, release } of programs) {
    const stamp = facts.stamp(path);
    if (stamp.state === "unknown") return { unknown: stamp.reason };
    const note = noted[path];
    if (stamp.state === "absent") others[path] = "missing";
    else if (note === undefined) others[path] = path in ownedOf(facts).files ? "put in by half" : "not ours";
    else if (note.stamp !== stampText(stamp.value)) others[path] = "changed";
    else if (note.version !== release.version) others[path] = note.version;
  }
  return others;
}
