import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Machine } from "../../lib/config/types.ts";
import type { RunningVm } from "../../lib/drivers/types.ts";
import type { GuestControl } from "../../lib/guest/control.ts";
import type { ArrivingFile, GuestOp, OpsResult } from "../../lib/guest/ops.ts";
import {
  type Fact,
  type GuestFacts,
  type GuestFile,
  type GuestQuery,
  type GuestStamp,
  type GuestUnit,
} from "../../lib/guest/query.ts";
import { sha256 } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import type { Observed, PlannedChange } from "../../lib/plan/types.ts";
import { makePlan } from "../../lib/plan/plan.ts";
import { itemsOf } from "../../lib/apply/items.ts";
import type { AnyKind, Job, Kind, Look, World } from "../../lib/resources/contract.ts";
import { OWNED_FILE, OwnedStore } from "../../lib/resources/owned.ts";
import type { Platform } from "../../lib/resources/platform.ts";
import { type MachineRecord, RecordStore } from "../../lib/resources/record.ts";
import { thisComputer } from "../../lib/resources/this_computer.ts";

/** A home of its own for the machine, the cache, ssh and docker; the variables come back with the test's end. */
export async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir({ prefix: "home-" });
  const values = {
    HOME: home,
    MACHINE_HOME: join(home, ".machine"),
    XDG_CACHE_HOME: join(home, ".cache"),
    DOCKER_CONFIG: join(home, ".docker"),
  };
  const before = Object.keys(values).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  try {
    await work(home);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await Deno.remove(home, { recursive: true });
  }
}

export const MACHINE: Machine = {
  name: "dev",
  protect: false,
  vm: {
    arch: "x86_64",
    accel: "auto",
    cpus: 2,
    memoryMiB: 1024,
    cpu: "auto",
    image: { name: "debian-13", source: "auto" },
    diskMiB: 20480,
    dataDiskMiB: 61440,
    disks: [],
  },
  user: { name: "ada", uid: 1000, shell: "/bin/bash", sudo: true, home: "/home/ada.guest" },
  hostname: "dev",
  timezone: "Europe/Berlin",
  mounts: [],
  env: {},
  packages: { install: [] },
  files: [],
  sysctl: {},
  modules: [],
  network: { proxy: { inherit: true, except: [] }, caCerts: { host: true, files: [] } },
  runtime: {
    engine: "docker",
    registries: [],
    docker: { daemon: {}, context: { name: "machine-dev", current: true } },
    containerd: { cri: true, snapshotter: "overlayfs", nerdctl: true, config: {} },
  },
  cni: { network: { kind: "bridge" }, plugins: { source: "package" } },
  provision: [],
  artifacts: { mirror: "official", offline: false },
  ssh: { port: 0, agent: false, config: false },
};

export const RECORD: MachineRecord = {
  formatVersion: 1,
  name: "dev",
  origin: "/x/machine.yaml",
  createdAt: "2026-11-22T13:00:00.000Z",
  mac: "52:54:00:01:02:03",
  sshPort: 40022,
  dataDiskUuid: "0b9a6c1e-7d8f-4a2b-9c3d-123456789abc",
  applied: {},
  fingerprintKey: "0".repeat(64),
};

/** What is known before a look; the folder is that of MACHINE_HOME. */
export function worldOf(parts: Partial<World> = {}): World {
  return {
    name: "dev",
    machine: MACHINE,
    folder: machineFolder("dev"),
    record: RECORD,
    host: {
      os: "linux",
      arch: "x86_64",
      cpus: 8,
      memoryMiB: 16384,
      user: "ada",
      uid: 1000,
      home: "/home/ada",
      timezone: "Europe/Berlin",
      proxy: { http: "", https: "", except: [] },
    },
    cacheDir: join(Deno.env.get("XDG_CACHE_HOME") ?? "/nowhere", "machine"),
    platform: platformOf({}),
    ...parts,
  };
}

