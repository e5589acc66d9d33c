import { join } from "node:path";
import { diffMachine } from "../apply/diff.ts";
import { orphanNote, orphansOf } from "../apply/prune.ts";
import { savedPlanOf, writeSavedPlan } from "../apply/saved_plan.ts";
import type { DiffResult } from "../apply/types.ts";
import type { LoadedMachine } from "../config/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import { isConverged } from "../plan/effects.ts";
import type { Address } from "../plan/types.ts";
import type { DiffCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { type ComparedMachine, writePlans } from "./plans.ts";
import { combineEnds, onEach, targetsByMachine } from "./several.ts";
import { fileName, loadTargets, type MachinesOfFile, positionPrinter } from "./target.ts";

/** `machine diff`: exit code 0 when there is no difference and everything could be looked at, else 2. */
export async function runDiff(command: DiffCommand, context: Context): Promise<number> {
  if (command.from !== undefined) {
    return await (await import("./diff_files.ts")).runDiffFiles({ ...command, from: command.from }, context);
  }
  const file = await loadTargets(command, context);
  requireOne(file, command);
  if (!command.quiet) {
    context.err.write(`Reading ${fileName(file.origin, context)}\n`);
    if (command.refreshOnly) {
      context.err.write("Compared with what was applied last; edits of the file do not count\n");
    }
  }
  const say = (text: string) => context.err.write(`${text}\n`);
  if (command.machine === undefined) {
    for (const name of await orphansOf(file.origin, file.declared, say)) say(orphanNote(name));
  }
  const targets = targetsByMachine(command.targets, file.machines.map(({ machine }) => machine.name));
  const machines = file.machines.filter(({ machine }) => targets.has(machine.name));
  const isSeveral = file.machines.length > 1;
  const compared: ComparedMachine[] = [];
  const ends = await onEach(machines, { command, context, isSeveral }, async (loaded) => {
    const { plan, notes } = await compare(loaded, targets.get(loaded.machine.name) ?? [], {
      command,
      context,
    });
    for (const note of notes) say(isSeveral ? `${loaded.machine.name}: ${note}` : note);
    compared.push({ plan, machine: loaded.machine, positionOf: positionPrinter(loaded, context) });
    return { exitCode: isConverged(plan) ? EXIT.done : EXIT.differences, worked: false };
  });
  await writePlans(compared, { command, context, isSeveral });
  const [only] = compared;
  if (command.out !== undefined && only !== undefined) {
    await save(command.out, { file, compared: only }, context);
  }
  return combineEnds(ends);
}

async function compare(
  loaded: LoadedMachine,
  targets: readonly Address[],
  { command, context }: { readonly command: DiffCommand; readonly context: Context },
): Promise<DiffResult> {
  const abort = new AbortController();
  const release = context.onInterrupt(() => abort.abort(new DOMException("Interrupted", "AbortError")));
  try {
    return await diffMachine(loaded, abort.signal, { targets, refreshOnly: command.refreshOnly });
  } finally {
    release();
  }
}

/** A saved plan is of one machine. */
function requireOne({ machines }: MachinesOfFile, command: DiffCommand): void {
  if (command.out === undefined || machines.length === 1) return;
  throw new UserError(`A saved plan is of one machine, and this file declares ${machines.length}`, {
    exitCode: EXIT.invalid,
    hint: `Name one with -m, e.g. -m ${machines[0]!.machine.name}`,
  });
}

async function save(
  path: string,
  { file, compared }: { readonly file: MachinesOfFile; readonly compared: ComparedMachine },
  context: Context,
): Promise<void> {
  const { machine, plan } = compared;
  await writeSavedPlan(
    path.startsWith("/") ? path : join(context.cwd, path),
    savedPlanOf({ origin: file.origin, machine, plan }),
  );
  context.err.write(`Saved; to carry it out: machine apply ${path}\n`);
}
