import { diffFiles } from "../apply/diff_files.ts";
import { limitPlan } from "../apply/targets.ts";
import type { LoadedMachine } from "../config/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import { isConverged } from "../plan/effects.ts";
import type { DiffCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { type ComparedMachine, writePlans } from "./plans.ts";
import { targetsByMachine } from "./several.ts";
import { fileName, loadFile, positionPrinter, targetFile } from "./target.ts";

/**
 * `machine diff --from OLD -f NEW`: what changing one file into the other would do to a machine that is as the old one
 * says. Looks at no machine, so it is for reviews and their automation.
 */
export async function runDiffFiles(
  command: DiffCommand & { readonly from: string },
  context: Context,
): Promise<number> {
  const file = await targetFile(command);
  if (file === "-" && command.from === "-") {
    throw new UserError("Only one of the two files can come from standard input", { exitCode: EXIT.invalid });
  }
  if (!command.quiet) {
    context.err.write(`Comparing ${fileName(command.from, context)} with ${fileName(file, context)}\n`);
  }
  const pairs = pairByName(await loadFile(command.from, context), await loadFile(file, context));
  const meant = pairs.filter(({ name }) => command.machine === undefined || command.machine === name);
  if (meant.length === 0) {
    throw new UserError(`Neither file declares the machine "${command.machine}"`, {
      exitCode: EXIT.invalid,
      hint: `Machines: ${pairs.map(({ name }) => name).join(", ")}`,
    });
  }
  const targets = targetsByMachine(command.targets, meant.map(({ name }) => name));
  const compared: ComparedMachine[] = [];
  for (const { name, from, to } of meant) {
    if (!targets.has(name)) continue;
    const { plan, notes } = await diffFiles(from, to);
    for (const note of notes) context.err.write(`${note}\n`);
    const loaded = (to ?? from)!;
    compared.push({
      plan: limitPlan(plan, targets.get(name)),
      machine: loaded.machine,
      positionOf: positionPrinter(loaded, context),
    });
  }
  await writePlans(compared, { command, context, isSeveral: meant.length > 1 });
  return compared.every(({ plan }) => isConverged(plan)) ? EXIT.done : EXIT.differences;
}

/** A machine in the two files; one that only one of them declares is made or taken away as a whole. */
interface Pair {
  readonly name: string;
  readonly from: LoadedMachine | undefined;
  readonly to: LoadedMachine | undefined;
}

/** In the order of the new file; what only the old one has comes last. */
function pairByName(old: readonly LoadedMachine[], present: readonly LoadedMachine[]): readonly Pair[] {
  const named = (machines: readonly LoadedMachine[]) =>
    new Map(machines.map((loaded) => [loaded.machine.name, loaded]));
  const [from, to] = [named(old), named(present)];
  return [...new Set([...to.keys(), ...from.keys()])]
    .map((name) => ({ name, from: from.get(name), to: to.get(name) }));
}
