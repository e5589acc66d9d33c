import type { AgentConfig, AgentStatus } from "../../lib/agent/api.ts";
import type { RunningVm, VmForward, VmLook, VmSpec } from "../../lib/drivers/types.ts";
import type { Certificate } from "../../lib/host/certificates.ts";
import { UserError } from "../../lib/host/errors.ts";
import { readTextIfPresent, sha256 } from "../../lib/host/files.ts";
import type { MachineFolder } from "../../lib/host/paths.ts";
import type { BaseImage } from "../../lib/image/types.ts";
import type { LoginEntry } from "../../lib/resources/docker/host_login.ts";
import type { DockerAnswer, Platform } from "../../lib/resources/platform.ts";
import { SimArtifacts } from "./artifacts.ts";
import { type Overlay, type Raw, SimDisks } from "./disks.ts";
import { Effects } from "./effects.ts";
import { SimGuest } from "./guest.ts";
import type { Hardware } from "./systemd.ts";
import { Tree } from "./tree.ts";

const BASE: BaseImage = {
  key: "sim",
  name: "debian-13",
  arch: "x86_64",
  disk: "/sim/base.qcow2",
  digest: "sim",
  kernel: "/sim/vmlinuz",
  initrd: "/sim/initrd",
  commandLine: "",
  sizeMiB: 2048,
  builtAt: "2026-11-22T13:00:00.000Z",
};

/** A VM that runs. */
interface SimVm {
  readonly spec: VmSpec;
  readonly guest: SimGuest;
  readonly forwards: VmForward[];
  readonly plugged: string[];
}

/** What was interrupted so far, for plans that have promised how much they interrupt. */
export interface Interruptions {
  boots: number;
  systemDisks: number;
  /** Raw disks whose content went. */
  lostDisks: number;
  engineStops: number;
}

/**
 * A computer in memory, on which machines run: hypervisor, disks, images, agents and docker's API. The files that
 * commands keep on the host are real ones.
 */
export class SimHost {
  readonly effects: Effects;
  readonly platform: Platform;
  /** Containers that run, by name. */
  containers: readonly string[] = [];
  readonly artifacts: SimArtifacts;
  /** Where the docker client of this computer is logged in. */
  logins: Readonly<Record<string, LoginEntry>> = {};
  /** What this computer trusts beyond its distribution's set. */
  authorities: readonly Certificate[] = [];
  #hasImage = false;
  #nowMs = 1_000_000_000;
  #boots = 0;
  #formerEngineStops = 0;
  readonly #vms = new Map<string, SimVm>();
  readonly #agents = new Map<string, { readonly config: AgentConfig; readonly hash: string }>();
  readonly #disks: SimDisks;
  readonly #shares = new Map<string, Tree>();
  /** Machines whose agent does not listen any more. */
  readonly #closed = new Set<string>();