/** The machine with some of it otherwise. */
export function machineOf(parts: Partial<Machine>): Machine {
  return { ...MACHINE, ...parts };
}

/** Parts of a platform. */
type PlatformParts =
  & { readonly [K in "vm" | "disks" | "images" | "agents" | "artifacts"]?: Partial<Platform[K]> }
  & Partial<Pick<Platform, "connect" | "containerdAnswers" | "docker" | "registryLogin" | "trust">>;

/** This computer with parts of it replaced; it trusts nothing but its distribution's set. */
export function platformOf(parts: PlatformParts): Platform {
  return {
    ...thisComputer,
    trust: () => Promise.resolve({ authorities: [], leftOut: [], unreadable: [] }),
    ...parts,
    vm: { ...thisComputer.vm, ...parts.vm },
    disks: { ...thisComputer.disks, ...parts.disks },
    images: { ...thisComputer.images, ...parts.images },
    agents: { ...thisComputer.agents, ...parts.agents },
    artifacts: { ...thisComputer.artifacts, ...parts.artifacts },
  };
}

/** A file as a guest has it: its text, alone or with what else is known of it; `null` is absent. */
export type FileAnswer = string | null | (Partial<GuestFile> & { readonly text: string });

/** The guest's own list of what is ours. */
export function listOf(
  applied: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>> = {},
): string {
  return JSON.stringify({ version: 1, files, applied });
}

/** What else than files a guest answers. */
export interface OtherAnswers {
  readonly packages?: Readonly<Record<string, string | null>>;
  readonly checks?: Readonly<Record<string, boolean>>;
  readonly stamps?: Readonly<Record<string, Partial<GuestStamp> | null>>;
  /** Folders with the names in them. */
  readonly folders?: Readonly<Record<string, readonly string[] | null>>;
}

/** A guest's answer: files, states of units, packages, checks; `null` is absent, all that is not named is unknown. */
export function factsOf(
  files: Readonly<Record<string, FileAnswer>>,
  units: Readonly<Record<string, Partial<GuestUnit> | null>> = {},
  { packages = {}, checks = {}, stamps = {}, folders = {} }: OtherAnswers = {},
): GuestFacts {
  const unknown = { state: "unknown", reason: "the guest did not answer" } as const;
  return {
    bootId: "boot",
    file(path): Fact<GuestFile> {
      const file = files[path];
      if (file === undefined) return unknown;
      if (file === null) return { state: "absent" };
      const parts = typeof file === "string" ? { text: file } : file;
      const usual = { sha256: sha256(parts.text), mode: "644", owner: "root:root", mtimeMs: 1000 };
      return { state: "present", value: { ...usual, ...parts } };
    },
    stamp(path): Fact<GuestStamp> {
      const stamp = stamps[path];
      if (stamp === undefined) return unknown;
      if (stamp === null) return { state: "absent" };
      const usual = { mode: "755", owner: "root:root", sizeBytes: 9, changed: "1.000000000" };
      return { state: "present", value: { ...usual, ...stamp } };
    },
    names(folder): Fact<readonly string[]> {
      const names = folders[folder];
      if (names === undefined) return unknown;
      return names === null ? { state: "absent" } : { state: "present", value: names };
    },
    line(path, line): Fact<boolean> {
      const file = files[path];
      if (file === undefined) return unknown;
      const text = typeof file === "string" ? file : file?.text ?? "";
      return { state: "present", value: text.split("\n").includes(line) };
    },
    unit(name): Fact<GuestUnit> {
      const unit = units[name];
      if (unit === undefined) return unknown;
      if (unit === null) return { state: "absent" };
      const usual = {
        loadState: "loaded",
        activeState: "active",
        unitFileState: "enabled",
        invocationId: "run1",
        startedMs: 2000,
        needReload: false,
      };
      return { state: "present", value: { ...usual, ...unit } };
    },
    package(name): Fact<string> {
      const version = packages[name];
      if (version === undefined) return unknown;
      return version === null ? { state: "absent" } : { state: "present", value: version };
    },
    check(name): Fact<boolean> {
      const value = checks[name];
      return value === undefined ? unknown : { state: "present", value };
    },
  };
}

