import { relative } from "node:path";
import type { MachinesResult } from "../config/load.ts";
import type { LoadedMachine } from "../config/types.ts";
import { EXIT, UserError } from "../host/errors.ts";
import type { GlobalOptions } from "./command.ts";
import type { Context } from "./context.ts";

/** A machine as the command line names it. */
export type NamedTarget = Pick<GlobalOptions, "file" | "machine"> & { readonly name?: string | undefined };

/** The machines of a file that a command is about. */
export interface MachinesOfFile {
  /** The file as named by the user, absolute; "-" for standard input. */
  readonly origin: string;
  /** Those that are meant: the one of `-m`, else all, in the order of the file. */
  readonly machines: readonly LoadedMachine[];
  /** Every machine that the file declares. */
  readonly declared: readonly string[];
}

/**
 * Reads the machine file that the command line names: `-f`, else the default file, else the file from which the
 * machine of `-m` was last applied.
 * @throws UserError with every problem of the file, when there is no file, or no such machine in it
 */
export async function loadTargets(target: NamedTarget, context: Context): Promise<MachinesOfFile> {
  const file = await targetFile(target);
  return pickMachines(await loadFile(file, context), { file, machine: target.machine }, context);
}

/** Those of a file's machines that are meant. @throws UserError when `-m` names one that the file does not declare */
export function pickMachines(
  all: readonly LoadedMachine[],
  { file, machine: name }: { readonly file: string; readonly machine: string | undefined },
  context: Context,
): MachinesOfFile {
  const declared = all.map(({ machine }) => machine.name);
  const machines = name === undefined ? all : all.filter(({ machine }) => machine.name === name);
  if (machines.length > 0) return { origin: all[0]!.origin, machines, declared };
  const names = declared.map((known) => `"${known}"`).join(", ");
  throw new UserError(
    `${fileName(file, context)} declares ${
      declared.length === 1 ? "the machine" : "the machines"
    } ${names}, not "${name}"`,
    {
      exitCode: EXIT.invalid,
      hint: "Give the file of that machine with -f, or leave -m out",
    },
  );
}

/**
 * The name of the machine that the command line means: its name, else the one in the file, else the only one.
 * @throws UserError listing the machines when it is not clear which
 */
export async function nameTarget(target: NamedTarget, context: Context): Promise<string> {
  if (target.name !== undefined && target.machine !== undefined && target.name !== target.machine) {
    throw new UserError(`Two machines are named: "${target.name}" and "${target.machine}"`, {
      exitCode: EXIT.invalid,
      hint: "Give one of them",
    });
  }
  const given = target.name ?? target.machine;
  if (given !== undefined) return given;
  const { findDefaultFile } = await import("../config/load.ts");
  const file = target.file ?? await findDefaultFile();
  if (file !== undefined) {
    const machines = await loadFile(file, context, "Or name the machine with -m");
    return onlyDeclared(machines.map(({ machine }) => machine.name), fileName(file, context));
  }
  const { listMachines } = await import("../apply/status.ts");
  return onlyMachine(await listMachines());
}

/** The only machine of a file. @throws UserError listing them when there are several */
function onlyDeclared(names: readonly string[], file: string): string {
  const [first = "", ...others] = names;
  if (others.length === 0) return first;
  throw new UserError(`Which machine is meant? ${file} declares ${names.length}: ${names.join(", ")}`, {
    exitCode: EXIT.invalid,
    hint: `Name one with -m, e.g. -m ${first}`,
  });
}

/** The only one of some machines. @throws UserError listing them when there are none or several */
export function onlyMachine(names: readonly string[]): string {
  const [first, ...others] = names;
  if (first === undefined) {
    throw new UserError("There is no machine yet, and no machine file here", {
      exitCode: EXIT.invalid,
      hint: "Write machine.yaml, or name a file with -f, then: machine apply",
    });
  }
  if (others.length === 0) return first;
  throw new UserError(`Which machine is meant? There are ${names.length}: ${names.join(", ")}`, {
    exitCode: EXIT.invalid,
    hint: `Name one with -m, e.g. -m ${first}`,
  });
}

/** A place in the file for a person: relative to the folder the command was called in. */
export function positionPrinter(
  loaded: LoadedMachine,
  context: Context,
): (path: string) => string | undefined {
  return (path) => {
    const at = loaded.positionOf(path);
    return at && `${fileName(at.file, context)}:${at.line}:${at.column}`;
  };
}

/** A file's name for a person. */
export function fileName(file: string, context: Pick<Context, "cwd">): string {
  if (file === "-") return "standard input";
  const near = relative(context.cwd, file);
  return !file.startsWith("/") ? file : near.startsWith("../") ? file : near;
}

/**
 * The file that the command line means.
 * @throws UserError when there is none
 */
export async function targetFile({ file, machine }: NamedTarget): Promise<string> {
  if (file !== undefined) return file;
  const { findDefaultFile } = await import("../config/load.ts");
  const found = await findDefaultFile();
  if (machine !== undefined) {
    const { listMachines, machineStatus } = await import("../apply/status.ts");
    const origin = (await listMachines()).includes(machine)
      ? (await machineStatus(machine)).origin
      : undefined;
    if (origin !== undefined && origin !== "-" && origin !== "") return origin;
  }
  if (found !== undefined) return found;
  throw new UserError(
    "There is no machine file: neither ./machine.yaml nor ~/.config/machine/machine.yaml exists",
    {
      exitCode: EXIT.invalid,
      hint: "Name one with -f",
    },
  );
}

/** Reads a machine file; what is wrong with it is part of the result. */
export async function readMachines(file: string, context: Context): Promise<MachinesResult> {
  const [{ loadMachines }, { hostFacts }] = await Promise.all([
    import("../config/load.ts"),
    import("../host/system.ts"),
  ]);
  const source = file === "-" ? { stdin: true, text: await context.readStdin() } as const : { path: file };
  return await loadMachines(source, await hostFacts());
}

/** The machines of a file that has to be valid. @throws UserError with every problem of it */
export async function loadFile(
  file: string,
  context: Context,
  hint?: string,
): Promise<readonly LoadedMachine[]> {
  const result = await readMachines(file, context);
  if (result.ok) return result.machines;
  const { formatProblems } = await import("../config/problem.ts");
  throw new UserError(`${fileName(file, context)} is not valid`, {
    exitCode: EXIT.invalid,
    output: formatProblems(result.problems),
    ...(hint === undefined ? {} : { hint }),
  });
}