  constructor(effects = new Effects()) {
    this.effects = effects;
    this.#disks = new SimDisks(effects, BASE.disk);
    this.artifacts = new SimArtifacts(effects);
    this.platform = {
      vm: this.#vmDriver(),
      disks: this.#disks.driver,
      images: {
        find: () => this.#look(() => this.#hasImage ? BASE : undefined),
        under: () => this.#look(() => this.#hasImage ? BASE : undefined),
        isWhole: () => this.#look(() => this.#hasImage),
        ensure: async () => {
          if (!this.#hasImage) await this.effects.step("host build the image");
          this.#hasImage = true;
          return BASE;
        },
      },
      agents: this.#agentControl(),
      artifacts: this.artifacts.store,
      connect: (target) =>
        this.#look(() => {
          const vm = [...this.#vms.values()].find(({ forwards }) =>
            forwards.some(({ hostPort }) => hostPort === target.port)
          );
          if (!vm) throw new UserError("The guest does not answer");
          const isRunning = () => [...this.#vms.values()].includes(vm);
          return {
            ...vm.guest.control(),
            get isOpen() {
              return isRunning();
            },
            [Symbol.asyncDispose]: () => Promise.resolve(),
          };
        }),
      registryLogin: (host) =>
        this.#look(() => {
          const entry = this.logins[host];
          return entry === undefined ? { state: "absent" } : { state: "present", entry };
        }),
      docker: (folder, path) => this.#look(() => this.#dockerAnswer(folder, path)),
      containerdAnswers: (folder) =>
        this.#look(() => this.#vms.get(folder.root)?.guest.systemd.isActive("containerd.service") ?? false),
      trust: () => this.#look(() => ({ authorities: this.authorities, leftOut: [], unreadable: [] })),
    };
  }

  /** The guest of a machine that runs. @throws Error when it does not run */
  guestOf(folder: MachineFolder): SimGuest {
    const vm = this.#vms.get(folder.root);
    if (!vm) throw new Error(`The VM of ${folder.root} does not run`);
    return vm.guest;
  }

  isRunning(folder: MachineFolder): boolean {
    return this.#vms.has(folder.root);
  }

  /** What a machine's VM was started with. */
  specOf(folder: MachineFolder): VmSpec | undefined {
    return this.#vms.get(folder.root)?.spec;
  }

  /** The disks that a machine's VM has now, by id. */
  pluggedInto(folder: MachineFolder): readonly string[] {
    return this.#running(folder).plugged;
  }

  /** The sizes of a machine's disks and of the filesystems on them, by file. */
  diskSizes(): ReturnType<SimDisks["sizes"]> {
    return this.#disks.sizes();
  }

  /** How much was interrupted so far. */
  interruptions(): Interruptions {
    const running = [...this.#vms.values()].reduce((sum, { guest }) => sum + guest.systemd.engineStops, 0);
    return {
      boots: this.#boots,
      systemDisks: this.#disks.systemDisks,
      lostDisks: this.#disks.lostDisks,
      engineStops: this.#formerEngineStops + running,
    };
  }

  /** Empties the cache, as people do to get space. */
  dropImage(): void {
    this.#hasImage = false;
  }

  /** Pulls the plug of a VM: nobody has stopped it. */
  killVm(folder: MachineFolder): void {
    this.#end(folder);
  }

  hasAgent(folder: MachineFolder): boolean {
    return this.#agents.has(folder.root);
  }

  /** What a machine's agent keeps alive. */
  agentConfig(folder: MachineFolder): AgentConfig | undefined {
    return this.#agents.get(folder.root)?.config;
  }

  /** Closes the sockets of an agent that goes on running, as a cleaner of temporary files does. */
  closeSockets(folder: MachineFolder): void {
    this.#closed.add(folder.root);
  }

  /** Ends a machine's agent as a kill does. */
  killAgent(folder: MachineFolder): void {
    this.#agents.delete(folder.root);
  }

  #end(folder: MachineFolder): void {
    this.#formerEngineStops += this.#vms.get(folder.root)?.guest.systemd.engineStops ?? 0;
    this.#vms.delete(folder.root);
  }

  async #look<T>(see: () => T): Promise<T> {
    await this.effects.look();
    return see();
  }

  #vmDriver(): Platform["vm"] {
    return {
      look: (folder) => this.#look(() => this.#vmLook(folder)),
      process: (folder) => this.#look(() => this.#vms.has(folder.root) ? 1 : undefined),
      chooseAccel: ({ wanted, cpu }) =>
        this.#look(() => ({
          accel: wanted === "auto" ? "tcg" as const : wanted,
          cpu: cpu === "auto" ? "max" : cpu,
        })),
      rememberedAccel: () => this.#look(() => "tcg" as const),
      defaultCpu: () => "max",
      start: async (spec, folder) => {
        await this.effects.step("host start the VM");
        const system = this.#disks.boot(folder);
        this.#boots++;
        const plugged = spec.disks.map(({ id }) => id);
        const guest = new SimGuest({
          system,
          hardware: this.#hardwareOf(folder, spec, plugged),
          effects: this.effects,
          clock: () => this.#nowMs += 1000,
          bootId: `boot-${this.#boots}`,
        });
        this.#vms.set(folder.root, { spec, guest, forwards: [], plugged });
        return 1;
      },
      awaitGuest: async (folder, { target }) => {
        await this.effects.step("host forward ssh");
        const { forwards } = this.#running(folder);
        if (forwards.some(({ hostPort }) => hostPort === target.port)) return;
        forwards.push({ protocol: "tcp", host: "127.0.0.1", hostPort: target.port, guestPort: 22 });
      },
      bootFailure: () => this.#look(() => undefined),
      stop: async (folder) => {
        await this.effects.step("host stop the VM");
        this.#end(folder);
      },
      removeForward: async (folder, forward) => {
        await this.effects.step("host remove a forward");
        const { forwards } = this.#running(folder);
        const index = forwards.findIndex(({ hostPort }) => hostPort === forward.hostPort);
        if (index >= 0) forwards.splice(index, 1);
      },
      resizeDisk: async (folder, id, sizeMiB) => {
        await this.effects.step(`host resize ${id}`);
        this.#running(folder);
        this.#disks.of(folder, id).sizeMiB = sizeMiB;
      },
      plugDisk: async (folder, { id }) => {
        const { plugged } = this.#running(folder);
        if (plugged.includes(id)) return;
        await this.effects.step(`host plug ${id}`);
        plugged.push(id);
      },
      unplugDisk: async (folder, id) => {
        const { plugged } = this.#running(folder);
        if (!plugged.includes(id)) return;
        await this.effects.step(`host unplug ${id}`);
        plugged.splice(plugged.indexOf(id), 1);
      },
    };
  }

  #agentControl(): Platform["agents"] {
    const load = async (folder: MachineFolder) => {
      const text = await readTextIfPresent(folder.agentConfig) ?? "{}";
      this.#closed.delete(folder.root);
      this.#agents.set(folder.root, { config: JSON.parse(text) as AgentConfig, hash: sha256(text) });
      return this.#agentStatus(folder)!;
    };
    return {
      status: (folder) => this.#look(() => this.#agentStatus(folder)),
      look: (folder, { query, mounts }) =>
        this.#look(() => {
          if (!this.#agents.has(folder.root)) throw new UserError("There is no agent");
          const { guest } = this.#running(folder);
          return {
            facts: guest.facts(query),
            mounts: mounts.map(({ target }) => ({ target, state: "same" as const })),
          };
        }),
      guest: (folder) => this.#running(folder).guest.control(),
      start: async (folder) => {
        await this.effects.step("host start the agent");
        return await load(folder);
      },
      reload: async (folder) => {
        await this.effects.step("host reload the agent");
        return await load(folder);
      },
      stop: async (folder) => {
        await this.effects.step("host stop the agent");
        this.#agents.delete(folder.root);
      },
      build: () => this.#look(() => "sim"),
    };
  }

  #agentStatus(folder: MachineFolder): AgentStatus | undefined {
    const agent = this.#agents.get(folder.root);
    if (!agent) return undefined;
    const vm = this.#vms.get(folder.root);
    const isConnected = vm?.forwards.some(({ hostPort }) => hostPort === agent.config.root.port) ?? false;
    return {
      version: "sim",
      build: "sim",
      pid: 1,
      machine: agent.config.machine,
      startedAt: "",
      configHash: agent.hash,
      guest: { state: isConnected ? "connected" : "connecting", since: "" },
      sockets: agent.config.sockets.map((socket) => ({
        ...socket,
        listening: !this.#closed.has(folder.root),
      })),
      rssMiB: 0,
      counts: { connections: 0, execs: 0 },
    };
  }

  #dockerAnswer(folder: MachineFolder, path: string): DockerAnswer {
    const guest = this.#vms.get(folder.root)?.guest;
    if (!guest?.systemd.isActive("docker.service")) throw new UserError("Docker does not answer");
    return guest.systemd.dockerd.answer(path, this.containers);
  }

  #vmLook(folder: MachineFolder): VmLook {
    const vm = this.#vms.get(folder.root);
    if (!vm) return { state: "stopped", crashed: false };
    const { spec } = vm;
    return {
      state: "running",
      pid: 1,
      status: "running",
      qemuVersion: "7.2.0",
      accel: spec.accel,
      cpu: spec.cpu,
      cpus: spec.cpus,
      memoryMiB: spec.memoryMiB,
      shares: spec.shares.map(({ tag }) => tag),
      disks: vm.plugged.map((id) => ({
        id,
        sizeMiB: this.#disks.of(folder, id).sizeMiB,
        ...(id === "system" ? { backing: BASE.disk } : {}),
      })),
      forwards: [...vm.forwards],
    } satisfies RunningVm;
  }

  #running(folder: MachineFolder): SimVm {
    const vm = this.#vms.get(folder.root);
    if (!vm) throw new UserError("The VM does not run");
    return vm;
  }

  #hardwareOf(folder: MachineFolder, spec: VmSpec, plugged: readonly string[]): Hardware {
    const attached = () => plugged.map((id) => ({ id, disk: this.#disks.of(folder, id) }));
    const uuidOf = (disk: Raw | Overlay) => "uuid" in disk ? disk.uuid : undefined;
    return {
      disk: (uuid) => {
        const found = attached().find(({ disk }) => uuidOf(disk) === uuid)?.disk;
        return found && "tree" in found ? found.tree : undefined;
      },
      grow: (device) => {
        for (const { id, disk } of attached()) {
          const isMeant = device.endsWith(`/virtio-${id}`) || device.endsWith(`/${uuidOf(disk)}`);
          if (isMeant) disk.filesystemMiB = disk.sizeMiB;
        }
      },
      share: (tag) => {
        const share = spec.shares.find((one) => one.tag === tag);
        if (!share) return undefined;
        const tree = this.#shares.get(share.source) ?? new Tree();
        this.#shares.set(share.source, tree);
        return { tree, writable: share.writable };
      },
    };
  }
}
