import type { Recipe } from "./types.ts";

/** What every image holds beyond Debian's minimal set, whatever runs on it. */
const BASE_PACKAGES = [
  "ca-certificates",
  "dbus",
  "e2fsprogs",
  "iproute2",
  "kmod",
  "libpam-systemd",
  "mawk",
  "nftables",
  "openssh-server",
  "procps",
  "sshfs",
  "sudo",
  "systemd",
  "systemd-sysv",
  // A C program instead of a shell in the initrd: under emulation every fork there costs 60 ms.
  "tiny-initramfs",
  "udev",
] as const;

/** The generic kernel: Debian's cloud kernel is built without 9p. */
const KERNEL_PACKAGES = { x86_64: "linux-image-amd64", aarch64: "linux-image-arm64" } as const;

/** Debian's name of an architecture. */
export function debianArch(arch: Recipe["arch"]): "amd64" | "arm64" {
  return arch === "x86_64" ? "amd64" : "arm64";
}

/** The packages that a container engine needs in the image. */
export function packagesFor(engine: "docker"): string[] {
  const byEngine = {
    // docker.io brings no client since Debian 13.
    docker: ["apparmor", "containerd", "docker-cli", "docker.io", "iptables", "runc"],
  };
  return [...byEngine[engine]];
}

/** Every package that is asked for by name, each once, in a stable order. */
export function imagePackages(recipe: Recipe): string[] {
  return [...new Set([...BASE_PACKAGES, KERNEL_PACKAGES[recipe.arch], ...recipe.packages])].sort();
}
