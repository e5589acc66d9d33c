import { join } from "node:path";
import type { Machine } from "../../lib/config/types.ts";
import type { RunningVm } from "../../lib/drivers/types.ts";
import { type Fact, type GuestFacts, type GuestFile, type GuestUnit } from "../../lib/guest/query.ts";
import type { Guest } from "../../lib/guest/types.ts";
import { sha256 } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import type { Observed, PlannedChange } from "../../lib/plan/types.ts";
import type { Job, Kind, Look, World } from "../../lib/resources/contract.ts";
import { OwnedStore } from "../../lib/resources/owned.ts";
import { type MachineRecord, RecordStore } from "../../lib/resources/record.ts";

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
  },
  user: { name: "ada", uid: 1000, shell: "/bin/bash", sudo: true, home: "/home/ada.guest" },
  hostname: "dev",
  mounts: [],
  runtime: { engine: "docker", docker: { daemon: {}, context: { name: "machine-dev", current: true } } },
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
    },
    cacheDir: join(Deno.env.get("XDG_CACHE_HOME") ?? "/nowhere", "machine"),
    ...parts,
  };
}

/** A guest's answer: texts of files and states of units; `null` is absent, all that is not named is unknown. */
export function factsOf(
  files: Readonly<Record<string, string | null>>,
  units: Readonly<Record<string, Partial<GuestUnit> | null>> = {},
): GuestFacts {
  const unknown = { state: "unknown", reason: "the guest did not answer" } as const;
  return {
    bootId: "boot",
    file(path): Fact<GuestFile> {
      const text = files[path];
      if (text === undefined) return unknown;
      if (text === null) return { state: "absent" };
      const value = { sha256: sha256(text), mode: "644", owner: "root:root", mtimeMs: 1000, text };
      return { state: "present", value };
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

/** What a step works with; its guest runs scripts by `run`. */
export function jobOf(address: string, run: Guest["run"], parts: Partial<Job> = {}): Job {
  const guest: Guest = { run, async [Symbol.asyncDispose]() {} };
  const step: PlannedChange = {
    address,
    phase: 1,
    action: "update",
    effect: "live",
    paths: [],
    dependsOn: [],
  };
  const world = worldOf();
  return {
    world: { ...world, record: RECORD },
    look: UNREACHABLE,
    step,
    store: new RecordStore(world.folder, RECORD),
    guest: () => Promise.resolve(guest),
    owned: new OwnedStore(() => Promise.resolve(guest), undefined),
    progress: () => {},
    note: () => {},
    signal: new AbortController().signal,
    ...parts,
  };
}