export const RUNNING: RunningVm = {
  state: "running",
  pid: 1,
  status: "running",
  qemuVersion: "7.2.22",
  accel: "tcg",
  cpu: "max,-cx16",
  cpus: 2,
  memoryMiB: 1024,
  shares: [],
  disks: [{ id: "system", sizeMiB: 20480, backing: "/cache/base.qcow2" }, { id: "data", sizeMiB: 61440 }],
  forwards: [{ protocol: "tcp", host: "127.0.0.1", hostPort: 40022, guestPort: 22 }],
};

/** A look at a machine that runs and whose guest said `facts`. */
export function lookOf(facts: GuestFacts, parts: Partial<Look> = {}): Look {
  return { vm: RUNNING, agent: { state: "absent" }, guest: { state: "facts", facts, mounts: [] }, ...parts };
}

export const UNREACHABLE: Look = {
  vm: RUNNING,
  agent: { state: "absent" },
  guest: { state: "unknown", reason: "no answer" },
};

export const STOPPED: Look = {
  vm: { state: "stopped", crashed: false },
  agent: { state: "absent" },
  guest: { state: "unknown", reason: "known after start", until: "vm" },
};

/** What a kind found at one address. */
export async function observeOne<D, O>(
  kind: Kind<D, O>,
  address: string,
  seen: { readonly world?: World; readonly look: Look },
): Promise<Observed<O> | undefined> {
  const world = seen.world ?? worldOf();
  return (await kind.observe(world, seen.look, await kind.desired(world))).get(address);
}

/** What a kind would say of the difference at one address, as `path effect`. */
export async function compareOne<D, O>(
  kind: Kind<D, O>,
  address: string,
  seen: { readonly world?: World; readonly look: Look },
): Promise<string[]> {
  const world = seen.world ?? worldOf();
  const desired = (await kind.desired(world)).get(address);
  const observed = await observeOne(kind, address, { world, look: seen.look });
  if (desired === undefined || observed?.state !== "present") return [observed?.state ?? "nothing"];
  return kind.compare(desired, observed.value).map(({ path, effect }) => `${path} ${effect}`);
}

/** A guest that remembers what it was asked. */
export interface ToldGuest extends GuestControl {
  readonly looks: GuestQuery[];
  /** What each request was to do. */
  readonly requests: (readonly GuestOp[])[];
  /** What was copied into it. */
  readonly arrived: ArrivingFile[];
  /** All of that in one list. */
  readonly ops: () => readonly GuestOp[];
}

/** A guest that answers looks by `facts` and takes every operation for done, unless `answer` says otherwise. */
export function guestOf(
  facts: GuestFacts | (() => GuestFacts) = factsOf({ [OWNED_FILE]: null }),
  answer: (ops: readonly GuestOp[]) => Partial<OpsResult> = () => ({}),
): ToldGuest {
  const looks: GuestQuery[] = [];
  const requests: (readonly GuestOp[])[] = [];
  const arrived: ArrivingFile[] = [];
  return {
    looks,
    requests,
    arrived,
    ops: () => requests.flat(),
    look(query) {
      looks.push(query);
      return Promise.resolve(typeof facts === "function" ? facts() : facts);
    },
    perform(ops) {
      requests.push(ops);
      return Promise.resolve({ ok: true, code: 0, output: "", ...answer(ops) });
    },
    copyIn(file) {
      arrived.push(file);
      return Promise.resolve({ ok: true, code: 0, output: "" });
    },
  };
}

