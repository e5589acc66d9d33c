import { quoteAll } from "./quote.ts";

/** What a resource wants to know of the guest; all wishes together become one script and one round trip. */
export interface GuestQuery {
  /** Absolute paths whose status, hash and (small, textual) content are wanted; /proc is allowed. */
  readonly files?: readonly string[];
  /** systemd units whose state is wanted. */
  readonly units?: readonly string[];
}

/** A file in the guest. */
export interface GuestFile {
  readonly sha256: string;
  /** Permission bits in octal, e.g. "644". */
  readonly mode: string;
  readonly owner: string;
  readonly mtimeMs: number;
  /** The content as text, lines ended by "\n"; what is not text cannot be told from its hash's other meanings. */
  readonly text: string;
}

/** A systemd unit in the guest, by `systemctl show`'s names. */
export interface GuestUnit {
  readonly loadState: string;
  readonly activeState: string;
  readonly unitFileState: string;
  readonly invocationId: string;
  /** When its main process started; 0 when it did not. */
  readonly startedMs: number;
  readonly needReload: boolean;
}

/** One fact that was asked for: there, not there, or not to be known. */
export type Fact<T> =
  | { readonly state: "present"; readonly value: T }
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly reason: string };

/** What the guest answered. */
export interface GuestFacts {
  readonly bootId: string;
  file(path: string): Fact<GuestFile>;
  unit(name: string): Fact<GuestUnit>;
}

const UNIT_PROPERTIES =
  "Id,LoadState,ActiveState,UnitFileState,InvocationID,ExecMainStartTimestamp,NeedDaemonReload";

/**
 * The script that answers a query. It reads files and asks systemd; it touches no network, no 9p or FUSE path and
 * no daemon's socket (asking docker's would start it). Four processes, because each costs 60 ms under emulation.
 * Every part ends with its own status line: a part without one is unknown, and only that part.
 */
export function queryScript(query: GuestQuery): string {
  const files = quoteAll(unique(query.files ?? []));
  const units = quoteAll(unique(query.units ?? []));
  const part = (name: string, command: string) =>
    `echo '${MARK}${name}'; ${command} 2>&1; echo "${MARK}end $?"`;
  return [
    "export LC_ALL=C TZ=UTC",
    part("boot", "read -r id </proc/sys/kernel/random/boot_id; echo $id"),
    ...(files === "" ? [] : [
      part("stat", `stat -L -c '%n|%F|%a|%U:%G|%.3Y' -- ${files}`),
      part("hash", `sha256sum -- ${files}`),
      part("text", `grep -asH '' -- ${files}`),
    ]),
    ...(units === "" ? [] : [
      part("units", `systemctl show --no-pager --timestamp=us+utc -p ${UNIT_PROPERTIES} -- ${units}`),
    ]),
  ].join("\n");
}

/** How many processes {@link queryScript} starts in the guest beside its own shell. */
export const QUERY_PROCESSES = 4;

/** Reads the answer to {@link queryScript}. */
export function parseAnswer(stdout: string): GuestFacts {
  const parts = splitParts(stdout);
  const stats = new Map<string, { mode: string; owner: string; mtimeMs: number } | { refusal: string }>();
  for (const line of parts.get("stat")?.lines ?? []) {
    const failure = /^stat: cannot statx? (.+): ([^:]+)$/.exec(line);
    if (failure) stats.set(unquoteName(failure[1]!), { refusal: failure[2]! });
    const row = /^(.*)\|[^|]*\|(\d+)\|([^|]*)\|(-?[\d.]+)$/.exec(line);
    if (row) {
      stats.set(row[1]!, { mode: row[2]!, owner: row[3]!, mtimeMs: Math.round(Number(row[4]) * 1000) });
    }
  }
  const hashes = new Map<string, string>();
  for (const line of parts.get("hash")?.lines ?? []) {
    // A backslash before the hash says that those in the name are doubled (sha256sum(1)), as in `mnt-a\x2db.mount`.
    const match = /^(\\?)([0-9a-f]{64}) [ *](.*)$/.exec(line);
    if (match) hashes.set(match[1] === "" ? match[3]! : match[3]!.replaceAll("\\\\", "\\"), match[2]!);
  }
  const text = parts.get("text");
  const texts = groupTexts(text?.lines ?? [], [...stats.keys()]);
  const units = parseUnits(parts.get("units"));
  return {
    bootId: parts.get("boot")?.lines[0] ?? "",
    file(path) {
      const stat = stats.get(path);
      if (stat === undefined) return unknown(`the guest did not answer for ${path}`);
      if ("refusal" in stat) {
        return ABSENT.has(stat.refusal) ? { state: "absent" } : unknown(stat.refusal);
      }
      const hash = hashes.get(path);
      // grep's own status is no help: 2 is also that of a file that is not there.
      if (hash === undefined || text === undefined || text.status >= NOT_RUN) {
        return unknown(`${path} could not be read in the guest`);
      }
      return { state: "present", value: { ...stat, sha256: hash, text: texts.get(path) ?? "" } };
    },
    unit(name) {
      const unit = units.get(name);
      if (unit === undefined) return unknown(`systemd in the guest did not answer for ${name}`);
      return unit.loadState === "not-found" ? { state: "absent" } : { state: "present", value: unit };
    },
  };
}

