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

/** The packages that a container engine needs in the guest. */
export function packagesFor(engine: "docker" | "containerd" | "none"): readonly string[] {
  return ENGINE_PACKAGES[engine];
}

const ENGINE_PACKAGES = {
  // docker.io brings no client since Debian 13. buildx and compose are the client's plugins, for whoever works inside.
  docker: [
    "apparmor",
    "containerd",
    "docker-buildx",
    "docker-cli",
    "docker-compose",
    "docker.io",
    "iptables",
    "runc",
  ],
  containerd: ["apparmor", "containerd", "containernetworking-plugins", "iptables", "runc"],
  none: [],
} as const;

/**
 * What goes into the image of a machine for an engine. An image for docker has what containerd alone needs too, so
 * that the engine can be switched without a download.
 */
export function bakedFor(engine: "docker" | "containerd" | "none"): readonly string[] {
  return engine === "docker"
    ? [...new Set([...packagesFor("docker"), ...packagesFor("containerd")])].sort()
    : packagesFor(engine);
}

/** Every package that is asked for by name, each once, in a stable order. */
export function imagePackages(recipe: Recipe): string[] {
  return [...new Set([...BASE_PACKAGES, KERNEL_PACKAGES[recipe.arch], ...recipe.packages])].sort();
}
