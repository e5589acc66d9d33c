import type { GuestUnit } from "../../lib/guest/query.ts";
import { Containerd } from "./containerd.ts";
import { Dockerd } from "./dockerd.ts";
import type { Mounted, Tree, View } from "./tree.ts";

/** What the virtual computer has for mounts. */
export interface Hardware {
  /** The filesystem of a disk that is attached now. */
  disk(uuid: string): Tree | undefined;
  /** Grows the filesystem on a disk to the disk, by the device's path. */
  grow(device: string): void;
  /** The folder behind a 9p share that the VM has now. */
  share(tag: string): { readonly tree: Tree; readonly writable: boolean } | undefined;
}

const FOLDERS = ["/etc/systemd/system", "/usr/lib/systemd/system"];
const WANTS = /^\/etc\/systemd\/system\/([^/]+)\.wants\/([^/]+)$/;

/** How a simulated command of systemctl ended: `undefined` is well. */
type Failure = string | undefined;

interface Running {
  readonly invocationId: string;
  readonly startedMs: number;
}

/** systemd of the simulated guest: unit files, what it knows of them, and what runs. */
export class Systemd {
  readonly #view: View;
  readonly hardware: Hardware;
  readonly #clock: () => number;
  /** The unit files as they were when systemd has read them. */
  #known = new Map<string, string | undefined>();
  readonly #running = new Map<string, Running>();
  readonly dockerd: Dockerd;
  readonly containerd: Containerd;
  /** Why a unit failed, by its name. */
  readonly journal = new Map<string, string>();
  /** How often a daemon of an engine was stopped while it ran. */
  engineStops = 0;
  #invocations = 0;
  readonly #boot: string;

  /** The configuration of services' environment that is in force. */
  environment = "";

  constructor(view: View, hardware: Hardware, at: { readonly clock: () => number; readonly boot: string }) {
    this.#view = view;
    this.hardware = hardware;
    this.#clock = at.clock;
    this.#boot = at.boot;
    this.dockerd = new Dockerd(view);
    this.containerd = new Containerd(view);
  }

  /** Starts what the boot wants; a mount that cannot be made does not hold it up. */
  boot(): void {
    this.#readEnvironment();
    for (const target of ["local-fs", "sysinit", "sockets", "multi-user"]) {
      const units = this.#wanted(`${target}.target`);
      for (const unit of [...units.filter(isMount).sort(), ...units.filter((it) => !isMount(it)).sort()]) {
        this.start(unit);
      }
    }
  }

  reload(): void {
    this.#known = new Map();
    this.#readEnvironment();
  }

