import { EXIT, UserError } from "../host/errors.ts";

/** An architecture as machine files name it. */
export type Arch = "x86_64" | "aarch64";

/** What the templates of a row are filled with. */
interface Blanks {
  /** Of the release, without the "v" that some projects write before it. */
  readonly version: string;
  /** As Go and Debian name it. */
  readonly arch: "amd64" | "arm64";
}

/** A program whose releases are downloaded: a row of the catalogue. */
export interface Artifact {
  readonly name: string;
  /** What it is for, in a few words. */
  readonly purpose: string;
  /** The version that is taken where the machine file names none. */
  readonly version: string;
  readonly arches: readonly Arch[];
  /** The release's folder: the path of its official URL, decoded. */
  readonly folder: (of: Blanks) => string;
  /** The file's name in that folder. */
  readonly file: (of: Blanks) => string;
  /** The file beside it with the checksums of the release's files, as sha256sum(1) or sha512sum(1) writes it. */
  readonly checksums: (of: Blanks) => string;
}

/** Everything that is downloaded from releases. */
export const CATALOGUE: readonly Artifact[] = [
  {
    name: "nerdctl",
    purpose: "nerdctl and BuildKit, for containerd",
    // The newest one that was tried with the containerd 1.7 of Debian 13.
    version: "2.2.2",
    arches: ["x86_64", "aarch64"],
    folder: ({ version }) => `containerd/nerdctl/releases/download/v${version}`,
    file: ({ version, arch }) => `nerdctl-full-${version}-linux-${arch}.tar.gz`,
    checksums: () => "SHA256SUMS",
  },
  {
    name: "cni-plugins",
    purpose: "CNI's own plugins, where Debian's are not taken",
    version: "1.7.1",
    arches: ["x86_64", "aarch64"],
    folder: ({ version }) => `containernetworking/plugins/releases/download/v${version}`,
    file: ({ version, arch }) => `cni-plugins-linux-${arch}-v${version}.tgz`,
    checksums: ({ version, arch }) => `cni-plugins-linux-${arch}-v${version}.tgz.sha256`,
  },
  {
    name: "cni-plugin-flannel",
    purpose: "the plugin that joins containers to flannel's network",
    version: "1.9.1-flannel1",
    arches: ["x86_64", "aarch64"],
    folder: ({ version }) => `flannel-io/cni-plugin/releases/download/v${version}`,
    file: (blanks) => flannelArchive(blanks),
    checksums: (blanks) => `${flannelArchive(blanks)}.sha512`,
  },
];

/** Its releases are named after the plugins that they fit, with a number of their own; their files only after the former. */
function flannelArchive({ version, arch }: Blanks): string {
  return `cni-plugin-flannel-linux-${arch}-v${version.replace(/-flannel\d+$/, "")}.tgz`;
}

/** One file of one release, for one architecture. */
export interface Release {
  readonly name: string;
  readonly version: string;
  readonly arch: Arch;
  readonly fileName: string;
  /** Where it is below a mirror, decoded, without a slash at the start. */
  readonly path: string;
  /** Where its checksum is. */
  readonly checksumPath: string;
}

/** Which release of a row is meant. */
export interface ReleaseWish {
  readonly arch: Arch;
  /** The row's own when left out. */
  readonly version?: string;
}

/**
 * Fills in the templates of a row.
 * @throws UserError when there is none for the architecture
 */
export function releaseOf(artifact: Artifact, { arch, version = artifact.version }: ReleaseWish): Release {
  if (!artifact.arches.includes(arch)) {
    throw new UserError(`There is no release of ${artifact.name} for ${arch}`, {
      hint: `It exists for ${artifact.arches.join(", ")}`,
    });
  }
  const blanks: Blanks = { version: version.replace(/^v/, ""), arch: arch === "x86_64" ? "amd64" : "arm64" };
  const [folder, fileName] = [artifact.folder(blanks), artifact.file(blanks)];
  return {
    name: artifact.name,
    version: blanks.version,
    arch,
    fileName,
    path: `${folder}/${fileName}`,
    checksumPath: `${folder}/${artifact.checksums(blanks)}`,
  };
}

/**
 * Looks a row up by its name.
 * @throws UserError naming what there is when there is none
 */
export function artifactNamed(name: string, catalogue: readonly Artifact[] = CATALOGUE): Artifact {
  const artifact = catalogue.find((row) => row.name === name);
  if (artifact) return artifact;
  throw new UserError(`There is no artifact "${name}"`, {
    exitCode: EXIT.invalid,
    hint: `There is: ${catalogue.map((row) => row.name).join(", ")}`,
  });
}

/** What of a machine decides which releases it needs. */
export interface Needs {
  readonly vm: { readonly arch: Arch };
  readonly runtime: { readonly engine: string; readonly containerd: { readonly nerdctl: boolean } };
  readonly cni: {
    readonly network: { readonly kind: string };
    readonly plugins: { readonly source: string; readonly version?: string };
  };
}

/**
 * The releases that a machine needs.
 * @throws UserError when there is none for its architecture
 */
export function neededBy({ vm: { arch }, runtime, cni }: Needs): readonly Release[] {
  if (runtime.engine !== "containerd") return [];
  const { source, version } = cni.plugins;
  const wishes = [
    { name: "nerdctl", isNeeded: runtime.containerd.nerdctl },
    { name: "cni-plugins", isNeeded: source === "release", version },
    { name: "cni-plugin-flannel", isNeeded: cni.network.kind === "flannel" },
  ];
  return wishes.filter(({ isNeeded }) => isNeeded).map(({ name, version }) =>
    releaseOf(artifactNamed(name), { arch, ...(version === undefined ? {} : { version }) })
  );
}

/** The release of one artifact that a machine needs; `undefined` when it needs none. */
export function neededOf(name: string, needs: Needs): Release | undefined {
  return neededBy(needs).find((release) => release.name === name);
}
