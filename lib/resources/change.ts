import { effectOf } from "../config/effects.ts";
import type { Change } from "../plan/types.ts";

/** What is said of a difference beside its two sides. */
export interface ChangeWords {
  /** The case of the key's effect, where it depends on the change, e.g. "grow". */
  readonly which?: string;
  readonly note?: string;
  /** The key that decides the effect, where the path is finer than the file's keys. */
  readonly key?: string;
  /** What is there is said in words: it is no value that the key could have. */
  readonly isTold?: true;
}

/** A difference at a path of the file; what it costs is said by the schema. */
export function changeAt(
  path: string,
  { before, after }: { readonly before: unknown; readonly after: unknown },
  words: ChangeWords = {},
): Change {
  const effect = effectOf(words.key ?? path, words.which);
  return {
    path,
    before,
    after,
    effect,
    ...(words.note === undefined ? {} : { note: words.note }),
    ...(words.isTold ? { isTold: true } : {}),
  };
}

/** Collects the differences between two sides, path by path. */
export class Differences {
  readonly changes: Change[] = [];

  /** Notes a difference where the two sides are not the same. */
  compare(path: string, before: unknown, after: unknown, words: ChangeWords = {}): void {
    if (before !== after) this.add(path, before, after, words);
  }

  /** Notes a difference that was found already. */
  add(path: string, before: unknown, after: unknown, words: ChangeWords = {}): void {
    this.changes.push(changeAt(path, { before, after }, words));
  }
}

/** A key below another one, through maps of the user's own keys: `a.b["io.x"].c`. */
export function keyPath(above: string, keys: readonly string[]): string {
  return above + keys.map((key) => /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`).join("");
}

/** An entry of a list or map by its identity, as paths write it: `files[/etc/motd]`, `sysctl["vm.swappiness"]`. */
export function entryPath(list: string, identity: string): string {
  return /^[^"\]]+$/.test(identity) && !/\./.test(identity) || identity.startsWith("/")
    ? `${list}[${identity}]`
    : `${list}[${JSON.stringify(identity)}]`;
}
