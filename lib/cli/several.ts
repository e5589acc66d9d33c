import type { LoadedMachine } from "../config/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import type { Address } from "../plan/types.ts";
import type { GlobalOptions } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { showFailure } from "./failure.ts";

/** How the work on one machine of several ended. */
export interface MachineEnd {
  readonly exitCode: number;
  /** True when something was done to it. */
  readonly worked: boolean;
  /** True after Ctrl-C: the machines after it are left as they are. */
  readonly interrupted?: boolean;
}

/** Exit codes from good to bad. */
const SEVERITY: readonly number[] = [
  EXIT.done,
  EXIT.differences,
  EXIT.locked,
  EXIT.needsPerson,
  EXIT.invalid,
  EXIT.failed,
  EXIT.partial,
  EXIT.interrupted,
];

/**
 * One exit code for all machines: 0 when all ended so, 5 when some work was done and something failed, else the
 * worst. A machine that differs and one that cannot be looked at is a failure, not a difference.
 */
export function combineEnds(ends: readonly MachineEnd[]): number {
  const worst = ends.reduce((code, end) => worse(code, end.exitCode), EXIT.done as number);
  const isFailure = worst !== EXIT.done && worst !== EXIT.differences;
  return isFailure && ends.some(({ worked }) => worked) ? EXIT.partial : worst;
}

function worse(a: number, b: number): number {
  return SEVERITY.indexOf(b) > SEVERITY.indexOf(a) ? b : a;
}

/** Which command works, and where. */
export interface Surroundings {
  readonly command: GlobalOptions;
  readonly context: Context;
}

/** What {@link onEach} is told beside the machines. */
export interface EachOptions extends Surroundings {
  /** Whether the command is about more than one: then a failure is shown and the others have their turn. */
  readonly isSeveral: boolean;
  /** Whether each gets a line with its name before its output. */
  readonly hasHeaders?: boolean;
}

/**
 * Works on one machine after the other. Of several, one that fails is shown and the others have their turn; an only
 * one fails as a command does.
 */
export async function onEach(
  machines: readonly LoadedMachine[],
  options: EachOptions,
  work: (loaded: LoadedMachine) => Promise<MachineEnd>,
): Promise<readonly MachineEnd[]> {
  const ends: MachineEnd[] = [];
  for (const loaded of machines) {
    if (options.hasHeaders) writeHeader(loaded.machine.name, options);
    const end = options.isSeveral
      ? await shown(loaded.machine.name, () => work(loaded), options)
      : await work(loaded);
    ends.push(end);
    if (end.interrupted) break;
  }
  return ends;
}

/** A line that says which machine the output below it is about; JSON says it in the data. */
export function writeHeader(title: string, { command, context }: Surroundings): void {
  if (command.output !== "text") return;
  context.out.write(`${styleOf(context.out, command, context).bold(`Machine ${title}`)}\n`);
}

/** Some work on a machine whose failure is shown and does not keep what comes after it. */
export async function shown(
  machine: string,
  work: () => Promise<MachineEnd>,
  { command, context }: Surroundings,
): Promise<MachineEnd> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const style = styleOf(context.err, command, context);
    const exitCode = showFailure(error, { err: context.err, style, output: command.output, machine });
    return { exitCode, worked: false, interrupted: exitCode === EXIT.interrupted };
  }
}

/**
 * The targets of each machine: of several machines each target says which one it means, as `NAME/kind:id`. A machine
 * without any is left out, where others have some.
 * @throws UserError with exit code 3 when one names no machine, or one that is not meant
 */
export function targetsByMachine(
  targets: readonly Address[],
  names: readonly string[],
): ReadonlyMap<string, readonly Address[]> {
  const byName = new Map<string, Address[]>(targets.length === 0 ? names.map((name) => [name, []]) : []);
  const [first = "", ...others] = names;
  for (const target of targets) {
    // An address without a machine may hold a slash too, but only after its colon.
    const [, name = others.length === 0 ? first : undefined, address = target] =
      /^([^:/]+)\/(.+)$/.exec(target) ?? [];
    if (name === undefined) {
      throw new UserError(`Of which machine is "${target}"? There are ${names.length}: ${names.join(", ")}`, {
        exitCode: EXIT.invalid,
        hint: `Write for example --target ${first}/${target}, or name the machine with -m`,
      });
    }
    if (!names.includes(name)) {
      throw new UserError(`"${target}" is of a machine that is not meant here`, {
        exitCode: EXIT.invalid,
        hint: `Machines: ${names.join(", ")}`,
      });
    }
    byName.set(name, [...byName.get(name) ?? [], address]);
  }
  return byName;
}