  /** What every service gets that starts from now on. */
  #readEnvironment(): void {
    const entry = this.#view.follow("/etc/systemd/system.conf.d/machine-proxy.conf");
    this.environment = entry?.kind === "file" ? entry.content : "";
  }

  /** As `systemctl show` has it. */
  show(unit: string): GuestUnit {
    const text = this.#text(unit);
    const running = this.#running.get(unit);
    const isThere = text !== undefined || running !== undefined;
    return {
      loadState: isThere ? "loaded" : "not-found",
      activeState: running ? "active" : this.journal.has(unit) ? "failed" : "inactive",
      unitFileState: !isThere ? "" : this.#isEnabled(unit) ? "enabled" : "disabled",
      invocationId: running?.invocationId ?? "",
      startedMs: running?.startedMs ?? 0,
      needReload: this.#known.has(unit) && text !== this.#fileOf(unit),
    };
  }

  isActive(unit: string): boolean {
    return this.#running.has(unit);
  }

  /** Whether `systemctl cat` knows it. */
  isKnown(unit: string): boolean {
    return this.#fileOf(unit) !== undefined;
  }

  enable(unit: string): Failure {
    const text = this.#fileOf(unit);
    if (text === undefined) return `Unit file ${unit} does not exist.`;
    for (const target of values(text, "WantedBy")) this.want(target, unit);
    return undefined;
  }

  want(target: string, unit: string): void {
    this.#view.makeFolders(`/etc/systemd/system/${target}.wants`);
    this.#view.set(linkOf(target, unit), { kind: "link", to: `/etc/systemd/system/${unit}` });
  }

  isWanted(target: string, unit: string): boolean {
    return this.#view.get(linkOf(target, unit))?.kind === "link";
  }

  disable(unit: string): void {
    for (const path of this.#view.below("/etc/systemd/system")) {
      if (WANTS.exec(path)?.[2] !== unit) continue;
      this.#view.delete(path);
      const folder = path.slice(0, path.lastIndexOf("/"));
      if (this.#view.isEmpty(folder)) this.#view.delete(folder); // as systemctl does
    }
  }

  start(unit: string): Failure {
    if (this.#running.has(unit)) return undefined;
    const text = this.#text(unit);
    if (text === undefined) return `Unit ${unit} not found.`;
    const failure = this.#require(unit, text) ?? (isMount(unit) ? this.#mount(text) : this.#run(unit, text));
    if (failure !== undefined) {
      this.journal.set(unit, failure);
      return `Job for ${unit} failed. ${failure}`;
    }
    this.journal.delete(unit);
    const invocationId = `${this.#boot}-${++this.#invocations}`;
    this.#running.set(unit, { invocationId, startedMs: this.#clock() });
    return undefined;
  }

  stop(unit: string): void {
    const text = this.#text(unit);
    if (!this.#running.delete(unit)) return;
    if (unit === "docker.service" || unit === "containerd.service") this.engineStops++;
    if (unit === "docker.socket") this.stop("docker.service");
    if (isMount(unit) && text !== undefined) {
      const target = where(text);
      // What needs the mount goes with it, and what is mounted below.
      for (const other of [...this.#running.keys()]) {
        if (this.#needs(other).some((path) => path === target || path.startsWith(`${target}/`))) {
          this.stop(other);
        }
      }
      this.#view.mounts = this.#view.mounts.filter((mount) => mount.target !== target);
    }
  }

  /** Runs into the unit from outside, as `umount` or a crash does. */
  lose(unit: string): void {
    this.stop(unit);
  }

  /** Units that run. */
  active(): string[] {
    return [...this.#running.keys()].sort();
  }

  #wanted(target: string): string[] {
    return this.#view.below("/etc/systemd/system").flatMap((path) => {
      const match = WANTS.exec(path);
      return match?.[1] === target ? [match[2]!] : [];
    });
  }

  #isEnabled(unit: string): boolean {
    return this.#view.below("/etc/systemd/system").some((path) => WANTS.exec(path)?.[2] === unit);
  }

  #text(unit: string): string | undefined {
    if (!this.#known.has(unit)) {
      const text = this.#fileOf(unit);
      if (text === undefined) return undefined;
      this.#known.set(unit, text);
    }
    return this.#known.get(unit);
  }

  /** The unit's file with its drop-ins, as it stands on the disk. */
  #fileOf(unit: string): string | undefined {
    for (const folder of FOLDERS) {
      const file = this.#view.follow(`${folder}/${unit}`);
      if (file?.kind !== "file") continue;
      const dropIns = this.#view.below(`/etc/systemd/system/${unit}.d`)
        .flatMap((path) => {
          const entry = this.#view.follow(path);
          return path.endsWith(".conf") && entry?.kind === "file" ? [entry.content] : [];
        });
      return [file.content, ...dropIns].join("\n");
    }
    return undefined;
  }

  #needs(unit: string): string[] {
    return values(this.#text(unit) ?? "", "RequiresMountsFor");
  }

  /** Starts what a unit requires. */
  #require(unit: string, text: string): Failure {
    if (unit === "docker.service") {
      const failure = this.start("docker.socket") ?? this.start("containerd.service");
      if (failure !== undefined) return failure;
    }
    for (const path of values(text, "RequiresMountsFor")) {
      for (const mount of this.#mountsFor(path)) {
        const failure = this.start(mount);
        if (failure !== undefined) return `Dependency failed: ${failure}`;
      }
    }
    return undefined;
  }

  /** The mount units that there are of a path and the folders above it. */
  #mountsFor(path: string): string[] {
    return this.#view.below("/etc/systemd/system").flatMap((file) => {
      const unit = file.slice(file.lastIndexOf("/") + 1);
      if (!isMount(unit) || WANTS.test(file)) return [];
      const target = where(this.#text(unit) ?? "");
      return target !== "" && (path === target || path.startsWith(`${target}/`)) ? [unit] : [];
    }).sort();
  }

  #run(unit: string, text: string): Failure {
    if (unit === "containerd.service") return this.containerd.start(text);
    return unit === "docker.service" ? this.dockerd.start() : undefined;
  }

  #mount(text: string): Failure {
    const target = where(text);
    const [what = "", type = "", options = ""] = ["What", "Type", "Options"].map((key) => value(text, key));
    const from = this.#source(what, type);
    if (typeof from === "string") return from;
    if (!this.#view.isFolder(target)) this.#view.makeFolders(target);
    const isReadOnly = options.split(",").includes("ro");
    this.#view.mounts = [...this.#view.mounts, {
      target,
      ...from,
      type: type === "none" ? "ext4" : type,
      source: what,
      writable: from.writable && !isReadOnly,
    }];
    return undefined;
  }

  #source(what: string, type: string): Pick<Mounted, "tree" | "root" | "writable"> | string {
    if (type === "9p") {
      const share = this.hardware.share(what);
      return share ? { ...share, root: "" } : `${what}: no such share`;
    }
    if (type === "ext4") {
      const tree = this.hardware.disk(what.replace("/dev/disk/by-uuid/", ""));
      return tree ? { tree, root: "", writable: true } : `Timed out waiting for device ${what}`;
    }
    const mount = this.#view.mounts.findLast(({ target }) =>
      what === target || what.startsWith(`${target}/`)
    );
    if (!this.#view.isFolder(what)) return `${what}: no such folder`;
    if (!mount) return `${what}: it is on the system disk`;
    return { tree: mount.tree, root: `${mount.root}${what.slice(mount.target.length)}`, writable: true };
  }
}

function linkOf(target: string, unit: string): string {
  return `/etc/systemd/system/${target}.wants/${unit}`;
}

function isMount(unit: string): boolean {
  return unit.endsWith(".mount");
}

function where(text: string): string {
  return value(text, "Where").replaceAll("%%", "%");
}

function value(text: string, key: string): string {
  return text.split("\n").findLast((line) => line.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
}

function values(text: string, key: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(`${key}=`))
    .flatMap((line) => line.slice(key.length + 1).split(" "));
}
