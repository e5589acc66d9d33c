import type { Release } from "../../artifacts/catalogue.ts";
import { effectOf } from "../../config/effects.ts";
import type { CniNetwork } from "../../config/types.ts";
import { UserError } from "../../host/errors.ts";
import { sha256 } from "../../host/files.ts";
import type { Observed } from "../../plan/types.ts";
import { Differences } from "../change.ts";
import type { Job, Kind, World } from "../contract.ts";
import { ensurePackages } from "../engine_packages.ts";
import { guestKind, type Sight } from "../guest_kind.ts";
import { type Owned, ownedOf } from "../owned.ts";
import {
  copyPrograms,
  fetchEarly,
  notePrograms,
  otherPrograms,
  type Program,
  type ProgramNotes,
} from "../release_programs.ts";
import {
  before,
  BRIDGE,
  CONFLIST,
  CONFLIST_FOLDER,
  conflistText,
  others,
  PLUGIN_FOLDERS,
} from "./conflist.ts";
import { pluginPaths, releasedPlugins } from "./programs.ts";

export const ADDRESS = "cni";
const KEY = "cni.network";
const WITHOUT = "cni.plugins.source: package takes Debian's plugins";
const PACKAGE = "containernetworking-plugins";

/** The network of containers as wanted. */
interface WantedCni {
  readonly network: CniNetwork;
  /** `undefined`: somebody else brings one. */
  readonly conflist: string | undefined;
  /** Plugins out of releases; none where they are Debian's. */
  readonly programs: readonly Program[];
  /** Debian's package with plugins, where these are wanted. */
  readonly packages: readonly string[];
  /** Where all plugins of the network have to be. */
  readonly paths: readonly string[];
}

/** What the guest's list says of it. */
type CniNote = {
  readonly network: CniNetwork["kind"];
  readonly programs: ProgramNotes;
};

/** The network of containers as found. */
interface FoundCni {
  /** What stands at the conflist's place: its hash. */
  readonly conflist: string | undefined;
  /** What it was put in for, while it is as it was. */
  readonly network: CniNetwork["kind"] | undefined;
  /** Plugins out of releases that are not as they were put in, with what they are. */
  readonly otherPrograms: Readonly<Record<string, string>>;
  /** Of those out of releases, the ones that no network needs any more. */
  readonly spare: readonly string[];
}

const row = guestKind<WantedCni, FoundCni>({
  kind: ADDRESS,
  // Before the engine by its name: the first container finds it.
  phase: 12,
  path: () => ADDRESS,
  dependsOn: () => ["vm", "folders"],
  desired: (world) => {
    const wanted = wantedCni(world);
    return new Map(wanted ? [[ADDRESS, wanted]] : []);
  },
  query: (world) => ({
    files: [CONFLIST],
    folders: [CONFLIST_FOLDER],
    stamps: wantedCni(world)?.programs.map(({ path }) => path) ?? [],
  }),
  read: observeCni,
  compare({ conflist, network, programs }, observed) {
    const found = new Differences();
    const wanted = conflist && sha256(conflist);
    if (observed.conflist !== wanted) {
      const other = observed.network === network.kind ? undefined : observed.network;
      const is = observed.conflist === undefined ? "none" : other ?? "another one";
      found.add(KEY, is, network.kind, { isTold: true });
    }
    for (const [path, is] of Object.entries(observed.otherPrograms)) {
      const release = programs.find((program) => program.path === path)?.release;
      // What was wanted before may not have it, and had another version.
      if (release === undefined || is === release.version) continue;
      found.add(path, is, release.version, { key: "cni.plugins.version", isTold: true });
    }
    for (const path of spareOf(observed.spare, programs)) {
      found.add(path, "not needed any more", "gone", { key: "cni.plugins.version", isTold: true });
    }
    return found.changes;
  },
  expected: ({ conflist, network }) => ({
    conflist: conflist && sha256(conflist),
    network: network.kind,
    otherPrograms: {},
    spare: [],
  }),
  refusal: ({ machine }, { programs }) => {
    const both = machine?.files.find(({ path }) => programs.some((program) => program.path === path));
    return both && `"files" brings ${both.path}, and so does the release of plugins: take one of them out`;
  },
  removal: () => ({ effect: effectOf(KEY) }),
  // Together with what else is applied, this is done by `apply` below.
  change: () => Promise.reject(new Error("cni is applied in several changes")),
  alone: true,
  undoing: async (job) => {
    const plugins = ourPlugins(await job.owned.read());
    return {
      what: "Removing the network of containers",
      ops: [
        ...[CONFLIST, ...plugins].map((path) => ({ op: "disown", path }) as const),
        { op: "drop-bridge", name: BRIDGE },
      ],
      forgotten: [ADDRESS],
    };
  },
});

