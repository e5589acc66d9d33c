import { freeSpaceMiB } from "../../host/disk_space.ts";
import { messageOf } from "../../host/errors.ts";
import { runConfined } from "../../host/confine.ts";
import { exists, readTextIfPresent } from "../../host/files.ts";
import { canOpenReadWrite, listNames } from "../../host/folders.ts";
import { cacheDir, machineHome } from "../../host/paths.ts";
import { findProgram, run, tail } from "../../host/process.ts";
import { type HostFacts, hostFacts } from "../../host/system.ts";

/** Something that was asked; unknown says why there is no answer. */
export type Answer<T> = { readonly known: true; readonly value: T } | {
  readonly known: false;
  readonly reason: string;
};

/** What the doctor looked at. Judging it is another matter, so that tests can make it up. */
export interface DoctorFacts {
  readonly host: Pick<HostFacts, "os" | "arch" | "uid" | "user">;
  /** The paths of programs; `undefined` where there is none. */
  readonly programs: Readonly<Record<ProgramName, string | undefined>>;
  /** The release's codename when the host is Debian. */
  readonly debianCodename: string | undefined;
  /** Whether `apt` has a source of the host's own release. */
  readonly aptSource: Answer<boolean>;
  readonly archiveKeys: Answer<readonly string[]>;
  /** The package that would bring a docker client; asked only when there is none. */
  readonly dockerPackage: "docker-cli" | "docker.io" | undefined;
  readonly kvm: "absent" | "forbidden" | "openable";
  readonly qemuVersion: Answer<string>;
  /** Whether this user may make user namespaces with the ids of /etc/subuid; asked only when not root. */
  readonly namespaces: Answer<"ok" | "not needed" | { readonly refused: string }>;
  readonly subordinateIds: Answer<{ readonly subuid: boolean; readonly subgid: boolean }>;
  readonly space: readonly {
    readonly use: "cache" | "machines";
    readonly path: string;
    readonly freeMiB: Answer<number>;
  }[];
  readonly home: string;
}

/** Programs that are looked for. */
export type ProgramName =
  | "qemu-system-x86_64"
  | "qemu-system-aarch64"
  | "qemu-img"
  | "mmdebstrap"
  | "mke2fs"
  | "setpriv"
  | "unshare"
  | "newuidmap"
  | "ssh"
  | "docker"
  | "apt-get"
  | "sudo"
  | "systemctl"
  | "containerd";

const PROGRAM_NAMES: readonly ProgramName[] = [
  "qemu-system-x86_64",
  "qemu-system-aarch64",
  "qemu-img",
  "mmdebstrap",
  "mke2fs",
  "setpriv",
  "unshare",
  "newuidmap",
  "ssh",
  "docker",
  "apt-get",
  "sudo",
  "systemctl",
  "containerd",
];

/** Looks at this computer. Writes nothing. */
export async function gatherFacts(): Promise<DoctorFacts> {
  const host = await hostFacts();
  const found = await Promise.all(
    PROGRAM_NAMES.map(async (name) => [name, await findProgram(name)] as const),
  );
  const programs = Object.fromEntries(found) as Record<ProgramName, string | undefined>;
  const debianCodename = await readCodename();
  const [aptSource, archiveKeys, dockerPackage, kvm, qemuVersion, namespaces, subordinateIds, space] =
    await Promise.all([
      ask(() => hasOwnSource(debianCodename)),
      ask(async () =>
        (await listNames("/usr/share/keyrings")).filter((name) => /trixie.*\.(gpg|pgp)$/.test(name))
      ),
      programs.docker === undefined && programs["apt-get"] !== undefined ? dockerClientPackage() : undefined,
      lookAtKvm(),
      ask(() => qemuVersionOf(programs[`qemu-system-${host.arch}`])),
      ask(() => tryNamespaces(host.uid)),
      ask(() => readSubordinateIds(host)),
      Promise.all([lookAtSpace("cache", cacheDir()), lookAtSpace("machines", machineHome())]),
    ]);
  return {
    host,
    programs,
    debianCodename,
    aptSource,
    archiveKeys,
    dockerPackage,
    kvm,
    qemuVersion,
    namespaces,
    subordinateIds,
    space,
    home: machineHome(),
  };
}

