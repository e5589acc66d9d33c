import type { Machine } from "./types.ts";

/** Folders that are kept on the data disk. */
export const DATA_FOLDERS: readonly string[] = [
  "/home",
  "/etc/rancher",
  ..."docker containerd buildkit nerdctl containers rancher kubelet cni".split(" ").map((it) =>
    `/var/lib/${it}`
  ),
];

/** Where the guest mounts the data disk itself. */
const DATA_DISK = "/var/lib/machine/data";

/** What the guest needs for itself: nothing may cover these folders, be inside of them or above them. */
export const SYSTEM_FOLDERS: readonly string[] = [
  ..."/etc /usr /proc /sys /dev /run /boot /bin /sbin /lib /lib32 /lib64 /libx32 /var/run /var/lock".split(
    " ",
  ),
  ...DATA_FOLDERS.filter((folder) => folder.startsWith("/var/lib/")),
  // The machine's own notes
  "/var/lib/machine",
];

/** Files of the guest that the machine writes itself, and the key that serves instead of writing them. */
const MANAGED_FILES: readonly { readonly pattern: RegExp; readonly key: string }[] = [
  { pattern: /^\/etc\/host(name|s)$/, key: "hostname" },
  { pattern: /^\/etc\/(environment|profile\.d\/machine\.sh)$/, key: "env" },
  {
    pattern:
      /^\/etc\/(profile\.d\/machine-proxy\.sh|apt\/apt\.conf\.d\/95machine-proxy|sudoers\.d\/machine-proxy|systemd\/system\.conf\.d\/machine-proxy\.conf)$/,
    key: "network.proxy",
  },
  { pattern: /^\/etc\/ssl\/certs\/ca-certificates\.crt$/, key: "network.caCerts" },
  { pattern: /^\/usr\/local\/share\/ca-certificates\/machine-/, key: "network.caCerts" },
  { pattern: /^\/etc\/(localtime|timezone)$/, key: "timezone" },
  { pattern: /^\/etc\/docker\/daemon\.json$/, key: "runtime.docker.daemon" },
  { pattern: /^\/etc\/(containerd|docker)\/certs\.d\//, key: "runtime.registries" },
  { pattern: /^\/etc\/systemd\/system\/machine-containers\.service$/, key: "runtime.engine" },
  { pattern: /^\/etc\/containerd\/config\.toml$/, key: "runtime.containerd.config" },
  { pattern: /^\/etc\/cni\/net\.d\/05-machine\.conflist$/, key: "cni.network" },
  { pattern: /^\/etc\/systemd\/system\/containerd\.service\.d\/machine-proxy\.conf$/, key: "network.proxy" },
  { pattern: /^\/etc\/sysctl\.d\/90-machine-/, key: "sysctl" },
  { pattern: /^\/etc\/modules-load\.d\/machine-/, key: "modules" },
  { pattern: /^\/etc\/sudoers\.d\/machine$/, key: "user.sudo" },
  {
    pattern: /^\/etc\/ssh\/(authorized_keys\.d|authorized_keys\.d\/.*|sshd_config\.d\/10-machine\.conf)$/,
    key: "ssh",
  },
  { pattern: /^\/(etc\/(passwd|group|shadow|gshadow)-?)$/, key: "user" },
  { pattern: /^\/etc\/systemd\/system\/[^/]+\.d\/machine\.conf$/, key: "vm.dataDisk" },
];

/** The key that says what is in a file which the machine writes itself; `undefined` for every other file. */
export function managingKey(path: string, machine: Machine): string | undefined {
  return MANAGED_FILES.find(({ pattern }) => pattern.test(path))?.key ?? mountingKey(path, machine);
}

/** The key behind a mount unit that the machine writes itself; `undefined` for every other path. */
function mountingKey(path: string, { vm, mounts }: Machine): string | undefined {
  const unit = /^\/etc\/systemd\/system\/([^/]+)\.mount$/.exec(path)?.[1];
  if (unit === undefined) return undefined;
  const target = mountPoint(unit);
  if (mounts.some((mount) => mount.target === target)) return "mounts";
  if (vm.disks.some((disk) => disk.target === target)) return "vm.disks";
  const isKept = vm.dataDiskMiB !== undefined && [DATA_DISK, ...DATA_FOLDERS].includes(target);
  return isKept ? "vm.dataDisk" : undefined;
}

/** The folder that a unit mounts by its name: `-` stands for a slash, `\x2d` for the byte 2d (systemd-escape(1)). */
function mountPoint(unit: string): string {
  const bytes = unit.split(/(\\x[0-9a-f]{2})/).flatMap((part) =>
    part.startsWith("\\x")
      ? [parseInt(part.slice(2), 16)]
      : [...new TextEncoder().encode(part.replaceAll("-", "/"))]
  );
  return `/${new TextDecoder().decode(new Uint8Array(bytes))}`;
}

/** Whether a path is a folder, or something in it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** Folders of the guest that are there whatever a file says. */
export function fixedFolders({ user, mounts, vm }: Machine): readonly string[] {
  return [
    ...SYSTEM_FOLDERS,
    ...DATA_FOLDERS,
    user.home,
    ...mounts.map(({ target }) => target),
    ...vm.disks.map(({ target }) => target),
  ];
}
