import type { GuestFacts } from "../guest/query.ts";
import { quote } from "../guest/quote.ts";
import type { Guest } from "../guest/types.ts";
import { UserError } from "../host/errors.ts";
import { sha256 } from "../host/files.ts";
import type { Json } from "../config/types.ts";

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

/** Reads the list out of a look. A guest without one owns nothing of ours; a damaged one is said. */
export function ownedOf(facts: GuestFacts): Owned {
  const fact = facts.file(OWNED_FILE);
  if (fact.state === "absent") return NOTHING;
  if (fact.state === "unknown") throw new UserError(`Cannot read ${OWNED_FILE} in the guest: ${fact.reason}`);
  return parseOwned(fact.value.text);
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

/** The guest's list, kept in step with what is written there. */
export class OwnedStore {
  readonly #guest: () => Promise<Guest>;
  #value: Owned | undefined;

  constructor(guest: () => Promise<Guest>, value: Owned | undefined) {
    this.#guest = guest;
    this.#value = value;
  }

  /** The list as it is now; read from the guest on first use. */
  async read(): Promise<Owned> {
    if (this.#value) return this.#value;
    const result = await (await this.#guest()).run(
      `if [ -e ${OWNED_FILE} ]; then cat ${OWNED_FILE}; else echo '{}'; fi`,
    );
    if (result.code !== 0) {
      throw new UserError(`Cannot read ${OWNED_FILE} in the guest`, { output: result.stderr });
    }
    return this.#value = parseOwned(result.stdout);
  }

  /**
   * Runs a script in the guest that puts files there, and notes them in the same round trip. What comes is on the
   * list before it is made, and what goes stays on it until it is gone: at whatever line the script ends, what is
   * ours is known to be ours, and the same change can be made again.
   * @throws UserError with the script's output when it fails
   */
  async run(change: OwnedChange): Promise<string> {
    const before = await this.read();
    const during = withAdditions(before, change);
    const after = withoutRemovals(during, change);
    const files = change.files ?? [];
    const removed = change.removed ?? [];
    const script = [
      "set -e",
      "mkdir -p -m 0755 /var/lib/machine",
      ...files.filter((file) => !(file.path in before.files)).map((file) => keepScript(file.path)),
      ...listScript(before, during),
      ...(change.before ?? []),
      ...files.map(writeFileScript),
      ...removed.map(putBackScript),
      ...(change.after ?? []),
      ...listScript(during, after),
      ...(removed.length === 0 ? [] : [`rm -rf ${removed.map(keptPath).join(" ")}`]),
    ].join("\n");
    const result = await (await this.#guest()).run(script, {
      timeoutMs: change.timeoutMs ?? 120_000,
      ...(change.signal ? { signal: change.signal } : {}),
    });
    this.#value = result.code === 0 ? after : undefined; // after a failure only the guest knows
    if (result.code !== 0) {
      throw new UserError(`${change.what} failed in the guest with exit code ${result.code}`, {
        output: `${result.stdout}${result.stderr}`.trim(),
      });
    }
    return result.stdout;
  }
}

/** A file for the guest. */
export interface OwnedFile {
  readonly path: string;
  readonly content: string;
  /** Octal, e.g. "0644". */
  readonly mode: string;
}

/** One change of the guest: files, commands before and after them, and what to note. */
export interface OwnedChange {
  /** What is being done, for the message when it fails. */
  readonly what: string;
  readonly before?: readonly string[];
  readonly files?: readonly OwnedFile[];
  readonly removed?: readonly string[];
  readonly after?: readonly string[];
  readonly applied?: Readonly<Record<string, Json>>;
  readonly forgotten?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function withAdditions(list: Owned, change: OwnedChange): Owned {
  const written = (change.files ?? []).map((file) => [file.path, sha256(file.content)] as const);
  return {
    version: 1,
    files: { ...list.files, ...Object.fromEntries(written) },
    applied: { ...list.applied, ...change.applied },
  };
}

function withoutRemovals(list: Owned, change: OwnedChange): Owned {
  const files = { ...list.files };
  for (const path of change.removed ?? []) delete files[path];
  const applied = { ...list.applied };
  for (const address of change.forgotten ?? []) delete applied[address];
  return { version: 1, files, applied };
}

/** Shell lines that bring the list from one state to the next, safe from a guest that dies right after. */
function listScript(from: Owned, to: Owned): string[] {
  const content = JSON.stringify(to);
  if (content === JSON.stringify(from)) return [];
  return [writeFileScript({ path: OWNED_FILE, content, mode: "0600" }), `sync ${OWNED_FILE}`];
}

/** Where the file that stood at a path before ours is kept. */
function keptPath(path: string): string {
  return `/var/lib/machine/before/${sha256(path).slice(0, 16)}`;
}

/** Keeps, once, what stands at a path that is not ours yet. */
function keepScript(path: string): string {
  const kept = keptPath(path);
  return `{ ! ${isThere(quote(path))}; } || ${isThere(kept)} || ` +
    `{ mkdir -p -m 0700 /var/lib/machine/before; cp -a ${
      quote(path)
    } ${kept}.part; mv -fT ${kept}.part ${kept}; }`;
}

/** Puts back what stood there before ours; an absent path becomes absent again. What is kept stays for a retry. */
function putBackScript(path: string): string {
  const [kept, part] = [keptPath(path), quote(`${path}.machine-part`)];
  return `if ${isThere(kept)}; then cp -a ${kept} ${part}; mv -fT ${part} ${quote(path)}; ` +
    `else rm -f ${quote(path)}; fi`;
}

/** A shell condition: a link that leads nowhere is there too. */
function isThere(word: string): string {
  return `{ [ -e ${word} ] || [ -L ${word} ]; }`;
}

/** Shell lines that replace a file as a whole: written beside it, then renamed. */
export function writeFileScript(file: OwnedFile): string {
  const path = quote(file.path);
  const folder = quote(file.path.slice(0, file.path.lastIndexOf("/")) || "/");
  const part = quote(`${file.path}.machine-part`);
  return [
    `[ -d ${folder} ] || mkdir -p ${folder}`,
    `(umask 077; printf %s ${quote(file.content)} >${part})`,
    `chmod ${file.mode} ${part}`,
    `mv -fT ${part} ${path}`, // -T: a folder of that name is an error, not a place to move into
  ].join("\n");
}
