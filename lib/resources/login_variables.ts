import type { Fact, GuestFile } from "../guest/query.ts";
import { UserError } from "../host/errors.ts";
import { sha256 } from "../host/files.ts";
import type { Job } from "./contract.ts";
import type { OwnedOp } from "./owned.ts";

/**
 * Read by PAM for ssh sessions and services (pam_env(8)); the scripts in {@link profilePath} by login shells, which
 * `su` and `runuser` start without PAM's file.
 */
export const ENVIRONMENT = "/etc/environment";

/** Variables by their names. */
export type Variables = Readonly<Record<string, string>>;

/** Who has lines of their own in /etc/environment: a name for each, so that each finds its own again. */
export type BlockName = "machine" | "machine proxy";
const BLOCKS: readonly BlockName[] = ["machine", "machine proxy"];

/** How /etc/environment was before ours came into it, as far as it cannot be told from what is around our blocks. */
export type EnvironmentNote = {
  readonly absent?: true;
  /** Its last line had no end, so that one was put behind it. */
  readonly open?: true;
};

/** The script of a block for login shells. */
export function profilePath(name: BlockName): string {
  return `/etc/profile.d/${name.replace(" ", "-")}.sh`;
}

/** /etc/environment byte for byte: of a look only the hash tells whether the last line has an end. */
export function environmentText(fact: Fact<GuestFile>): string | undefined {
  if (fact.state === "unknown") {
    throw new UserError(`Cannot read ${ENVIRONMENT} in the guest: ${fact.reason}`);
  }
  if (fact.state === "absent") return undefined;
  const { text, sha256: hash } = fact.value;
  const open = text.replace(/\n$/, "");
  return sha256(text) !== hash && sha256(open) === hash ? open : text;
}

/** The variables of a block of /etc/environment; `undefined` where there is no such block. */
export function blockVariables(text: string, name: BlockName): Variables | undefined {
  const { block } = splitBlock(text, name);
  if (block === undefined) return undefined;
  const rows = block.split("\n").map((line) => VARIABLE.exec(line)).filter((row) => row !== null);
  return Object.fromEntries(rows.map((row) => [row[1]!, row[2]!]));
}

/** Lines of /etc/environment around a block. */
export function linesOfOthers(text: string, name: BlockName): string {
  return splitBlock(text, name).others;
}

/** What puts variables into both places, and what is to be noted of how the first was before. */
export async function settingVariables(
  name: BlockName,
  variables: Variables,
  job: Job,
): Promise<{ readonly note: EnvironmentNote; readonly ops: readonly OwnedOp[] }> {
  const text = await readNow(job);
  const { others } = splitBlock(text ?? "", name);
  const note = await noteOf(name, job) ?? {
    ...(text === undefined ? { absent: true } : {}),
    ...(isOpen(others) ? { open: true } : {}),
  };
  const gap = isOpen(others) ? "\n" : "";
  const lines = entries(variables).map(([key, value]) => `${key}=${quoted(value)}`);
  const block = [`# begin ${name}`, ...lines, `# end ${name}`, ""].join("\n");
  const ops: readonly OwnedOp[] = [
    { op: "write", files: [{ path: ENVIRONMENT, content: `${others}${gap}${block}`, mode: "0644" }] },
    { op: "own", file: { path: profilePath(name), content: profileText(name, variables), mode: "0644" } },
  ];
  return { note, ops };
}

/** What takes them away: /etc/environment becomes as it was before the first block of ours. */
export async function removingVariables(name: BlockName, job: Job): Promise<readonly OwnedOp[]> {
  const { others, isLast } = splitBlock(await readNow(job) ?? "", name);
  const note = (await job.owned.read()).applied[ADDRESSES[name]] as EnvironmentNote | undefined;
  const isOnly = BLOCKS.every((other) => splitBlock(others, other).block === undefined);
  const content = note?.open && isLast && isOnly ? others.replace(/\n$/, "") : others;
  return [
    note?.absent && content === ""
      ? { op: "remove", path: ENVIRONMENT }
      : { op: "write", files: [{ path: ENVIRONMENT, content, mode: "0644" }] },
    { op: "disown", path: profilePath(name) },
  ];
}