/** The names of operations, with what tells them from others of the same name. */
export function opNames(ops: readonly GuestOp[]): string[] {
  return ops.map((op) => {
    if (op.op === "write") return `write ${op.files.map(({ path }) => path).join(" ")}`;
    if (op.op === "systemctl") return `systemctl ${op.args.join(" ")}`;
    if ("path" in op) return `${op.op} ${op.path}`;
    if ("names" in op) return `${op.op} ${op.names.join(" ")}`;
    if ("key" in op) return `${op.op} ${op.key}=${op.value}`;
    if ("file" in op) return `${op.op} ${op.file}`;
    if ("unit" in op) return `${op.op} ${op.unit}`;
    return "name" in op ? `${op.op} ${op.name}` : op.op;
  });
}

/** The way into a guest where none is needed. */
export const NO_GUEST: GuestControl = {
  look: () => Promise.reject(new Error("No guest is needed")),
  perform: () => Promise.reject(new Error("No guest is needed")),
  copyIn: () => Promise.reject(new Error("No guest is needed")),
};

/** A step of a plan. */
export function stepOf(address: string, parts: Partial<PlannedChange> = {}): PlannedChange {
  return { address, phase: 1, action: "update", effect: "live", paths: [], dependsOn: [], ...parts };
}

/** What a step works with. */
export function jobOf(address: string, guest: GuestControl, parts: Partial<Job> = {}): Job {
  const world = parts.world ?? worldOf();
  return {
    world: { ...world, record: RECORD },
    look: UNREACHABLE,
    step: stepOf(address),
    store: new RecordStore(world.folder, RECORD),
    guest: () => Promise.resolve(guest),
    owned: new OwnedStore(() => Promise.resolve(guest), undefined),
    progress: () => {},
    note: () => {},
    output: () => {},
    signal: new AbortController().signal,
    ...parts,
  };
}

/** A machine that has something of every kind. */
export const RICH: Machine = machineOf({
  vm: { ...MACHINE.vm, disks: [{ name: "scratch", sizeMiB: 1024, format: "ext4", target: "/mnt/scratch" }] },
  mounts: [{ source: "/", target: "/host", type: "9p", writable: false, optional: false, options: {} }],
  env: { EDITOR: "vim", QUOTED: `it's "so"` },
  packages: { install: ["git", "jq"] },
  files: [{ path: "/etc/motd", content: "hello\n", owner: "root:root", mode: "0644" }],
  sysctl: { "vm.swappiness": "10", "net.ipv4.ip_local_port_range": "1024 65000" },
  modules: ["br_netfilter"],
  network: {
    proxy: { inherit: true, http: "http://p.test:3128", except: [".corp.test"] },
    caCerts: { host: true, files: [fileURLToPath(new URL("authority.pem", import.meta.url))] },
  },
  runtime: {
    ...MACHINE.runtime,
    registries: [{ host: "r.test:5000", mirrors: [], insecure: true, certificates: {}, credentials: "host" }],
  },
  provision: [
    { name: "first", run: "true", as: "root", when: "changed" },
    { name: "second", run: "true", check: "true", as: "user", when: "always" },
  ],
});

/** The lines of a kind in a plan. */
export async function linesOf(kind: AnyKind, seen: {
  readonly world?: World;
  readonly look: Look;
}): Promise<readonly PlannedChange[]> {
  const items = await itemsOf(seen.world ?? worldOf(), seen.look, [kind]);
  return makePlan(items, { machine: "dev", protect: false }).changes;
}

/** The same as texts: `address action effect (reason)`, then each `path: note`. */
export async function toldOf(kind: AnyKind, seen: {
  readonly world?: World;
  readonly look: Look;
}): Promise<readonly string[]> {
  return (await linesOf(kind, seen)).map(({ address, action, effect, reason, paths }) =>
    [
      `${address} ${action} ${effect}${reason === undefined ? "" : ` (${reason})`}`,
      ...paths.map(({ path, note }) => note === undefined ? path : `${path}: ${note}`),
    ].join(", ")
  );
}
