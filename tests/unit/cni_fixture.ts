import assert from "node:assert/strict";
import type { CniNetwork, CniSettings, Machine } from "../../lib/config/types.ts";
import type { GuestFacts } from "../../lib/guest/query.ts";
import { sha256 } from "../../lib/host/files.ts";
import { cniKind } from "../../lib/resources/cni/cni.ts";
import { CONFLIST, CONFLIST_FOLDER, conflistText } from "../../lib/resources/cni/conflist.ts";
import { pluginPaths, releasedPlugins } from "../../lib/resources/cni/programs.ts";
import type { World } from "../../lib/resources/contract.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { type Program, stampText } from "../../lib/resources/release_programs.ts";
import { storeOf } from "./artifacts_fixture.ts";
import {
  factsOf,
  linesOf,
  listOf,
  lookOf,
  MACHINE,
  machineOf,
  type OtherAnswers,
  platformOf,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

export const NAME = "05-machine.conflist";
export const PACKAGE = "containernetworking-plugins";
export const VERSION = "1.7.1";
export const STAMP = { mode: "755", owner: "root:root", sizeBytes: 9, changed: "1.000000000" };
/** The plugins that every network needs. */
export const ALWAYS = ["bridge", "host-local", "loopback", "portmap"];
/** Those of the guest's own bridge. */
export const USUAL = ["bridge", "firewall", "host-local", "loopback", "portmap"];
/** Those of flannel's network. */
export const FLANNELS = ["bridge", "flannel", "host-local", "loopback", "portmap"];

export const RELEASE: Partial<CniSettings> = { plugins: { source: "release" } };
export const FLANNEL: Partial<CniSettings> = { network: { kind: "flannel" }, ...RELEASE };

/** A network of the user's own, with plugins beside those that are always needed. */
export function ownNetwork(...types: readonly string[]): CniNetwork {
  const plugins = types.map((type) => ({ type }));
  return { kind: "own", conflist: { cniVersion: "1.0.0", name: "theirs", plugins } };
}

/** A machine with containerd. */
export function machineWith(cni: Partial<CniSettings> = {}, parts: Partial<Machine> = {}): Machine {
  const runtime = { ...MACHINE.runtime, engine: "containerd" as const };
  return machineOf({ runtime, cni: { ...MACHINE.cni, ...cni }, ...parts });
}

/** One with another engine, where what is said of CNI rests. */
export function withEngine(engine: "docker" | "none", cni: Partial<CniSettings> = {}): Machine {
  return { ...machineWith(cni), runtime: { ...MACHINE.runtime, engine } };
}

/** A world whose mirror has everything. */
export function worldWith(machine: Machine, store = storeOf().store): World {
  return worldOf({ machine, platform: platformOf({ artifacts: store }) });
}

/** What a test has otherwise than a machine leaves it. */
export interface Parts extends OtherAnswers {
  readonly files?: Parameters<typeof factsOf>[0];
  /** The version that is noted of plugins. */
  readonly version?: string;
}

/** A guest in which all is as it was put in, but for what a test makes otherwise. */
export function whole(machine: Machine, parts: Parts = {}): GuestFacts {
  const text = conflistText(machine.cni.network);
  const programs = releasedPlugins(machine);
  const note = ({ member, release }: Program) => ({
    digest: sha256(member),
    stamp: stampText(STAMP),
    version: parts.version ?? release.version,
  });
  const notes = Object.fromEntries(programs.map((program) => [program.path, note(program)]));
  const listed = {
    ...text === undefined ? {} : { [CONFLIST]: sha256(text) },
    ...Object.fromEntries(programs.map(({ path, member }) => [path, sha256(member)])),
  };
  return factsOf(
    {
      [OWNED_FILE]: listOf({ cni: { network: machine.cni.network.kind, programs: notes } }, listed),
      [CONFLIST]: text ?? null,
      ...Object.fromEntries(programs.map(({ path, member }) => [path, { text: "", sha256: sha256(member) }])),
      ...parts.files,
    },
    {},
    {
      packages: { [PACKAGE]: "1.7.1-1", ...parts.packages },
      folders: { [CONFLIST_FOLDER]: text === undefined ? null : [NAME], ...parts.folders },
      stamps: { ...Object.fromEntries(allPaths(machine).map((path) => [path, STAMP])), ...parts.stamps },
    },
  );
}

/** A guest without any of it, but with Debian's plugins. */
export function bare(machine: Machine, parts: Parts = {}): GuestFacts {
  return whole(machine, {
    ...parts,
    files: { [OWNED_FILE]: null, [CONFLIST]: null, ...parts.files },
    folders: { [CONFLIST_FOLDER]: null, ...parts.folders },
    stamps: {
      ...Object.fromEntries(releasedPlugins(machine).map(({ path }) => [path, null])),
      ...parts.stamps,
    },
  });
}

function allPaths(machine: Machine): string[] {
  return [...pluginPaths(machine), ...releasedPlugins(machine).map(({ path }) => path)];
}

/** What differs, as `path: before → after`. */
export async function differences(machine: Machine, facts: GuestFacts): Promise<string[]> {
  const [line] = await linesOf(cniKind, { world: worldWith(machine), look: lookOf(facts) });
  assert.deepEqual([line?.address, line?.effect], ["cni", "live"]);
  assert.equal(line?.action, line?.paths.length === 0 ? "none" : "update");
  return line!.paths.map(({ path, before, after }) => `${path}: ${before} → ${after}`);
}

/** The lines of the plan, as texts. */
export function told(machine: Machine, facts: GuestFacts) {
  return toldOf(cniKind, { world: worldWith(machine), look: lookOf(facts) });
}