/** Whose note tells of a block. */
const ADDRESSES: Readonly<Record<BlockName, string>> = { "machine": "env", "machine proxy": "proxy" };

/** What was noted when the first block came: the others found a file that had ours in it already. */
async function noteOf(name: BlockName, job: Job): Promise<EnvironmentNote | undefined> {
  const { applied } = await job.owned.read();
  const others = BLOCKS.filter((other) => other !== name);
  const [known] = [name, ...others].map((block) => applied[ADDRESSES[block]]).filter((it) =>
    it !== undefined
  );
  if (known === undefined) return undefined;
  const { absent, open } = known as EnvironmentNote;
  return { ...(absent ? { absent } : {}), ...(open ? { open } : {}) };
}

/** /etc/environment at this moment: a package may have written there in this very round. */
async function readNow(job: Job): Promise<string | undefined> {
  return environmentText((await (await job.guest()).look({ files: [ENVIRONMENT] })).file(ENVIRONMENT));
}

function isOpen(text: string): boolean {
  return text !== "" && !text.endsWith("\n");
}

function entries(variables: Variables): (readonly [string, string])[] {
  return Object.entries(variables).sort(([a], [b]) => a < b ? -1 : 1);
}

/** pam_env takes a value in double quotes as it is, but for backslashes at line ends (pam_env.conf(5)). */
function quoted(value: string): string {
  return `"${value}"`;
}

/**
 * Our lines, and those of others. What somebody has put between our marks stays theirs; of a block whose end is
 * missing only what looks like ours is.
 */
function splitBlock(text: string, name: BlockName): {
  readonly block: string | undefined;
  readonly others: string;
  /** Nothing of others stands behind it. */
  readonly isLast: boolean;
} {
  const [begin, finish] = [`# begin ${name}`, `# end ${name}`];
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const marks = lines.map((line) => line.trimEnd());
  const ours = lines.map(() => false);
  for (let index = 0; index < lines.length; index++) {
    if (marks[index] === finish) ours[index] = true;
    if (marks[index] !== begin) continue;
    ours[index] = true;
    const rest = marks.slice(index + 1);
    const [end, again] = [rest.indexOf(finish), rest.indexOf(begin)];
    const isWhole = end >= 0 && (again < 0 || end < again);
    const foreign = rest.findIndex((mark) => !VARIABLE.test(mark));
    const size = isWhole ? end : foreign < 0 ? rest.length : foreign;
    for (let at = index + 1; at <= index + size; at++) ours[at] = VARIABLE.test(marks[at]!);
    index += size;
  }
  return {
    block: ours.includes(true) ? lines.filter((_, index) => ours[index]).join("") : undefined,
    others: lines.filter((_, index) => !ours[index]).join(""),
    isLast: ours.at(-1) ?? true,
  };
}

/** A line of our block. */
const VARIABLE = /^([A-Za-z_]\w*)="(.*)"$/;

/** The keys that scripts are written from, as they say themselves. */
const KEYS: Readonly<Record<BlockName, string>> = { "machine": "env", "machine proxy": "network.proxy" };

function profileText(name: BlockName, variables: Variables): string {
  const lines = entries(variables).map(([key, value]) => `export ${key}='${value.replaceAll("'", `'\\''`)}'`);
  return [`# Written by machine from the key "${KEYS[name]}".`, ...lines, ""].join("\n");
}

/** The variables of a script of ours. */
export function profileVariables(text: string): Variables {
  const rows = text.split("\n").map((line) => /^export ([A-Za-z_]\w*)='(.*)'$/.exec(line)).filter((row) =>
    row !== null
  );
  return Object.fromEntries(rows.map((row) => [row[1]!, row[2]!.replaceAll(`'\\''`, "'")]));
}
