import {
  DISABLED_UNITS,
  ENABLED_UNITS,
  IMAGE_FILES,
  type ImageFile,
  INITRD_FILE,
  MASKED_GENERATORS,
  MASKED_UNITS,
} from "./files.ts";

const END = "END_OF_IMAGE_FILE";

/** Folders that a machine has no use for; what Debian asks to keep beside a package is its copyright. */
export const DPKG_OPTIONS = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/lintian/*",
] as const;

/** Shell script for mmdebstrap's hook after the essential packages: `$1` is the tree. */
export function prepareScript(): string {
  return ["set -e", writeFile(INITRD_FILE)].join("\n");
}

/** Shell script for mmdebstrap's hook at the end: `$1` is the tree. It runs with that tree as root. */
export function customizeScript(): string {
  const units = (list: readonly string[]) => list.join(" ");
  return [
    "set -e",
    // The distribution's own line would name the subsystem a second time.
    `sed -i '/^Subsystem/d' "$1/etc/ssh/sshd_config"`,
    // An empty list of modules is still a list: systemd would start a process to read it.
    `rm -f "$1/etc/modules-load.d/modules.conf"`,
    `rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf" "$1/etc/hostname"`,
    ...IMAGE_FILES.map(writeFile),
    `chroot "$1" systemctl --quiet disable ${units(DISABLED_UNITS)} || true`,
    `chroot "$1" systemctl --quiet mask ${units(MASKED_UNITS)}`,
    `chroot "$1" systemctl --quiet enable ${units(ENABLED_UNITS)}`,
    `chroot "$1" systemctl --quiet set-default multi-user.target`,
    `mkdir -p "$1/etc/systemd/system-generators"`,
    ...MASKED_GENERATORS.map((name) => `ln -s /dev/null "$1/etc/systemd/system-generators/${name}"`),
    // Says that the caches below /etc and /var belong to this /usr: else the first boot would make them again.
    `chroot "$1" /usr/lib/systemd/systemd-update-done`,
    // bash takes twice as long as dash to run one command, and root is here for commands.
    `chroot "$1" usermod --shell /bin/sh root`,
    // QEMU starts the kernel from outside: another one in here would only miss its modules.
    `chroot "$1" dpkg-query -W -f '\${Package} hold\\n' 'linux-image-*' | chroot "$1" dpkg --set-selections`,
  ].join("\n");
}

function writeFile(file: ImageFile): string {
  const folder = file.path.slice(0, file.path.lastIndexOf("/"));
  const mode = file.executable ? "0755" : "0644";
  return `mkdir -p "$1${folder}"\ncat >"$1${file.path}" <<'${END}'\n${file.content}${END}\nchmod ${mode} "$1${file.path}"`;
}