/** What apt would install of some packages; without a candidate a name is left out. */
export async function packageCandidates(names: readonly string[]): Promise<ReadonlySet<string>> {
  const { stdout } = await run(["apt-cache", "policy", ...names], { env: { LC_ALL: "C" } });
  const found = [...stdout.matchAll(/^(\S+):\n {2}Installed: .*\n {2}Candidate: (.*)$/gm)];
  return new Set(found.filter(([, , candidate]) => candidate !== "(none)").map(([, name]) => name!));
}

async function ask<T>(question: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { known: true, value: await question() };
  } catch (error) {
    return { known: false, reason: messageOf(error) };
  }
}

async function readCodename(): Promise<string | undefined> {
  const text = await readTextIfPresent("/etc/os-release") ?? "";
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1];
  return field("ID") === "debian" ? field("VERSION_CODENAME") : undefined;
}

/** apt's own view of its sources: it has read every file and knows which are switched off. */
async function hasOwnSource(codename: string | undefined): Promise<boolean> {
  if (codename === undefined) return false;
  const format = "$(CREATED_BY)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)";
  const result = await run(["apt-get", "indextargets", "--format", format], { env: { LC_ALL: "C" } });
  if (result.code !== 0) throw new Error(tail(result.stderr, 3));
  // Before the first `apt-get update` the origin is not known and stays as it is written in the format.
  return result.stdout.split("\n").some((line) => {
    const [kind, release, component, origin] = line.split("|");
    return kind === "Packages" && release === codename && component === "main" &&
      (origin === "Debian" || origin === "" || origin === "$(ORIGIN)");
  });
}

/**
 * Debian 13 has the client in a package of its own; on Debian 12 it comes only with the daemon.
 * Without package lists nothing can be compared: then the release decides.
 */
async function dockerClientPackage(): Promise<"docker-cli" | "docker.io"> {
  const candidates = await packageCandidates(["docker-cli", "docker.io"]);
  if (candidates.size > 0) return candidates.has("docker-cli") ? "docker-cli" : "docker.io";
  return await readCodename() === "bookworm" ? "docker.io" : "docker-cli";
}

async function lookAtKvm(): Promise<DoctorFacts["kvm"]> {
  if (!await exists("/dev/kvm")) return "absent";
  return await canOpenReadWrite("/dev/kvm") ? "openable" : "forbidden";
}

async function qemuVersionOf(path: string | undefined): Promise<string> {
  if (path === undefined) throw new Error("QEMU is not installed");
  const version = /version (\d+\.\d+\.\d+)/.exec((await run([path, "--version"])).stdout)?.[1];
  if (version === undefined) throw new Error(`Cannot read the version of ${path}`);
  return version;
}

async function tryNamespaces(uid: number): Promise<"ok" | "not needed" | { readonly refused: string }> {
  if (uid === 0) return "not needed";
  const { code, stderr } = await runConfined(["true"]);
  return code === 0 ? "ok" : { refused: tail(stderr, 1) };
}

async function readSubordinateIds(
  host: Pick<HostFacts, "uid" | "user">,
): Promise<{ subuid: boolean; subgid: boolean }> {
  const hasEntry = async (path: string) => {
    const text = await readTextIfPresent(path) ?? "";
    return text.split("\n").some((line) => [host.user, String(host.uid)].includes(line.split(":", 1)[0]!));
  };
  return { subuid: await hasEntry("/etc/subuid"), subgid: await hasEntry("/etc/subgid") };
}

async function lookAtSpace(use: "cache" | "machines", path: string): Promise<DoctorFacts["space"][number]> {
  return { use, path, freeMiB: await ask(() => freeSpaceMiB(path)) };
}
