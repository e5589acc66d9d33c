import type { Machine } from "../config/types.ts";
import { EXIT, messageOf, UserError } from "../host/errors.ts";
import { sha256, statIfPresent, writeAtomic } from "../host/files.ts";
import { readUpTo } from "../host/input.ts";
import { VERSION } from "../host/version.ts";
import { actionable, worstOf } from "../plan/effects.ts";
import { equal } from "../plan/equal.ts";
import type { Address, Plan, PlannedChange } from "../plan/types.ts";

/** The form that this program writes; it refuses a newer one. */
const FORMAT_VERSION = "1";
const KIND = "machine-plan";

/** More than any saved plan has: what is longer is something else, a device perhaps. */
const MOST_BYTES = 16 * 2 ** 20;

const MAKE_ONE = "machine diff --out FILE makes one; a machine file is named with -f, a machine with -m";
const MAKE_ANEW = "Make a new plan: machine diff --out FILE";

/** A plan of one machine as a file: what was wanted, what would be done, and how to tell that it still holds. */
export interface SavedPlan {
  readonly formatVersion: typeof FORMAT_VERSION;
  readonly kind: typeof KIND;
  /** The version of the program that wrote it. */
  readonly program: string;
  readonly createdAt: string;
  /** The machine file, as in the record. */
  readonly origin: string;
  readonly machine: Machine;
  readonly targets: readonly Address[];
  readonly plan: Plan;
  readonly fingerprint: string;
}

/** How a line of a saved plan compares with the same line now. */
export interface Moved {
  readonly address: Address;
  readonly how: "added" | "gone" | "changed";
}

/** Makes what {@link writeSavedPlan} writes. */
export function savedPlanOf(
  made: Pick<SavedPlan, "origin" | "machine" | "plan">,
  createdAt = new Date(),
): SavedPlan {
  return {
    formatVersion: FORMAT_VERSION,
    kind: KIND,
    program: VERSION,
    createdAt: createdAt.toISOString(),
    origin: made.origin,
    machine: made.machine,
    targets: made.plan.targets ?? [],
    plan: made.plan,
    fingerprint: fingerprint(made.plan),
  };
}

/**
 * SHA-256 of what a plan would do, whatever the order of its keys and lines; what it leaves alone, and what passes by
 * itself, has no part in it.
 */
export function fingerprint(plan: Plan): string {
  const lines = lasting(plan).map((line) => JSON.stringify(normalLine(line))).sort();
  return sha256(lines.join("\n"));
}

/** Where two plans would do something different, by address. */
export function movedLines(expected: Plan, found: Plan): readonly Moved[] {
  const before = new Map(lasting(expected).map((line) => [line.address, normalLine(line)]));
  const now = new Map(lasting(found).map((line) => [line.address, normalLine(line)]));
  const addresses = [...new Set([...before.keys(), ...now.keys()])].sort();
  return addresses.flatMap((address): Moved[] => {
    const [was, is] = [before.get(address), now.get(address)];
    if (was === undefined) return [{ address, how: "added" }];
    if (is === undefined) return [{ address, how: "gone" }];
    return equal(was, is) ? [] : [{ address, how: "changed" }];
  });
}

/**
 * Holds a plan made now against a saved one.
 * @throws UserError with exit code 4, naming every line that moved, when they would not do the same
 */
export function checkExpected(expected: Plan, found: Plan): void {
  if (fingerprint(expected) === fingerprint(found)) return;
  const moved = movedLines(expected, found);
  const words = { added: "is new", gone: "is no longer needed", changed: "would change something else" };
  throw new UserError("The machine is not as it was when this plan was saved, so nothing was done", {
    exitCode: EXIT.needsPerson,
    output: moved.map(({ address, how }) => `  ${address} ${words[how]}`).join("\n"),
    hint: MAKE_ANEW,
  });
}

/**
 * Writes a saved plan, for its owner alone: it holds values of the machine file as they are.
 * @throws UserError with exit code 3 where something stands that is not a saved plan
 */
