import { join } from "node:path";
import { applyMachine } from "../apply/apply.ts";
import { orphanNote, orphansOf } from "../apply/prune.ts";
import { readSavedPlan } from "../apply/saved_plan.ts";
import type { ApplyOptions } from "../apply/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import type { ApplyCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { runDiff } from "./diff.ts";
import { carryOut } from "./operation.ts";
import { pruneMachine } from "./prune.ts";
import { combineEnds, type MachineEnd, onEach, shown, targetsByMachine } from "./several.ts";
import { fileName, loadTargets, type MachinesOfFile, positionPrinter } from "./target.ts";
import { askToKeep } from "./try.ts";

/** `machine apply`. */
export async function runApply(command: ApplyCommand, context: Context): Promise<number> {
  if (command.plan !== undefined) return await applySaved(command.plan, command, context);
  if (command.refreshOnly) {
    return await runDiff(
      { ...command, kind: "diff", out: undefined, from: undefined, asYaml: false },
      context,
    );
  }
  const file = await loadTargets(command, context);
  if (!command.quiet) context.err.write(`Reading ${fileName(file.origin, context)}\n`);
  if (command.tryMs !== undefined && file.machines.length > 1) {
    throw new UserError("Several machines cannot be tried at once", {
      exitCode: EXIT.invalid,
      hint: `Name one with -m, e.g. -m ${file.machines[0]!.machine.name}`,
    });
  }
  const pruned = await handleOrphans(file, command, context);
  if (pruned.some(({ interrupted }) => interrupted)) return combineEnds(pruned);
  const targets = targetsByMachine(command.targets, file.machines.map(({ machine }) => machine.name));
  const machines = file.machines.filter(({ machine }) => targets.has(machine.name));
  const isSeveral = file.machines.length > 1 || pruned.length > 0;
  const ends = await onEach(machines, { command, context, isSeveral, hasHeaders: isSeveral }, (loaded) => {
    const { name } = loaded.machine;
    return applyOne(command, context, {
      loaded,
      isOneOfSeveral: file.machines.length > 1,
      positionOf: positionPrinter(loaded, context),
      targets: targets.get(name) ?? [],
    });
  });
  return combineEnds([...pruned, ...ends]);
}

/** A machine to apply, and how it is shown. */
interface Wanted extends Pick<ApplyOptions, "loaded" | "expectPlan"> {
  readonly isOneOfSeveral: boolean;
  readonly positionOf: (path: string) => string | undefined;
  readonly targets: readonly string[];
}

async function applyOne(command: ApplyCommand, context: Context, wanted: Wanted): Promise<MachineEnd> {
  const { loaded, isOneOfSeveral, positionOf, targets, expectPlan } = wanted;
  const { name } = loaded.machine;
  const { outcome, interrupted } = await carryOut(command, {
    machine: name,
    isOneOfSeveral,
    positionOf,
    work: (options, approval) =>
      applyMachine({
        ...options,
        loaded,
        approval,
        takeOver: command.takeOver,
        dryRun: command.dryRun,
        ...(targets.length === 0 ? {} : { targets }),
        ...(expectPlan === undefined ? {} : { expectPlan }),
        ...(command.tryMs === undefined ? {} : { tryMs: command.tryMs }),
      }),
  }, context);
  const { triedUntil: until, exitCode } = outcome;
  if (until !== undefined) {
    await askToKeep({ name, until, isWhole: exitCode === EXIT.done, command }, context);
  }
  return { exitCode, worked: outcome.done.length > 0, interrupted };
}

/** `machine apply PLAN`: what the file of the plan said then, and only if the machine is still as it was then. */
async function applySaved(path: string, command: ApplyCommand, context: Context): Promise<number> {
  const saved = await readSavedPlan(path.startsWith("/") ? path : join(context.cwd, path));
  if (!command.quiet) {
    context.err.write(
      `The plan of ${saved.createdAt} for machine "${saved.machine.name}", from ${saved.origin}\n`,
    );
  }
  const end = await applyOne(command, context, {
    loaded: { machine: saved.machine, origin: saved.origin, positionOf: () => undefined },
    isOneOfSeveral: false,
    positionOf: () => undefined,
    targets: saved.targets,
    expectPlan: saved.plan,
  });
  return end.exitCode;
}

/** Names the machines that left the file, or deletes them: first, because they may hold what the others need. */
async function handleOrphans(
  file: MachinesOfFile,
  command: ApplyCommand,
  context: Context,
): Promise<readonly MachineEnd[]> {
  if (command.machine !== undefined) return []; // then the command is about one machine, not about the file
  const say = (text: string) => context.err.write(`${text}\n`);
  const orphans = await orphansOf(file.origin, file.declared, say);
  if (command.prune) return await pruneAll(orphans, command, context);
  for (const name of orphans) say(orphanNote(name));
  return [];
}

async function pruneAll(
  orphans: readonly string[],
  command: ApplyCommand,
  context: Context,
): Promise<readonly MachineEnd[]> {
  const ends: MachineEnd[] = [];
  for (const name of orphans) {
    ends.push(await shown(name, () => pruneMachine(name, command, context), { command, context }));
    if (ends.at(-1)?.interrupted) break;
  }
  return ends;
}