const MARK = "@@machine:";
/** What stat says of a path that does not exist (errno(3): ENOENT, ENOTDIR). */
const ABSENT = new Set(["No such file or directory", "Not a directory"]);
/** From this exit status on the shell could not run a program at all, or a signal ended it (POSIX, 2.8.2). */
const NOT_RUN = 126;

interface Part {
  readonly lines: readonly string[];
  readonly status: number;
}

function splitParts(stdout: string): Map<string, Part> {
  const parts = new Map<string, Part>();
  let name: string | undefined;
  let lines: string[] = [];
  for (const line of stdout.split("\n")) {
    if (!line.startsWith(MARK)) {
      lines.push(line);
      continue;
    }
    const word = line.slice(MARK.length);
    if (!word.startsWith("end ")) {
      name = word;
    } else if (name !== undefined) {
      parts.set(name, { lines, status: Number(word.slice(4)) });
      name = undefined;
    }
    lines = [];
  }
  return parts;
}

/** A name as GNU programs quote it in messages: `'…'`, `"…"`, `\'`, and `$'\303\244'` for bytes beyond ASCII. */
function unquoteName(quoted: string): string {
  const piece = /\$'((?:\\\d{3})+)'|'([^']*)'|"([^"]*)"|\\(.)/g;
  return quoted.replace(
    piece,
    (_, octal: string | undefined, single, double, char) =>
      octal === undefined ? single ?? double ?? char : decodeOctal(octal),
  );
}

function decodeOctal(text: string): string {
  const bytes = text.slice(1).split("\\").map((digits) => parseInt(digits, 8));
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** `grep -H` writes PATH:LINE; the longest known path that fits is the file's, since a path may hold a colon. */
function groupTexts(lines: readonly string[], paths: readonly string[]): Map<string, string> {
  const longestFirst = [...paths].sort((a, b) => b.length - a.length);
  const texts = new Map<string, string>();
  for (const line of lines) {
    const path = longestFirst.find((candidate) => line.startsWith(`${candidate}:`));
    if (path !== undefined) texts.set(path, `${texts.get(path) ?? ""}${line.slice(path.length + 1)}\n`);
  }
  return texts;
}

function parseUnits(part: Part | undefined): Map<string, GuestUnit> {
  const units = new Map<string, GuestUnit>();
  for (const block of (part?.lines ?? []).join("\n").split("\n\n")) {
    const values = new Map(
      block.split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)] as const;
      }),
    );
    const id = values.get("Id");
    if (id === undefined) continue;
    units.set(id, {
      loadState: values.get("LoadState") ?? "",
      activeState: values.get("ActiveState") ?? "",
      unitFileState: values.get("UnitFileState") ?? "",
      invocationId: values.get("InvocationID") ?? "",
      startedMs: parseTimestamp(values.get("ExecMainStartTimestamp") ?? ""),
      needReload: values.get("NeedDaemonReload") === "yes",
    });
  }
  return units;
}

/** systemd writes `Sun 2026-11-22 13:00:00.123456 UTC`; an unset time is empty. */
function parseTimestamp(text: string): number {
  const match = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})/.exec(text);
  return match ? Date.parse(`${match[1]}T${match[2]}Z`) : 0;
}

function unknown(reason: string): { readonly state: "unknown"; readonly reason: string } {
  return { state: "unknown", reason };
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)];
}