export async function writeSavedPlan(path: string, saved: SavedPlan): Promise<void> {
  const there = await statIfPresent(path);
  if (there !== undefined && !(there.isFile && await isSavedPlan(path))) {
    throw new UserError(`${path} exists and is not a saved plan, so it is not overwritten`, {
      exitCode: EXIT.invalid,
      hint: "Give --out another name",
    });
  }
  try {
    await writeAtomic(path, `${JSON.stringify(saved, null, 2)}\n`);
  } catch (cause) {
    throw new UserError(`The plan cannot be written: ${messageOf(cause)}`, {
      cause,
      hint: "Name a file with --out in a folder that you may write",
    });
  }
}

/**
 * Reads a saved plan.
 * @throws UserError with exit code 3 when it is missing, something else, damaged, or of a newer program
 */
export async function readSavedPlan(path: string): Promise<SavedPlan> {
  const invalid = (message: string, hint: string) => new UserError(message, { exitCode: EXIT.invalid, hint });
  const text = await readIfFile(path);
  if (text === undefined) throw invalid(`There is no saved plan ${path}`, MAKE_ONE);
  const value = parseObject(text);
  if (value?.kind !== KIND) throw invalid(`${path} is not a saved plan`, MAKE_ONE);
  if (value.formatVersion !== FORMAT_VERSION) {
    throw invalid(
      `${path} was written by another version of machine (${value.program}, format ${value.formatVersion})`,
      MAKE_ANEW,
    );
  }
  if (!isWhole(value) || fingerprint(value.plan) !== value.fingerprint) {
    throw invalid(`${path} is damaged: it was changed after it was written`, MAKE_ANEW);
  }
  return value;
}

/** What would be done, without what a moment later is no difference any more. */
function lasting(plan: Plan): readonly PlannedChange[] {
  return actionable(plan).flatMap((line) => {
    const paths = line.paths.filter(({ isPassing }) => !isPassing);
    if (paths.length === line.paths.length) return [line];
    return paths.length === 0 ? [] : [{ ...line, paths, effect: worstOf(paths) }];
  });
}

/** A line as it is compared: keys in order, absent and `undefined` alike. */
function normalLine({ address, action, effect, paths }: PlannedChange): unknown {
  const values = paths.map(({ path, before, after }) => sorted({ path, before, after }));
  return sorted({ address, action, effect, paths: values.sort((a, b) => textOf(a) < textOf(b) ? -1 : 1) });
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? "";
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  entries.sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]));
}

async function isSavedPlan(path: string): Promise<boolean> {
  return parseObject(await readIfFile(path) ?? "")?.kind === KIND;
}

/** The text of a file; `undefined` where nothing is. @throws UserError when it cannot be read, or has no end */
async function readIfFile(path: string): Promise<string | undefined> {
  const invalid = (how: string, cause?: unknown) =>
    new UserError(`${path} ${how}`, { exitCode: EXIT.invalid, cause, hint: MAKE_ONE });
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readUpTo(path, MOST_BYTES);
  } catch (cause) {
    throw invalid(`cannot be read: ${messageOf(cause)}`, cause);
  }
  if (bytes?.length === MOST_BYTES) throw invalid("is not a saved plan");
  return bytes && new TextDecoder().decode(bytes);
}

function parseObject(text: string): Partial<SavedPlan> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isWhole(value: Partial<SavedPlan>): value is SavedPlan {
  const { origin, machine, targets, plan, fingerprint } = value;
  return typeof origin === "string" && typeof machine === "object" && machine !== null &&
    typeof machine.name === "string" && Array.isArray(targets) && typeof fingerprint === "string" &&
    typeof plan === "object" && plan !== null && plan.machine === machine.name &&
    Array.isArray(plan.changes) && plan.changes.every(isLine);
}

function isLine(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const line = value as Partial<PlannedChange>;
  return typeof line.address === "string" && typeof line.action === "string" &&
    Array.isArray(line.paths) && Array.isArray(line.dependsOn);
}
