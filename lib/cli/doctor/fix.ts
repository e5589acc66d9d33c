import { EXIT, UserError } from "../../host/errors.ts";
import { type ProcessResult, run, tail } from "../../host/process.ts";
import { type DoctorFacts, packageCandidates } from "./facts.ts";
import type { NeededPackage } from "./finding.ts";

/** A command that a repair runs as root, and what it is for. */
export interface FixCommand {
  readonly argv: readonly string[];
  readonly text: string;
  /** Old package lists can make it fail. */
  readonly readsLists: boolean;
}

/** How {@link installPackages} reports and ends. */
export interface InstallOptions {
  readonly onText: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Puts the right to change the system before a command: nothing for root, sudo for others.
 * @throws UserError when there is neither
 */
export function asRoot(
  argv: readonly string[],
  facts: Pick<DoctorFacts, "host" | "programs">,
): readonly string[] {
  if (facts.host.uid === 0) return argv;
  if (facts.programs.sudo !== undefined) return [facts.programs.sudo, ...argv];
  throw new UserError("Installing packages needs root, and sudo is not here", {
    exitCode: EXIT.needsPerson,
    hint: `As root: ${argv.filter((word) => word !== "env" && !/^[A-Z_]+=/.test(word)).join(" ")}`,
  });
}

/**
 * What keeps a package's daemon from running here. Only Docker's client is wanted, but on Debian 12 its package
 * brings the daemon: its units are masked beforehand, so that it starts neither now nor at the next boot.
 */
export function unitsToMask(
  packages: readonly string[],
  facts: Pick<DoctorFacts, "programs">,
): readonly string[] {
  if (!packages.includes("docker.io") || facts.programs.systemctl === undefined) return [];
  const own = facts.programs.containerd === undefined ? ["containerd.service"] : [];
  return ["docker.service", "docker.socket", ...own];
}

/** The commands that install packages, in order; the update of the package lists is the caller's to add. */
export function installCommands(
  packages: readonly string[],
  facts: Pick<DoctorFacts, "host" | "programs">,
): readonly FixCommand[] {
  const masked = unitsToMask(packages, facts);
  const mask: FixCommand = {
    argv: asRoot(["systemctl", "mask", ...masked], facts),
    text: "Keeping Docker's daemon from starting",
    readsLists: false,
  };
  const install: FixCommand = {
    argv: asRoot([...APT_INSTALL, ...packages], facts),
    text: `Installing ${packages.join(", ")}`,
    readsLists: true,
  };
  return masked.length === 0 ? [install] : [mask, install];
}

/** RUNLEVEL=1 tells invoke-rc.d(8) on hosts without systemd that no service is to be started now. */
const APT_INSTALL: readonly string[] = [
  ...["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"],
  ...["apt-get", "install", "-y", "-q", "--no-install-recommends"],
];

/**
 * Installs packages with apt-get; the package lists are fetched only when a package is not in them or a download
 * fails because they are old.
 * @throws UserError with the end of apt's output
 */
export async function installPackages(
  packages: readonly NeededPackage[],
  facts: DoctorFacts,
  options: InstallOptions,
): Promise<void> {
  const names = packages.map((entry) => entry.name);
  const commands = installCommands(names, facts);
  const known = await packageCandidates(names);
  let fresh = false;
  if (names.some((name) => !known.has(name))) fresh = await update(facts, options);
  for (const command of commands) {
    let result = await runFix(command, options);
    if (result.code !== 0 && command.readsLists && !fresh) {
      fresh = await update(facts, options);
      result = await runFix(command, options);
    }
    if (result.code !== 0) throw fixError(command, result);
  }
}

async function update(facts: DoctorFacts, options: InstallOptions): Promise<true> {
  const command = {
    argv: asRoot(["apt-get", "update", "-q"], facts),
    text: "Fetching the package lists",
    readsLists: false,
  };
  const result = await runFix(command, options);
  if (result.code !== 0) throw fixError(command, result);
  return true;
}

function runFix(command: FixCommand, { onText, signal }: InstallOptions): Promise<ProcessResult> {
  onText(command.text);
  const onLine = (line: string) => {
    const step = /^(Get:\d+ |Unpacking |Setting up |Processing triggers )\S+(?: \S+)?/.exec(line)?.[0];
    if (step !== undefined) onText(step);
  };
  return run(command.argv, { onLine, signal, env: { LC_ALL: "C" } });
}

function fixError({ argv }: FixCommand, result: ProcessResult): UserError {
  return new UserError(`${argv.join(" ")} failed with exit code ${result.code}`, {
    output: tail(`${result.stdout}\n${result.stderr}`, 20),
    hint: "Run that command yourself to see more, then: machine doctor",
  });
}
