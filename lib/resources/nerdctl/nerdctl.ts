import { neededOf, type Release } from "../../artifacts/catalogue.ts";
import { effectOf } from "../../config/effects.ts";
import type { GuestFacts } from "../../guest/query.ts";
import { sha256 } from "../../host/files.ts";
import type { Observed } from "../../plan/types.ts";
import { changeAt, Differences } from "../change.ts";
import type { Kind, World } from "../contract.ts";
import { guestKind, type Sight } from "../guest_kind.ts";
import { ownedOf } from "../owned.ts";
import {
  copyPrograms,
  fetchEarly,
  notePrograms,
  otherPrograms,
  type Program,
  type ProgramNotes,
} from "../release_programs.ts";
import {
  BUILDKIT_UNIT,
  FILES,
  PROGRAM_PATHS,
  programsOf,
  READ_AT_START,
  type TextFile,
  textFiles,
} from "./files.ts";

export const ADDRESS = "nerdctl";
const KEY = "runtime.containerd.nerdctl";
const WITHOUT = `${KEY}: false does without`;

/** nerdctl as wanted. */
interface WantedNerdctl {
  readonly release: Release;
  readonly programs: readonly Program[];
  readonly files: readonly TextFile[];
}

/** What the guest's list says of it. */
interface NerdctlNote {
  readonly programs: ProgramNotes;
}

/** nerdctl as found. */
interface FoundNerdctl {
  /** Programs that are not as they were put in, with what they are: missing, changed, of another version. */
  readonly otherPrograms: Readonly<Record<string, string>>;
  /** SHA-256 of each of our files that is there. */
  readonly hashes: Readonly<Record<string, string>>;
  /** What buildkitd is, where it is not both active and enabled. */
  readonly notUp: string | undefined;
  /** Whether buildkitd was started before what it reads was written. */
  readonly isStale: boolean;
}

const row = guestKind<WantedNerdctl, FoundNerdctl>({
  kind: ADDRESS,
  phase: 12,
  path: () => KEY,
  dependsOn: (_address, desired) => desired ? ["vm", "folders", "engine:containerd"] : ["vm", "folders"],
  desired: (world) => {
    const wanted = wantedNerdctl(world);
    return new Map(wanted ? [[ADDRESS, wanted]] : []);
  },
  query: () => ({ files: FILES, stamps: PROGRAM_PATHS, units: [BUILDKIT_UNIT] }),
  read: observeNerdctl,
  compare({ release, files }, observed) {
    const found = new Differences();
    for (const [path, is] of Object.entries(observed.otherPrograms)) {
      found.add(path, is, release.version, { key: KEY, isTold: true });
    }
    for (const { path, content } of files) {
      const hash = observed.hashes[path];
      if (hash === sha256(content)) continue;
      found.add(path, hash === undefined ? "missing" : "another content", "ours", { key: KEY, isTold: true });
    }
    if (observed.notUp !== undefined) {
      const isPassing = observed.notUp === "activating, enabled";
      found.changes.push({
        path: BUILDKIT_UNIT,
        before: observed.notUp,
        after: "active, enabled",
        effect: effectOf("unit"),
        ...(isPassing ? { isPassing } : {}),
      });
    } else if (observed.isStale && found.changes.length === 0) {
      found.changes.push(
        changeAt(BUILDKIT_UNIT, { before: "started before its settings", after: "with its settings" }, {
          key: KEY,
          isTold: true,
        }),
      );
    }
    return found.changes;
  },
  expected: ({ files }) => ({
    otherPrograms: {},
    hashes: Object.fromEntries(files.map(({ path, content }) => [path, sha256(content)])),
    notUp: undefined,
    isStale: false,
  }),
  creation: ({ release }) => ({
    effect: effectOf(KEY),
    reason: `nerdctl ${release.version} and BuildKit, from ${release.fileName}`,
  }),
  removal: () => ({ effect: effectOf(KEY), reason: "BuildKit's cache stays on the data disk" }),
  // Together with what else is applied, this is done by `apply` below.
  change: () => Promise.reject(new Error("nerdctl is applied in two changes")),
  alone: true,
  undoing: () => ({
    what: "Removing nerdctl",
    ops: [
      { op: "retire-unit", unit: BUILDKIT_UNIT },
      ...[...FILES, ...PROGRAM_PATHS].map((path) => ({ op: "disown", path }) as const),
      { op: "systemctl", args: ["daemon-reload"] },
    ],
    forgotten: [ADDRESS],
  }),
});

