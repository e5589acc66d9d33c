import { EXIT, isAbort, UserError } from "../host/errors.ts";
import { dataText } from "../ui/data_text.ts";
import { showProgress } from "../ui/progress.ts";
import { isYes } from "./approval.ts";
import type { DoctorCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { type DoctorFacts, gatherFacts } from "./doctor/facts.ts";
import { type Finding, isBlocking, type NeededPackage, neededPackages } from "./doctor/finding.ts";
import { installPackages, unitsToMask } from "./doctor/fix.ts";
import { judge } from "./doctor/judge.ts";
import { packagesText, reportJson, reportText } from "./doctor/report.ts";
import { watchInterrupts } from "./interrupts.ts";

/** `machine doctor`: looks, with `--fix` installs and looks again; 4 when something is left in the way. */
export async function runDoctor(command: DoctorCommand, context: Context): Promise<number> {
  let facts = await gatherFacts();
  let findings = judge(facts);
  const packages = command.fix ? neededPackages(findings) : [];
  if (packages.length > 0 && await agreed({ packages, facts, command, context })) {
    await install({ packages, facts, command, context });
    facts = await gatherFacts();
    findings = judge(facts);
    requireInstalled(packages, findings);
  }
  context.out.write(
    command.output === "text"
      ? reportText(findings, styleOf(context.out, command, context))
      : dataText(reportJson(findings), command.output),
  );
  return isBlocking(findings) ? EXIT.needsPerson : EXIT.done;
}

interface Fix {
  readonly packages: readonly NeededPackage[];
  readonly facts: DoctorFacts;
  readonly command: DoctorCommand;
  readonly context: Context;
}

/** Says what will be installed; asks where somebody can answer. `--fix` alone is consent enough for a script. */
async function agreed({ packages, facts, command, context }: Fix): Promise<boolean> {
  context.err.write(packagesText(packages, unitsToMask(packages.map((entry) => entry.name), facts)));
  if (command.yes || !context.canAsk) return true;
  context.err.write("Install these packages? [y/N] ");
  return isYes(await context.readLine(new AbortController().signal));
}

async function install({ packages, facts, command, context }: Fix): Promise<void> {
  const style = styleOf(context.err, command, context);
  const progress = showProgress({ stream: context.err, style, quiet: command.quiet });
  using interrupts = watchInterrupts({
    onInterrupt: context.onInterrupt,
    current: progress.current,
    say: (line) => {
      progress.pause();
      context.err.write(`${line}\n`);
    },
  });
  const started = performance.now();
  try {
    progress.handle({ kind: "step-start", address: "packages", action: "create", text: "Asking apt" });
    await installPackages(packages, facts, {
      signal: interrupts.abortSignal,
      onText: (text) => progress.handle({ kind: "progress", address: "packages", text }),
    });
    const ms = performance.now() - started;
    progress.handle({ kind: "step-done", address: "packages", action: "create", ms });
  } catch (error) {
    if (!isAbort(error)) throw error;
    throw new UserError("Interrupted", {
      exitCode: EXIT.interrupted,
      hint: "dpkg --configure -a finishes what apt had begun",
      cause: error,
    });
  } finally {
    progress.close();
  }
}

/** A package that was installed and yet did not help is a failure of the repair, not of the person. */
function requireInstalled(packages: readonly NeededPackage[], findings: readonly Finding[]): void {
  const names = new Set(packages.map((entry) => entry.name));
  const left = findings.filter((finding) => finding.state === "missing" && names.has(finding.package ?? ""));
  if (left.length === 0) return;
  throw new UserError(`Installed, and yet: ${left.map((finding) => finding.what).join("; ")}`, {
    hint: "apt-get update, then machine doctor --fix again; the package of this release may be too old",
  });
}
