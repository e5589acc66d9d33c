import { join } from "node:path";
import type { Machine } from "../config/types.ts";
import { EXIT, messageOf, UserError } from "../host/errors.ts";
import { ensurePrivateDir, readText, removeIfPresent, writeAtomic } from "../host/files.ts";
import { listNames } from "../host/folders.ts";
import type { MachineFolder } from "../host/paths.ts";
import { equal } from "../plan/equal.ts";
import type { Address } from "../plan/types.ts";

const FORMAT_VERSION = "1";

/** How many applied forms are kept. */
const MOST_FORMS = 10;

const FILE_NAME = /^(\d{6,})\.json$/;

/** A form that the machine had, from the apply that made it so. */
export interface AppliedForm {
  readonly formatVersion: typeof FORMAT_VERSION;
  /** Counts up from 1 and is never given twice. */
  readonly number: number;
  readonly appliedAt: string;
  readonly origin: string;
  readonly machine: Machine;
  /** What was changed to get there. */
  readonly changed: readonly Address[];
}

/** The forms that can be gone back to, oldest first, and the files that hold none. */
export interface History {
  readonly forms: readonly AppliedForm[];
  readonly damaged: readonly { readonly file: string; readonly reason: string }[];
}

/**
 * Notes the form that a whole apply has come to; nothing is written where it is the form noted last. The oldest ones
 * beyond ten go. To be called under the machine's lock.
 * @returns the number of the form; `undefined` when it is no new one
 */
export async function noteApplied(
  folder: MachineFolder,
  entry: Pick<AppliedForm, "appliedAt" | "origin" | "machine" | "changed">,
): Promise<number | undefined> {
  const { forms } = await readHistory(folder);
  const machine = asData(entry.machine);
  if (equal(forms.at(-1)?.machine, machine)) return undefined;
  const numbers = await listNumbers(folder);
  const number = (numbers.at(-1) ?? 0) + 1;
  const form: AppliedForm = { formatVersion: FORMAT_VERSION, number, ...entry, machine };
  await ensurePrivateDir(folder.history);
  await writeAtomic(fileOf(folder, number), `${JSON.stringify(form, null, 2)}\n`);
  for (const old of [...numbers, number].slice(0, -MOST_FORMS)) await removeIfPresent(fileOf(folder, old));
  return number;
}

/** Reads the forms that were applied. A damaged file is named and left out. */
export async function readHistory(folder: MachineFolder): Promise<History> {
  const forms: AppliedForm[] = [];
  const damaged: { file: string; reason: string }[] = [];
  for (const number of await listNumbers(folder)) {
    const file = fileOf(folder, number);
    try {
      forms.push(parseForm(await readText(file), number));
    } catch (error) {
      damaged.push({ file, reason: messageOf(error) });
    }
  }
  return { forms, damaged };
}

/**
 * The form of a number.
 * @throws UserError with exit code 3 when there is none, naming those that there are
 */
export async function formAt(folder: MachineFolder, number: number): Promise<AppliedForm> {
  const { forms, damaged } = await readHistory(folder);
  const form = forms.find((candidate) => candidate.number === number);
  if (form) return form;
  const broken = damaged.find(({ file }) => file === fileOf(folder, number));
  if (broken) {
    throw new UserError(`${broken.file} is damaged: ${broken.reason}`, {
      exitCode: EXIT.invalid,
      hint: hintOf(forms),
    });
  }
  throw new UserError(`Machine "${folder.name}" has no form ${number} in its history`, {
    exitCode: EXIT.invalid,
    hint: hintOf(forms),
  });
}

/**
 * The form that the machine had before the present one: the newest that differs from it.
 * @throws UserError with exit code 3 when nothing else was ever applied
 */
export async function formBefore(folder: MachineFolder, present: Machine | undefined): Promise<AppliedForm> {
  const { forms, damaged } = await readHistory(folder);
  const now = present === undefined ? undefined : asData(present);
  const before = forms.findLast(({ machine }) => !equal(machine, now));
  // A damaged form may be the one that is meant.
  const broken = damaged.findLast(({ file }) => before === undefined || file > fileOf(folder, before.number));
  if (broken) {
    throw new UserError(`${broken.file} is damaged: ${broken.reason}`, {
      exitCode: EXIT.invalid,
      hint: `Name the form to go back to: machine rollback N. ${hintOf(forms)}`,
    });
  }
  if (before) return before;
  throw new UserError(`Machine "${folder.name}" has no earlier form to go back to`, {
    exitCode: EXIT.invalid,
    hint: "A form is noted when an apply that changed the machine has come to its end",
  });
}

function hintOf(forms: readonly AppliedForm[]): string {
  if (forms.length === 0) return "Nothing was noted yet: a form is noted when an apply has come to its end";
  return `There are ${forms.map(({ number }) => number).join(", ")}; machine history says what they are`;
}

function fileOf(folder: MachineFolder, number: number): string {
  return join(folder.history, `${String(number).padStart(6, "0")}.json`);
}

async function listNumbers(folder: MachineFolder): Promise<number[]> {
  const numbers = (await listNames(folder.history)).flatMap((name) => {
    const digits = FILE_NAME.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
  return numbers.sort((a, b) => a - b);
}

/** As it comes back from a file: a key without a value is no key. */
function asData(machine: Machine): Machine {
  return JSON.parse(JSON.stringify(machine)) as Machine;
}

function parseForm(text: string, number: number): AppliedForm {
  const value = JSON.parse(text) as Partial<AppliedForm> | null;
  const { formatVersion, machine, origin, appliedAt, changed } = value ?? {};
  if (formatVersion !== undefined && formatVersion !== FORMAT_VERSION) {
    throw new Error(`another version of machine wrote it (format ${formatVersion})`);
  }
  const isWhole = value?.number === number && typeof machine === "object" && machine !== null &&
    typeof machine.name === "string" && typeof origin === "string" && typeof appliedAt === "string" &&
    Array.isArray(changed);
  if (!isWhole) throw new Error("it holds no applied form");
  return value as AppliedForm;
}