/** The network that containerd gives containers: one conflist, with the plugins that it names. */
export const cniKind: Kind<WantedCni, unknown> = {
  ...row,
  compare: (desired, observed) => row.compare(desired, observed as FoundCni),
  creation: (_world, { guest }, { network, programs }) => {
    const names = guest.state === "facts" ? guest.facts.names(CONFLIST_FOLDER) : undefined;
    const beside = names?.state === "present" ? others(names.value) : [];
    return { effect: effectOf(KEY), reason: reasonOf(network, programs, beside) };
  },
  preflight: async (jobs) => {
    for (const { job, desired } of jobs) {
      if (desired) await fetchEarly(job, { releases: releasesOf(desired), without: WITHOUT });
    }
  },
  async apply(job, desired) {
    const { programs, packages, conflist } = desired;
    const owned = await job.owned.read();
    const note = owned.applied[ADDRESS] as CniNote | undefined;
    const arrived = await copyPrograms(job, { programs, noted: note?.programs ?? {}, without: WITHOUT });
    await ensurePackages(job, { names: packages, what: "CNI's plugins" });
    await job.owned.run({
      what: "Putting in CNI's plugins",
      // Until all of it is there, nothing is known of the plugins: another apply looks at each again.
      claimed: { [ADDRESS]: { network: note?.network ?? "none", programs: note?.programs ?? {} } },
      ops: arrived.map((file) => ({ op: "own-arrived", ...file, mode: "0755" }) as const),
    }, job.signal);
    await requirePlugins(job, desired);
    await job.owned.run({
      what: "Writing the network of containers",
      ops: [
        conflist === undefined
          ? { op: "disown", path: CONFLIST }
          : { op: "own", file: { path: CONFLIST, content: conflist, mode: "0644" } },
        ...spareOf(ourPlugins(owned), programs).map((path) => ({ op: "disown", path }) as const),
        ...desired.network.kind === "bridge" ? [] : [{ op: "drop-bridge", name: BRIDGE } as const],
      ],
      applied: { [ADDRESS]: { network: desired.network.kind, programs: await notePrograms(job, programs) } },
    }, job.signal);
  },
};

function wantedCni({ machine }: World): WantedCni | undefined {
  if (machine?.runtime.engine !== "containerd") return undefined;
  const { network, plugins } = machine.cni;
  // Nothing of ours is left to be there.
  if (network.kind === "none" && plugins.source === "package") return undefined;
  return {
    network,
    conflist: conflistText(network),
    programs: releasedPlugins(machine),
    packages: plugins.source === "package" ? [PACKAGE] : [],
    paths: pluginPaths(machine),
  };
}

function releasesOf({ programs }: WantedCni): readonly Release[] {
  return [...new Set(programs.map(({ release }) => release))];
}

function reasonOf(network: CniNetwork, programs: readonly Program[], beside: readonly string[]): string {
  const words = {
    bridge: "containers of containerd get a bridge of the guest's own",
    flannel: "containers of containerd join flannel's network",
    none: "no network; only its plugins",
    own: "containers of containerd get the network of the file",
  };
  const [first] = programs;
  return [
    words[network.kind],
    ...first === undefined ? [] : [`from ${first.release.fileName}`],
    ...beside.length === 0 ? [] : [`comes before ${beside.join(", ")}`],
  ].join("; ");
}

function observeCni({ facts, note }: Sight, wanted: WantedCni | undefined): Observed<FoundCni> {
  const [names, file] = [facts.names(CONFLIST_FOLDER), facts.file(CONFLIST)];
  if (names.state === "unknown") return names;
  if (file.state === "unknown") return file;
  const there = names.state === "present" ? names.value : [];
  const [rival] = before(there);
  if (wanted?.conflist !== undefined && rival !== undefined) {
    return {
      state: "unknown",
      reason:
        `"${CONFLIST_FOLDER}/${rival}" is not ours and comes before ours: remove it, or write cni.network: none`,
    };
  }
  const noted = (note as CniNote | undefined)?.programs ?? {};
  const programs = wanted?.programs ?? [];
  const differing = otherPrograms(facts, programs, noted);
  if ("unknown" in differing) return { state: "unknown", reason: differing.unknown };
  const owned = ownedOf(facts);
  const { files } = owned;
  if (note === undefined && !(CONFLIST in files)) return { state: "absent" };
  const hash = file.state === "present" ? file.value.sha256 : undefined;
  return {
    state: "present",
    owned: true,
    value: {
      conflist: hash,
      network: hash !== undefined && hash === files[CONFLIST]
        ? (note as CniNote | undefined)?.network
        : undefined,
      otherPrograms: differing,
      spare: spareOf(ourPlugins(owned), programs),
    },
  };
}

/**
 * The plugins that we have put in, by the guest's list: it names them also where putting them in was cut off. Those that
 * the user's own files have brought are not among them.
 */
function ourPlugins({ files, applied }: Owned): readonly string[] {
  const isPlugin = (path: string) => PLUGIN_FOLDERS.some((folder) => path.startsWith(`${folder}/`));
  return Object.keys(files).filter((path) => isPlugin(path) && !(`file:${path}` in applied)).sort();
}

function spareOf(ours: readonly string[], programs: readonly Program[]): readonly string[] {
  return ours.filter((path) => !programs.some((program) => program.path === path));
}

/** A network whose plugins are missing would fail at every container's start: it is not put in. */
async function requirePlugins(job: Job, { paths }: WantedCni): Promise<void> {
  const facts = await (await job.guest()).look({ stamps: paths }, { signal: job.signal });
  const missing = paths.filter((path) => {
    const stamp = facts.stamp(path);
    if (stamp.state === "unknown") {
      throw new UserError(`It is not known whether ${path} is there: ${stamp.reason}`);
    }
    return stamp.state === "absent";
  });
  if (missing.length === 0) return;
  throw new UserError(`The network needs plugins that the guest has not: ${missing.join(", ")}`, {
    hint: "cni.plugins.source says where CNI's own come from; others come by files or provision",
  });
}
