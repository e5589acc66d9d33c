import type { Json } from "../config/types.ts";
import type { GuestControl } from "../guest/control.ts";
import type { GuestFileContent, GuestOp } from "../guest/ops.ts";
import type { GuestFacts } from "../guest/query.ts";
import { UserError } from "../host/errors.ts";
import { sha256 } from "../host/files.ts";

/** The guest's own list of what we put into it. */
export const OWNED_FILE = "/var/lib/machine/owned.json";

/** What stands in the guest's list. */
export interface Owned {
  readonly version: 1;
  /** SHA-256 of each file of ours, as written. */
  readonly files: Readonly<Record<string, string>>;
  /** What each address wanted when it was applied, for what cannot be read back from the guest. */
  readonly applied: Readonly<Record<string, Json>>;
}

const NOTHING: Owned = { version: 1, files: {}, applied: {} };

/** The list of each look, read once: hundreds of things ask for it. */
const lists = new WeakMap<GuestFacts, Owned>();

/** Reads the list out of a look. A guest without one owns nothing of ours; a damaged one is said. */
export function ownedOf(facts: GuestFacts): Owned {
  const known = lists.get(facts);
  if (known) return known;
  const fact = facts.file(OWNED_FILE);
  if (fact.state === "unknown") throw new UserError(`Cannot read ${OWNED_FILE} in the guest: ${fact.reason}`);
  const list = fact.state === "absent" ? NOTHING : parseOwned(fact.value.text);
  lists.set(facts, list);
  return list;
}

function parseOwned(text: string): Owned {
  let list: Partial<Owned>;
  try {
    list = JSON.parse(text) as Partial<Owned>;
  } catch (cause) {
    throw new UserError(`${OWNED_FILE} in the guest is damaged: it is not JSON`, {
      cause,
      hint: `Remove it in the guest and apply again: everything is looked at anew`,
    });
  }
  if ((list.version ?? 1) > NOTHING.version) {
    throw new UserError(`${OWNED_FILE} in the guest was written by a newer version of machine`, {
      hint: "Update machine",
    });
  }
  return { ...NOTHING, ...list };
}

/**
 * A step of a change: an operation, or a file that becomes ours (`own`) or ceases to be (`disown`), with what stood
 * there before kept, and put back.
 */
export type OwnedOp =
  | GuestOp
  | { readonly op: "own"; readonly file: GuestFileContent }
  /** As `own`, of a file that has arrived in the guest under a name. */
  | {
    readonly op: "own-arrived";
    readonly path: string;
    readonly name: string;
    readonly mode: string;
    readonly digest: string;
  }
  | { readonly op: "disown"; readonly path: string }
  /** The file stays as somebody else has made it; only our mark goes, and what was kept: another one stands there now. */
  | { readonly op: "abandon"; readonly path: string };

/** One change of the guest: what is done, and what is noted of it. */
export interface OwnedChange {
  /** What is being done, for the message when it fails. */
  readonly what: string;
  readonly ops: readonly OwnedOp[];
  /** Noted before anything is done: what is ours, should the change be cut off in the middle. */
  readonly claimed?: Readonly<Record<string, Json>>;
  /** Noted once everything is done. */
  readonly applied?: Readonly<Record<string, Json>>;
  readonly forgotten?: readonly string[];
  readonly timeoutMs?: number;
}

/** Several changes as one: the guest is asked once, and files next to each other are written by one process. */
export function joinChanges(changes: readonly OwnedChange[]): OwnedChange {
  const [first] = changes;
  return {
    what: changes.length === 1 ? first!.what : `${first!.what} and ${changes.length - 1} more`,
    ops: changes.flatMap(({ ops }) => ops),
    claimed: Object.assign({}, ...changes.map(({ claimed }) => claimed ?? {})),
    applied: Object.assign({}, ...changes.map(({ applied }) => applied ?? {})),
    forgotten: changes.flatMap(({ forgotten }) => forgotten ?? []),
    timeoutMs: changes.reduce((sum, { timeoutMs }) => Math.max(sum, timeoutMs ?? DEFAULT_MS), DEFAULT_MS),
  };
}

const DEFAULT_MS = 120_000;

