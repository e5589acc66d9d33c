/**
 * A machine as the file declares it, in normal form: every default filled, paths absolute, sizes in one unit.
 * Two files that mean the same give the same value, whatever order or spelling they use.
 */
export interface Machine {
  readonly name: string;
  readonly protect: boolean;
  readonly vm: VmSettings;
  readonly user: GuestUser;
  readonly hostname: string;
  /** An IANA name, e.g. "Europe/Berlin". */
  readonly timezone: string;
  readonly mounts: readonly Mount[];
  readonly env: Readonly<Record<string, string>>;
  readonly packages: { readonly install: readonly string[] };
  readonly files: readonly FileSpec[];
  /** Kernel parameters by their dotted names. */
  readonly sysctl: Readonly<Record<string, string>>;
  readonly modules: readonly string[];
  readonly network: NetworkSettings;
  readonly runtime: Runtime;
  readonly cni: CniSettings;
  /** In the order of the file, which is the order of work. */
  readonly provision: readonly ProvisionStep[];
  readonly artifacts: ArtifactSettings;
  readonly ssh: SshSettings;
}

export type Arch = "x86_64" | "aarch64";
export type Accel = "kvm" | "hvf" | "tcg";

export interface VmSettings {
  readonly arch: Arch;
  readonly accel: "auto" | Accel;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** A QEMU CPU model with its options, or "auto". */
  readonly cpu: string;
  readonly image: { readonly name: "debian-13"; readonly source: "auto" | "build" };
  readonly diskMiB: number;
  /** `undefined`: no data disk ("none" in the file). */
  readonly dataDiskMiB: number | undefined;
  /** Further disks, by name. */
  readonly disks: readonly ExtraDisk[];
}

/** A disk beside the system's and the data disk; its identity is the name. */
export interface ExtraDisk {
  readonly name: string;
  readonly sizeMiB: number;
  readonly format: "ext4";
  /** Where the guest mounts it. */
  readonly target: string;
}

export interface GuestUser {
  readonly name: string;
  readonly uid: number;
  readonly shell: string;
  readonly sudo: boolean;
  readonly home: string;
}

/** A host folder in the guest; its identity is the target. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly type: "9p";
  readonly writable: boolean;
  /** A missing source is then a blocked mount and no error. */
  readonly optional: boolean;
  readonly options: Readonly<Record<string, string>>;
}

/** A file in the guest; its identity is the path. Either `content` or `source` is there. */
export interface FileSpec {
  readonly path: string;
  readonly content?: string;
  /** Absolute path of a file on the host whose content is copied. */
  readonly source?: string;
  /** `user:group`. */
  readonly owner: string;
  /** Four octal digits, e.g. "0644". */
  readonly mode: string;
}

/** Own commands of the user; its identity is the name. */
export interface ProvisionStep {
  readonly name: string;
  readonly run: string;
  /** A command that succeeds when nothing needs to be done. */
  readonly check?: string;
  readonly as: "user" | "root";
  readonly when: "changed" | "always";
}

/** What runs containers: dockerd, containerd without dockerd, or nothing. */
export type Engine = "docker" | "containerd" | "none";

export interface Runtime {
  readonly engine: Engine;
  /** In the order of their hosts. */
  readonly registries: readonly Registry[];
  /** Rests while another engine is chosen; so does `containerd`. */
  readonly docker: DockerSettings;
  readonly containerd: ContainerdSettings;
}

/** An image registry; its identity is the host. */
export interface Registry {
  /** As image names have it, with the port, e.g. "docker.io", "localhost:5000". */
  readonly host: string;
  /** Addresses with their scheme and without a slash at the end. */
  readonly mirrors: readonly string[];
  readonly insecure: boolean;
  /** Absolute paths of PEM files on the host. */
  readonly certificates: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** `host`: what the docker client of the host knows of it is put into the guest. */
  readonly credentials: "none" | "host";
}

export interface ContainerdSettings {
  /** Whether Kubernetes' interface is on. */
  readonly cri: boolean;
  readonly snapshotter: "overlayfs" | "native";
  readonly nerdctl: boolean;
  /** config.toml, key by key, merged with the distribution's. */
  readonly config: Readonly<Record<string, Json>>;
}

/** The network of containers that dockerd does not run; it rests while there are none. */
export interface CniSettings {
  readonly network: CniNetwork;
  readonly plugins: {
    readonly source: "release" | "package";
    /** Without the "v"; `undefined`: the one that was tried. */
    readonly version?: string;
  };
}

/** `bridge`: one of the guest's own. `none`: nothing of ours, for those who bring their own. */
export type CniNetwork =
  | { readonly kind: "bridge" | "flannel" | "none" }
  | { readonly kind: "own"; readonly conflist: Readonly<Record<string, Json>> };

export interface NetworkSettings {
  readonly proxy: ProxySettings;
  readonly caCerts: {
    /** Whether what the host trusts beyond its distribution's set is trusted in the guest. */
    readonly host: boolean;
    /** Absolute paths of PEM files on the host. */
    readonly files: readonly string[];
  };
}

/** What the file says of proxies; the host's own are added when it is used, since they change with the host. */
export interface ProxySettings {
  readonly inherit: boolean;
  /** `undefined`: the host's, where `inherit` is set; empty: none. */
  readonly http?: string;
  readonly https?: string;
  readonly except: readonly string[];
}

/** Where releases of programs come from that Debian does not have. */
export interface ArtifactSettings {
  /** "official", a URL, or an absolute path of a folder. */
  readonly mirror: string;
  readonly offline: boolean;
}

export interface DockerSettings {
  /** daemon.json, key by key, as dockerd documents it. */
  readonly daemon: Readonly<Record<string, Json>>;
  readonly context: { readonly name: string; readonly current: boolean };
}

export interface SshSettings {
  /** The port on the host; 0: chosen once and kept. */
  readonly port: number;
  /** Forwards the host's ssh agent into `shell` and `exec`. */
  readonly agent: boolean;
  /** Adds the Include line to ~/.ssh/config. */
  readonly config: boolean;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A place in a file that the user wrote; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong in the file, with the way out of it. */
export interface Problem {
  readonly at: Position;
  /** The key's path, e.g. `vm.memory` or `mounts[0].source`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly remedy?: string;
}

/** What a file gave: the machine, and where each of its keys stands. */
export interface LoadedMachine {
  readonly machine: Machine;
  /** The file as named by the user, absolute, links kept; "-" for standard input. */
  readonly origin: string;
  /** Where a key stands, or the nearest key above it that is in the file. */
  readonly positionOf: (path: string) => Position | undefined;
}
