import { quote, quoteAll } from "./quote.ts";

/** What a resource wants to know of the guest; all wishes together become one script and one round trip. */
export interface GuestQuery {
  /** Absolute paths whose status, hash and (small, textual) content are wanted; /proc is allowed. */
  readonly files?: readonly string[];
  /** Absolute paths of which only status and hash are wanted; of the content nothing travels. */
  readonly hashes?: readonly string[];
  /** Absolute paths of which only the stamp is wanted: reading large files would take seconds. */
  readonly stamps?: readonly string[];
  /** Absolute paths of folders whose names are wanted. */
  readonly folders?: readonly string[];
  /** Lines of large files that are looked for, each by its file; nothing else of them travels. */
  readonly lines?: readonly GuestLine[];
  /** systemd units whose state is wanted. */
  readonly units?: readonly string[];
  /** Debian packages whose state is wanted. */
  readonly packages?: readonly string[];
  /** Commands of the user that tell by their exit code whether something is to be done. */
  readonly checks?: readonly GuestCheck[];
}

/** A line that a file may have, as a whole. */
export interface GuestLine {
  readonly path: string;
  readonly line: string;
}

/** A command that looks at something in the guest. */
export interface GuestCheck {
  readonly name: string;
  readonly run: string;
  /** The login that it runs as; root when left out. */
  readonly as?: string;
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

/** What tells without reading a file whether it is still as it was. */
export interface GuestStamp {
  readonly mode: string;
  readonly owner: string;
  readonly sizeBytes: number;
  /** When its content, owner or mode changed last: nobody can set that (inode(7), ctime). In nanoseconds, as text. */
  readonly changed: string;
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
  stamp(path: string): Fact<GuestStamp>;
  /** The names in a folder, in order. */
  names(folder: string): Fact<readonly string[]>;
  /** Whether a file has a line; it has none when it is not there. */
  line(path: string, line: string): Fact<boolean>;
  unit(name: string): Fact<GuestUnit>;
  /** The installed version of a package. */
  package(name: string): Fact<string>;
  /** Whether a check succeeded. */
  check(name: string): Fact<boolean>;
}

const UNIT_PROPERTIES =
  "Id,LoadState,ActiveState,UnitFileState,InvocationID,ExecMainStartTimestamp,NeedDaemonReload";

/** Checks of the user may hang; those that did not answer in this time are unknown. */
const CHECKS_S = 20;

/**
 * The script that answers a query. It reads files and asks systemd and dpkg; it touches no network, no 9p or FUSE
 * path and no daemon's socket (asking docker's would start it). Few processes, because each costs 60 ms under
 * emulation. Every part ends with its own status line: a part without one is unknown, and only that part.
 */
export function queryScript(query: GuestQuery): string {
  const texts = unique(query.files ?? []);
  const files = quoteAll(unique([...texts, ...query.hashes ?? []]));
  const stamps = quoteAll(unique(query.stamps ?? []));
  const folders = quoteAll(unique(query.folders ?? []));
  const units = quoteAll(unique(query.units ?? []));
  const packages = quoteAll(unique(query.packages ?? []));
  const part = (name: string, command: string) =>
    `echo '${MARK}${name}'; ${command} 2>&1; echo "${MARK}end $?"`;
  return [
    "export LC_ALL=C TZ=UTC",
    part("boot", "read -r id </proc/sys/kernel/random/boot_id; echo $id"),
    ...(files === "" ? [] : [
      part("stat", `stat -L -c '%n|%F|%a|%U:%G|%.3Y' -- ${files}`),
      part("hash", `sha256sum -- ${files}`),
    ]),
    ...(stamps === "" ? [] : [part("stamps", `stat -L -c '%n|%a|%U:%G|%s|%.9Z' -- ${stamps}`)]),
    ...(folders === "" ? [] : [part("folders", `find -H ${folders} -maxdepth 1 -printf '%H|%y|%P\\n'`)]),
    ...(texts.length === 0 ? [] : [part("text", `grep -asH '' -- ${quoteAll(texts)}`)]),
    ...(query.lines?.length ? [part("lines", linesCommand(query.lines))] : []),
    ...(units === "" ? [] : [
      part("units", `systemctl show --no-pager --timestamp=us+utc -p ${UNIT_PROPERTIES} -- ${units}`),
    ]),
    ...(packages === "" ? [] : [
      part(
        "packages",
        `dpkg-query -W -f '\${Package}:\${Architecture}|\${db:Status-Status}|\${Version}\\n' -- ${packages}`,
      ),
    ]),
    ...(query.checks?.length ? [part("checks", checksCommand(query.checks))] : []),
  ].join("\n");
}

/** Every wanted line in every file of them: a file may answer for a line that was meant for another one. */
function linesCommand(lines: readonly GuestLine[]): string {
  const wanted = unique(lines.map(({ line }) => line)).map((line) => `-e ${quote(line)}`).join(" ");
  return `grep -asHxF ${wanted} -- ${quoteAll(unique(lines.map(({ path }) => path)))}`;
}

/**
 * Single builtins of the shell that only look, without anything to expand (POSIX, 2.14 and 1.7): they change nothing
 * of the shell that runs them, and need no fork.
 */
const ONLY_LOOKS =
  /^(?:true|false|:|command -v [\w.+-]+|test (?:! )?-[defhLrswxS] [\w./+-]+|\[ (?:! )?-[defhLrswxS] [\w./+-]+ \])$/;

/** All checks of a login in one shell, since a subshell costs no program's start; first root's, then the others'. */
function checksCommand(checks: readonly GuestCheck[]): string {
  const logins = [...new Set(checks.map(({ as }) => as))].sort((a, b) => (a ?? "") < (b ?? "") ? -1 : 1);
  const scripts = logins.map((as) => {
    const script = checksScript(checks.filter((check) => check.as === as));
    if (as === undefined) return script;
    const login = quote(as);
    const who = `setpriv --reuid=${login} --regid=${login} --init-groups --reset-env`;
    return `${as === logins.at(-1) ? "exec " : ""}${who} /bin/sh -c ${quote(script)}`;
  });
  return `timeout -k 1 ${CHECKS_S} /bin/sh -c ${quote(scripts.join("\n"))}`;
}

function checksScript(checks: readonly GuestCheck[]): string {
  const lines = checks.map(({ name, run }) => {
    const command = ONLY_LOOKS.test(run.trim()) ? run.trim() : `( eval ${quote(run)} )`;
    return `${command} </dev/null >/dev/null 2>&1; echo "${name} $?"`;
  });
  return ["[ ! -r /etc/profile.d/machine.sh ] || . /etc/profile.d/machine.sh", ...lines].join("\n");
}

/** How many processes {@link queryScript} starts at most in the guest beside its own shell and the checks' subshells. */
export const QUERY_PROCESSES = 10;

/** Reads the answer to {@link queryScript}. */
export function parseAnswer(stdout: string): GuestFacts {
  const parts = splitParts(stdout);
  const stats = new Map<string, { mode: string; owner: string; mtimeMs: number } | { refusal: string }>();
  for (const line of parts.get("stat")?.lines ?? []) {
    const failure = parseRefusal(line);
    if (failure) stats.set(...failure);
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
  const stamps = new Map<string, GuestStamp | { refusal: string }>();
  for (const line of parts.get("stamps")?.lines ?? []) {
    const failure = parseRefusal(line);
    if (failure) stamps.set(...failure);
    const [, path, mode, owner, size, changed] = /^(.*)\|(\d+)\|([^|]*)\|(\d+)\|([\d.]+)$/.exec(line) ?? [];
    if (path !== undefined) {
      stamps.set(path, { mode: mode!, owner: owner!, sizeBytes: Number(size), changed: changed! });
    }
  }
  const folders = parseFolders(parts.get("folders"));
  const text = parts.get("text");
  const texts = groupTexts(text?.lines ?? [], [...stats.keys()]);
  const found = parts.get("lines");
  const units = parseUnits(parts.get("units"));
  const packages = parsePackages(parts.get("packages"));
  const checks = parseChecks(parts.get("checks"));
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
    stamp(path) {
      const stamp = stamps.get(path);
      if (stamp === undefined) return unknown(`the guest did not answer for ${path}`);
      if (!("refusal" in stamp)) return { state: "present", value: stamp };
      return ABSENT.has(stamp.refusal) ? { state: "absent" } : unknown(stamp.refusal);
    },
    names(folder) {
      const names = folders.get(folder);
      if (names === undefined) return unknown(`the guest did not answer for ${folder}`);
      if (!("refusal" in names)) return { state: "present", value: names };
      return ABSENT.has(names.refusal) ? { state: "absent" } : unknown(names.refusal);
    },
    line(path, line) {
      if (found === undefined || found.status >= NOT_RUN) {
        return unknown(`the guest did not answer for ${path}`);
      }
      return { state: "present", value: found.lines.includes(`${path}:${line}`) };
    },
    unit(name) {
      const unit = units.get(name);
      if (unit === undefined) return unknown(`systemd in the guest did not answer for ${name}`);
      return unit.loadState === "not-found" ? { state: "absent" } : { state: "present", value: unit };
    },
    package(name) {
      if (packages === undefined) return unknown(`dpkg in the guest did not answer for ${name}`);
      const version = packages.get(name);
      return version === undefined ? { state: "absent" } : { state: "present", value: version };
    },
    check(name) {
      const code = checks.get(name);
      if (code === undefined) return unknown(`its check did not end in ${CHECKS_S} s`);
      return { state: "present", value: code === 0 };
    },
  };
}

const MARK = "@@machine:";
/** What stat says of a path that does not exist (errno(3): ENOENT, ENOTDIR). */
const ABSENT = new Set(["No such file or directory", "Not a directory"]);
/** From this exit status on the shell could not run a program at all, or a signal ended it (POSIX, 2.8.2). */
const NOT_RUN = 126;

/** What stat says of a path that it cannot look at. */
function parseRefusal(line: string): [path: string, refusal: { refusal: string }] | undefined {
  const failure = /^stat: cannot statx? (.+): ([^:]+)$/.exec(line);
  return failure ? [unquoteName(failure[1]!), { refusal: failure[2]! }] : undefined;
}

/** What find prints of each folder: itself with no name, and what is in it. */
function parseFolders(part: Part | undefined): Map<string, readonly string[] | { refusal: string }> {
  const folders = new Map<string, string[] | { refusal: string }>();
  // Names are missing where find was cut off.
  if (part === undefined || part.status >= NOT_RUN) return folders;
  for (const line of part.lines) {
    const failure = /^find: (.+): ([^:]+)$/.exec(line);
    if (failure) {
      folders.set(unquoteName(failure[1]!), { refusal: failure[2]! });
      continue;
    }
    const [, folder, type, name] = /^(.*?)\|(.)\|(.*)$/.exec(line) ?? [];
    if (folder === undefined) continue;
    const names = folders.get(folder) ?? [];
    if ("refusal" in names) continue;
    if (name !== "") folders.set(folder, [...names, name!].sort());
    else folders.set(folder, type === "d" ? names : { refusal: "Not a directory" });
  }
  return folders;
}

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
      const before = parts.get(name)?.lines ?? []; // the checks of each login are a part of their own
      parts.set(name, { lines: [...before, ...lines], status: Number(word.slice(4)) });
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

/**
 * Installed packages by name, and by name and architecture. dpkg-query's status is 1 when it knows some of them not,
 * which is an answer (dpkg-query(1), EXIT STATUS).
 */
function parsePackages(part: Part | undefined): Map<string, string> | undefined {
  if (part === undefined || part.status > 1) return undefined;
  const packages = new Map<string, string>();
  for (const line of part.lines) {
    const [name = "", status, version] = line.split("|");
    if (status !== "installed" || version === undefined) continue;
    packages.set(name, version);
    packages.set(name.slice(0, name.lastIndexOf(":")), version);
  }
  return packages;
}

function parseChecks(part: Part | undefined): Map<string, number> {
  const rows = (part?.lines ?? []).map((line) => /^([a-z0-9-]+) (\d+)$/.exec(line)).filter((row) =>
    row !== null
  );
  return new Map(rows.map((row) => [row[1]!, Number(row[2])]));
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