/** The guest's list, kept in step with what is done there. */
export class OwnedStore {
  readonly #guest: () => Promise<GuestControl>;
  #value: Owned | undefined;

  constructor(guest: () => Promise<GuestControl>, value: Owned | undefined) {
    this.#guest = guest;
    this.#value = value;
  }

  /** The list as it is now; read from the guest on first use. */
  async read(): Promise<Owned> {
    return this.#value ??= ownedOf(await (await this.#guest()).look({ files: [OWNED_FILE] }));
  }

  /**
   * Makes a change and notes it, in one round trip. What comes is on the list before it is made, and what goes stays
   * on it until it is gone: wherever the change is cut off, what is ours is known to be ours, and the same change can
   * be made again.
   * @returns what the operations said
   * @throws UserError with their output when one fails
   */
  async run(change: OwnedChange, signal?: AbortSignal): Promise<string> {
    const before = await this.read();
    const during = withAdditions(before, change);
    const after = withRemovals(during, change);
    const gone = change.ops.flatMap((op) => op.op === "disown" || op.op === "abandon" ? [op.path] : []);
    const ops: GuestOp[] = [
      ...change.ops.flatMap(ownedFile).flatMap(([path]): GuestOp[] =>
        path in before.files ? [] : [{ op: "keep", path }]
      ),
      ...listOps(before, during),
      ...joinWrites(change.ops.flatMap(plainOps)),
      ...listOps(during, after),
      ...gone.map((path): GuestOp => ({ op: "drop-kept", path })),
    ];
    if (ops.length === 0) return "";
    this.#value = undefined; // if this fails, only the guest knows
    const result = await (await this.#guest()).perform(ops, {
      timeoutMs: change.timeoutMs ?? DEFAULT_MS,
      ...(signal ? { signal } : {}),
    });
    if (!result.ok) {
      throw new UserError(`${change.what} failed in the guest with exit code ${result.code}`, {
        output: result.output,
      });
    }
    this.#value = after;
    return result.output;
  }
}

/** The file that a step makes ours, with its SHA-256. */
function ownedFile(op: OwnedOp): readonly (readonly [path: string, digest: string])[] {
  if (op.op === "own") return [[op.file.path, sha256(op.file.content)]];
  return op.op === "own-arrived" ? [[op.path, op.digest]] : [];
}

function plainOps(op: OwnedOp): readonly GuestOp[] {
  if (op.op === "own") return [{ op: "write", files: [op.file] }];
  if (op.op === "own-arrived") {
    return [{ op: "move-in", name: op.name, path: op.path, mode: op.mode }];
  }
  if (op.op === "disown") return [{ op: "put-back", path: op.path }];
  return op.op === "abandon" ? [] : [op];
}

/** Writes, and installations of packages, that follow each other are one. */
function joinWrites(ops: readonly GuestOp[]): GuestOp[] {
  const joined: GuestOp[] = [];
  for (const op of ops) {
    const last = joined.at(-1);
    if (op.op === "write" && last?.op === "write") {
      joined[joined.length - 1] = { op: "write", files: [...last.files, ...op.files] };
    } else if (
      (op.op === "install-packages" || op.op === "remove-packages") && last !== undefined && last.op === op.op
    ) {
      joined[joined.length - 1] = { op: op.op, names: [...last.names, ...op.names] };
    } else joined.push(op);
  }
  return joined;
}

function withAdditions(list: Owned, change: OwnedChange): Owned {
  const written = change.ops.flatMap(ownedFile);
  return {
    version: 1,
    files: { ...list.files, ...Object.fromEntries(written) },
    applied: { ...list.applied, ...change.claimed },
  };
}

function withRemovals(list: Owned, change: OwnedChange): Owned {
  const files = { ...list.files };
  for (const op of change.ops) if (op.op === "disown" || op.op === "abandon") delete files[op.path];
  const applied = { ...list.applied, ...change.applied };
  for (const address of change.forgotten ?? []) delete applied[address];
  return { version: 1, files, applied };
}

/** Brings the list from one state to the next. */
function listOps(from: Owned, to: Owned): GuestOp[] {
  const content = JSON.stringify(to);
  if (content === JSON.stringify(from)) return [];
  return [{ op: "write", files: [{ path: OWNED_FILE, content, mode: "0600" }] }];
}
