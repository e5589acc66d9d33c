import { packagesFor } from "../../lib/image/packages.ts";
import { type Entry, Tree } from "./tree.ts";

/** A package of the simulated Debian. */
export interface DebianPackage {
  readonly depends?: readonly string[];
  /** Files that it brings, with their content. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The plugins that Debian's package of them brings. */
const CNI_PLUGINS =
  "bandwidth bridge dhcp firewall host-device host-local ipvlan loopback macvlan portmap ptp sbr static tuning vlan vrf"
    .split(" ");

/** Everything that apt knows. */
export const PACKAGES: Readonly<Record<string, DebianPackage>> = {
  "systemd": {},
  "sudo": { files: { "/etc/sudoers": "root ALL=(ALL) ALL\n" } },
  "less": {},
  "libssl3": {},
  "libcurl4": { depends: ["libssl3"] },
  "curl": { depends: ["libcurl4"], files: { "/usr/bin/curl": "curl" } },
  "git-man": {},
  "git": { depends: ["git-man", "libcurl4"], files: { "/usr/bin/git": "git" } },
  "libonig5": {},
  "jq": { depends: ["libonig5"], files: { "/usr/bin/jq": "jq" } },
  "vim-common": { files: { "/etc/vim/vimrc": "syntax on\n" } },
  "vim": { depends: ["vim-common"], files: { "/usr/bin/vim": "vim" } },
  "zsh": { files: { "/bin/zsh": "zsh", "/etc/zsh/zshrc": "# zsh\n" } },
  "tzdata-legacy": { files: { "/usr/share/zoneinfo/Asia/Calcutta": "zone Asia/Kolkata" } },
  ...Object.fromEntries([...packagesFor("docker"), ...packagesFor("containerd")].map((name) => [name, {}])),
  "containernetworking-plugins": {
    files: Object.fromEntries(
      CNI_PLUGINS.map((name) => [
        `/usr/lib/cni/${name}`,
        `Debian's ${name}`,
      ]),
    ),
  },
};

/** Put in by hand, so to speak, and by themselves. */
const MANUAL = [
  ...new Set(["systemd", "sudo", "less", ...packagesFor("docker"), ...packagesFor("containerd")]),
];
const AUTOMATIC = ["libssl3"];

/** Modules that can be loaded, and those that are part of the kernel. */
export const MODULES = { loadable: ["br_netfilter", "dummy", "ip_vs", "overlay"], builtIn: ["tcp_cubic"] };
/** Loaded by every boot. */
export const LOADED = ["overlay"];

/** Kernel parameters after a boot that nobody has a wish about, and the module that brings one. */
export const PARAMETERS: Readonly<Record<string, { readonly value: string; readonly module?: string }>> = {
  "fs.inotify.max_user_watches": { value: "8192" },
  "net.ipv4.ip_forward": { value: "0" },
  "net.ipv4.ip_local_port_range": { value: "32768\t60999" },
  "vm.max_map_count": { value: "65530" },
  "vm.swappiness": { value: "60" },
  "net.bridge.bridge-nf-call-iptables": { value: "0", module: "br_netfilter" },
};

/** What a system disk starts from. */
export interface System {
  readonly tree: Tree;
  /** Installed packages; `true`: because another one needs it. */
  readonly packages: Map<string, boolean>;
}

/** What Debian trusts. */
export const DEBIAN_AUTHORITIES = "Debian's authorities\n";

const FOLDERS = [
  "/bin",
  "/etc",
  "/etc/apt",
  "/etc/apt/apt.conf.d",
  "/etc/containerd",
  "/etc/docker",
  "/etc/modules-load.d",
  "/etc/profile.d",
  "/etc/ssh",
  "/etc/ssh/authorized_keys.d",
  "/etc/ssl",
  "/etc/ssl/certs",
  "/etc/sudoers.d",
  "/etc/sysctl.d",
  "/etc/systemd",
  "/etc/systemd/system",
  "/home",
  "/mnt",
  "/opt",
  "/srv",
  "/usr",
  "/usr/bin",
  "/usr/local",
  "/usr/local/bin",
  "/usr/local/share",
  "/usr/local/share/ca-certificates",
  "/usr/share",
  "/usr/share/zoneinfo",
  "/usr/share/zoneinfo/Asia",
  "/usr/share/zoneinfo/Etc",
  "/usr/share/zoneinfo/Europe",
  "/usr/lib",
  "/usr/lib/cni",
  "/usr/lib/systemd",
  "/usr/lib/systemd/system",
  "/var",
  "/var/lib",
  "/var/lib/containerd",
  "/var/lib/docker",
];

const FILES: Readonly<Record<string, string>> = {
  "/bin/sh": "sh",
  "/bin/bash": "bash",
  "/etc/containerd/config.toml":
    'version = 2\n\n[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "/usr/lib/cni"\n',
  "/etc/environment": "PATH=/usr/bin\n",
  "/etc/group": "root:x:0:\nsudo:x:27:\ndocker:x:990:\n",
  "/etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
  "/etc/issue": "Debian GNU/Linux 13\n",
  "/etc/motd": "The programs included with Debian are free software\n",
  "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
  "/etc/ssl/certs/ca-certificates.crt": DEBIAN_AUTHORITIES,
  "/etc/timezone": "Etc/UTC\n",
  "/usr/share/zoneinfo/Asia/Tokyo": "zone Asia/Tokyo",
  "/usr/share/zoneinfo/Etc/UTC": "zone Etc/UTC",
  "/usr/share/zoneinfo/Europe/Berlin": "zone Europe/Berlin",
  "/usr/lib/systemd/system/docker.service":
    "[Unit]\nRequires=docker.socket\n[Service]\nExecStart=/usr/sbin/dockerd\n[Install]\nWantedBy=multi-user.target\n",
  "/usr/lib/systemd/system/docker.socket":
    "[Socket]\nListenStream=/run/docker.sock\n[Install]\nWantedBy=sockets.target\n",
  "/usr/lib/systemd/system/containerd.service":
    "[Service]\nExecStart=/usr/bin/containerd\n[Install]\nWantedBy=multi-user.target\n",
};

const file = (content: string): Entry => ({
  kind: "file",
  content,
  mode: "644",
  owner: "root:root",
  mtimeMs: 1_000,
});

const base: readonly (readonly [string, Entry])[] = [
  ...FOLDERS.map((path) => [path, { kind: "folder", mode: "755", owner: "root:root" }] as const),
  ...Object.entries(FILES).map(([path, content]) => [path, file(content)] as const),
  ...[...MANUAL, ...AUTOMATIC].flatMap((name) =>
    Object.entries(PACKAGES[name]?.files ?? {}).map(([path, content]) => [path, file(content)] as const)
  ),
  ["/etc/localtime", { kind: "link", to: "/usr/share/zoneinfo/Etc/UTC" }],
];

/** A system as the base image has it. */
export function newSystem(): System {
  return {
    tree: new Tree(base),
    packages: new Map([
      ...MANUAL.map((name) => [name, false] as const),
      ...AUTOMATIC.map((name) => [name, true] as const),
    ]),
  };
}
