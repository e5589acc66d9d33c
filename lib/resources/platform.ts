import type { Release } from "../artifacts/catalogue.ts";
import type { CachedRelease, FetchOptions } from "../artifacts/fetch.ts";
import type { Unpacked } from "../artifacts/unpack.ts";
import type { AgentStatus, MountLook, WatchedMount } from "../agent/api.ts";
import type { Accel, Arch } from "../config/types.ts";
import type { VmDisk, VmForward, VmLook, VmSpec } from "../drivers/types.ts";
import type { GuestControl } from "../guest/control.ts";
import type { GuestFacts, GuestQuery } from "../guest/query.ts";
import type { SshTarget } from "../guest/types.ts";
import type { MachineFolder } from "../host/paths.ts";
import type { HostTrust } from "../host/trust.ts";
import type { BaseImage, Recipe } from "../image/types.ts";
import type { HostLogin } from "./docker/host_login.ts";

/**
 * What machines run on and are reached by: the hypervisor, disk files, images, agents, ssh, docker's API.
 * `thisComputer` is the real one; the tests have one in memory, on which a whole apply takes milliseconds.
 */
export interface Platform {
  readonly vm: VmDriver;
  readonly disks: DiskDriver;
  readonly images: ImageStore;
  readonly agents: AgentControl;
  readonly artifacts: ArtifactStore;
  /** Opens an own connection to a guest. */
  connect(target: SshTarget, options: ConnectionOptions): Promise<GuestConnection>;
  /** The answer of dockerd's API behind a machine's socket on this computer. */
  docker(folder: MachineFolder, path: string, timeoutMs: number): Promise<DockerAnswer>;
  /** Whether containerd speaks behind a machine's socket on this computer. */
  containerdAnswers(folder: MachineFolder, timeoutMs: number): Promise<boolean>;
  /** What the docker client of this computer knows of a registry. */
  registryLogin(host: string): Promise<HostLogin>;
  /** The authorities that this computer trusts beyond its distribution's set. */
  trust(): Promise<HostTrust>;
}

/** How long a connection is tried for. */
export interface ConnectionOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Tries again until the time is over: the guest may still be booting. */
  readonly patient?: boolean;
}

/** A guest over a connection of its own. */
export interface GuestConnection extends GuestControl, AsyncDisposable {
  readonly isOpen: boolean;
}

export interface DockerAnswer {
  readonly status: number;
  readonly body: string;
}

/** What goes on, for whoever shows it, and what ends it. */
export interface Course {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How the guest's instructions will run. */
export interface ChosenAccel {
  readonly accel: Accel;
  readonly cpu: string;
  /** Set when it was proven just now that there is nothing better than emulation. */
  readonly disappointment?: string;
}

/** The VM of a machine, by its folder. */
export interface VmDriver {
  look(folder: MachineFolder): Promise<VmLook>;
  /** The process id of the machine's hypervisor, also when its monitor does not answer. */
  process(folder: MachineFolder): Promise<number | undefined>;
  chooseAccel(question: AccelWish): Promise<ChosenAccel>;
  /** What was proven before; `undefined` when nothing was. */
  rememberedAccel(cacheDir: string): Promise<Accel | undefined>;
  /** The model that `auto` means. */
  defaultCpu(accel: Accel, qemuVersion: string): string;
  start(spec: VmSpec, folder: MachineFolder, course: Course): Promise<number>;
  /** Leads a port to the guest's ssh and waits until a command in it has answered. */
  awaitGuest(
    folder: MachineFolder,
    boot: { readonly target: SshTarget; readonly pid: number } & Course,
  ): Promise<void>;
  /** Why a guest will never come up; `undefined` while there is hope. */
  bootFailure(folder: MachineFolder, pid: number): Promise<string | undefined>;
  /** Ends the VM: by `powerOff` where the guest can be asked, else harder and harder. */
  stop(folder: MachineFolder, course: Course & { readonly powerOff?: () => Promise<void> }): Promise<void>;
  removeForward(folder: MachineFolder, forward: VmForward): Promise<void>;
  resizeDisk(folder: MachineFolder, id: string, sizeMiB: number): Promise<void>;
  plugDisk(folder: MachineFolder, disk: VmDisk): Promise<void>;
  unplugDisk(folder: MachineFolder, id: string): Promise<void>;
}

/** What an accelerator is chosen for. */
export interface AccelWish {
  readonly wanted: "auto" | Accel;
  readonly cpu: string;
  readonly arch: Arch;
  readonly kernel: string;
  readonly cacheDir: string;
  readonly signal: AbortSignal;
}

/** A raw disk and the filesystem on it. */
export interface RawDisk {
  readonly sizeMiB: number;
  /** Of the filesystem; less than the disk's when growing it was cut short. */
  readonly filesystemMiB: number;
  readonly uuid: string;
}

/** Disk files of machines. */
export interface DiskDriver {
  readOverlay(path: string): Promise<{ readonly sizeMiB: number; readonly backing?: string } | undefined>;
  makeOverlay(path: string, base: string, sizeMiB: number): Promise<void>;
  growOverlay(path: string, sizeMiB: number): Promise<void>;
  readRaw(path: string): Promise<RawDisk | undefined>;
  makeRaw(
    path: string,
    disk: { readonly sizeMiB: number; readonly uuid: string; readonly label: string },
  ): Promise<void>;
  growRaw(path: string, sizeMiB: number): Promise<void>;
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
}

/** Base images. */
export interface ImageStore {
  find(recipe: Recipe, cacheDir: string): Promise<BaseImage | undefined>;
  /** The image that a disk stands on; `undefined` when it is gone. */
  under(disk: string): Promise<BaseImage | undefined>;
  /** Whether all files of an image are there. */
  isWhole(image: BaseImage): Promise<boolean>;
  ensure(recipe: Recipe, cacheDir: string, course: Course): Promise<BaseImage>;
}

/** Releases of programs that Debian does not have. */
export interface ArtifactStore {
  /** Brings one into the cache, its checksum compared. @throws UserError when it cannot be had */
  fetch(release: Release, options: FetchOptions): Promise<CachedRelease>;
  /** Takes files out of an archive. */
  unpack(archive: string, names: readonly string[], signal: AbortSignal): Promise<Unpacked>;
}

/** What an agent is asked for at once. */
export interface AgentQuery {
  readonly query: GuestQuery;
  readonly mounts: readonly WatchedMount[];
  readonly timeoutMs: number;
}

/** The agents of machines. */
export interface AgentControl {
  /** `undefined` when none runs. @throws UserError when one is there and does not answer */
  status(folder: MachineFolder): Promise<AgentStatus | undefined>;
  look(folder: MachineFolder, query: AgentQuery): Promise<{
    readonly facts: GuestFacts;
    readonly mounts: readonly MountLook[];
  }>;
  /** The guest over the agent's open connection. */
  guest(folder: MachineFolder): GuestControl;
  start(folder: MachineFolder): Promise<AgentStatus>;
  /** Makes it read its settings again. */
  reload(folder: MachineFolder): Promise<AgentStatus>;
  stop(folder: MachineFolder): Promise<void>;
  /** What tells this build of the program from another. */
  build(): Promise<string>;
}
