/** What a base image is made of; equal recipes give the same cache key. */
export interface Recipe {
  readonly name: "debian-13";
  readonly arch: "x86_64" | "aarch64";
  /** Package names that the machine's runtime needs, beyond what every image holds. */
  readonly packages: readonly string[];
}

/** A base image in the cache: read-only, the backing file of machines' overlays. */
export interface BaseImage {
  readonly key: string;
  readonly name: string;
  readonly arch: string;
  /** qcow2, absolute path. */
  readonly disk: string;
  /** SHA-256 of the disk file. */
  readonly digest: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel command line that this image wants, without `console=`. */
  readonly commandLine: string;
  /** Virtual size of the disk; an overlay is at least as large. */
  readonly sizeMiB: number;
  readonly builtAt: string;
}