/** nerdctl and BuildKit in the guest, out of a release: programs, settings, and buildkitd running with them. */
export const nerdctlKind: Kind<WantedNerdctl, unknown> = {
  ...row,
  compare: (desired, observed) => row.compare(desired, observed as FoundNerdctl),
  preflight: async (jobs) => {
    for (const { job, desired } of jobs) {
      if (desired) await fetchEarly(job, { releases: [desired.release], without: WITHOUT });
    }
  },
  async apply(job, { release, programs, files }) {
    const note = (await job.owned.read()).applied[ADDRESS] as NerdctlNote | undefined;
    const arrived = await copyPrograms(job, { programs, noted: note?.programs ?? {}, without: WITHOUT });
    job.progress("putting nerdctl and BuildKit in their places");
    await job.owned.run({
      what: "Putting in nerdctl",
      // Until all of it is there, nothing is known of the programs: another apply looks at each again.
      claimed: { [ADDRESS]: { programs: {} } },
      ops: [
        ...arrived.map((file) => ({ op: "own-arrived", ...file, mode: "0755" }) as const),
        ...files.map((file) => ({ op: "own", file }) as const),
        { op: "systemctl", args: ["daemon-reload"] },
        { op: "want-units", target: "multi-user.target", units: [BUILDKIT_UNIT] },
        { op: "systemctl", args: ["restart", BUILDKIT_UNIT], journal: BUILDKIT_UNIT },
      ],
      timeoutMs: 180_000,
    }, job.signal);
    await job.owned.run({
      what: `Noting nerdctl ${release.version}`,
      ops: [],
      applied: { [ADDRESS]: { programs: await notePrograms(job, programs) } },
    }, job.signal);
  },
};

function wantedNerdctl({ machine }: World): WantedNerdctl | undefined {
  const release = machine && neededOf(ADDRESS, machine);
  return release && { release, programs: programsOf(release), files: textFiles(machine) };
}

function observeNerdctl({ facts, note }: Sight, wanted: WantedNerdctl | undefined): Observed<FoundNerdctl> {
  const unit = facts.unit(BUILDKIT_UNIT);
  if (unit.state === "unknown") return unit;
  const noted = (note as NerdctlNote | undefined)?.programs ?? {};
  const others = otherPrograms(facts, wanted?.programs ?? [], noted);
  if ("unknown" in others) return { state: "unknown", reason: others.unknown };
  const hashes: Record<string, string> = {};
  for (const path of FILES) {
    const fact = facts.file(path);
    if (fact.state === "unknown") return fact;
    if (fact.state === "present") hashes[path] = fact.value.sha256;
  }
  // Somebody's own nerdctl is no half of ours.
  const isAnything = note !== undefined || FILES.some((path) => path in ownedOf(facts).files);
  if (!isAnything) return { state: "absent" };
  const isUp = unit.state === "present" && unit.value.activeState === "active" &&
    unit.value.unitFileState === "enabled";
  return {
    state: "present",
    owned: true,
    value: {
      otherPrograms: others,
      hashes,
      notUp: isUp
        ? undefined
        : unit.state === "present"
        ? `${unit.value.activeState}, ${unit.value.unitFileState}`
        : "missing",
      isStale: isUp && (unit.value.needReload || wasWrittenAfter(facts, unit.value.startedMs)),
    },
  };
}

function wasWrittenAfter(facts: GuestFacts, startedMs: number): boolean {
  return READ_AT_START.some((path) => {
    const fact = facts.file(path);
    return fact.state === "present" && fact.value.mtimeMs > startedMs;
  });
}
