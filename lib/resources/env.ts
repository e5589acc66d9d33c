import type { GuestFacts } from "../guest/query.ts";
import { UserError } from "../host/errors.ts";
import { sha256 } from "../host/files.ts";
import { changeAt } from "./change.ts";
import type { Job } from "./contract.ts";
import { guestKind } from "./guest_kind.ts";
import { ownedOf } from "./owned.ts";
import type { Change } from "../plan/types.ts";

const ENVIRONMENT = "/etc/environment";
const PROFILE = "/etc/profile.d/machine.sh";
const BEGIN = "# begin machine";
const END = "# end machine";

type Variables = Readonly<Record<string, string>>;

/** The environment as found in its two places; other lines of /etc/environment are not ours. */
interface FoundEnv {
  readonly block: Variables;
  /** Lines of /etc/environment around our block. */
  readonly others: string;
  readonly profile: Variables;
}

/** How /etc/environment was before ours came into it, as far as it cannot be told from what is around our block. */
type EnvNote = {
  readonly absent?: true;
  /** Its last line had no end, so that one was put behind it. */
  readonly open?: true;
};

/**
 * The environment of every login: /etc/environment is read by PAM for ssh sessions and services (pam_env(8)), and
 * /etc/profile.d by login shells, which `su` and `runuser` start without PAM's file.
 */
export const envKind = guestKind<Variables, FoundEnv>({
  kind: "env",
  phase: 11,
  path: () => "env",
  dependsOn: () => ["vm"],
  desired: ({ machine }) =>
    new Map(machine && Object.keys(machine.env).length > 0 ? [["env", machine.env]] : []),
  query: () => ({ files: [ENVIRONMENT, PROFILE] }),
  read({ facts, note }) {
    const [file, profile] = [facts.file(ENVIRONMENT), facts.file(PROFILE)];
    for (const fact of [file, profile]) if (fact.state === "unknown") return fact;
    const { block, others } = splitBlock(textNow(facts) ?? "");
    const isOurs = note !== undefined || PROFILE in ownedOf(facts).files;
    if (block === undefined && profile.state === "absent" && !isOurs) return { state: "absent" };
    return {
      state: "present",
      owned: isOurs || block !== undefined,
      value: {
        block: parseVariables(block ?? ""),
        others,
        profile: parseProfile(profile.state === "present" ? profile.value.text : ""),
      },
    };
  },
  compare(desired, observed) {
    const changes: Change[] = [];
    for (
      const name of new Set([
        ...Object.keys(desired),
        ...Object.keys(observed.block),
        ...Object.keys(observed.profile),
      ])
    ) {
      const [block, profile] = [observed.block[name], observed.profile[name]];
      const wrong = [block, profile].find((value) => value !== desired[name]);
      if (block === desired[name] && profile === desired[name]) continue;
      changes.push(changeAt(`env.${name}`, { before: wrong, after: desired[name] }));
    }
    return changes.sort((a, b) => a.path < b.path ? -1 : 1);
  },
  expected: (desired) => ({ block: desired, others: "", profile: desired }),
  async change(desired, job) {
    const text = await readNow(job);
    const { others } = splitBlock(text ?? "");
    const known = (await job.owned.read()).applied["env"] as EnvNote | undefined;
    const note: EnvNote = known ?? {
      ...(text === undefined ? { absent: true } : {}),
      ...(isOpen(others) ? { open: true } : {}),
    };
    const gap = isOpen(others) ? "\n" : "";
    const block = [BEGIN, ...entries(desired).map(([name, value]) => `${name}=${quoted(value)}`), END, ""]
      .join("\n");
    return {
      what: "Setting the environment",
      claimed: { env: note },
      ops: [
        { op: "write", files: [{ path: ENVIRONMENT, content: `${others}${gap}${block}`, mode: "0644" }] },
        { op: "own", file: { path: PROFILE, content: profileText(desired), mode: "0644" } },
      ],
    };
  },
  async undoing(job) {
    const { others, isLast } = splitBlock(await readNow(job) ?? "");
    const note = (await job.owned.read()).applied["env"] as EnvNote | undefined;
    const content = note?.open && isLast ? others.replace(/\n$/, "") : others;
    return {
      what: "Taking the environment back",
      ops: [
        note?.absent && content === ""
          ? { op: "remove", path: ENVIRONMENT }
          : { op: "write", files: [{ path: ENVIRONMENT, content, mode: "0644" }] },
        { op: "disown", path: PROFILE },
      ],
      forgotten: ["env"],
    };
  },
});

/** /etc/environment at this moment: a package may have written there in this very round. */
async function readNow(job: Job): Promise<string | undefined> {
  return textNow(await (await job.guest()).look({ files: [ENVIRONMENT] }));
}

/** The file byte for byte: of a look only the hash tells whether the last line has an end. */
function textNow(facts: GuestFacts): string | undefined {
  const fact = facts.file(ENVIRONMENT);
  if (fact.state === "unknown") {
    throw new UserError(`Cannot read ${ENVIRONMENT} in the guest: ${fact.reason}`);
  }
  if (fact.state === "absent") return undefined;
  const { text, sha256: hash } = fact.value;
  const open = text.replace(/\n$/, "");
  return sha256(text) !== hash && sha256(open) === hash ? open : text;
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
function splitBlock(text: string): {
  readonly block: string | undefined;
  readonly others: string;
  /** Nothing of others stands behind it. */
  readonly isLast: boolean;
} {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const marks = lines.map((line) => line.trimEnd());
  const ours = lines.map(() => false);
  for (let index = 0; index < lines.length; index++) {
    if (marks[index] === END) ours[index] = true;
    if (marks[index] !== BEGIN) continue;
    ours[index] = true;
    const rest = marks.slice(index + 1);
    const [end, again] = [rest.indexOf(END), rest.indexOf(BEGIN)];
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

function parseVariables(block: string): Variables {
  const rows = block.split("\n").map((line) => VARIABLE.exec(line)).filter((row) => row !== null);
  return Object.fromEntries(rows.map((row) => [row[1]!, row[2]!]));
}

function profileText(variables: Variables): string {
  const lines = entries(variables).map(([name, value]) =>
    `export ${name}='${value.replaceAll("'", `'\\''`)}'`
  );
  return ['# Written by machine from the key "env".', ...lines, ""].join("\n");
}

function parseProfile(text: string): Variables {
  const rows = text.split("\n").map((line) => /^export ([A-Za-z_]\w*)='(.*)'$/.exec(line)).filter((row) =>
    row !== null
  );
  return Object.fromEntries(rows.map((row) => [row[1]!, row[2]!.replaceAll(`'\\''`, "'")]));
}
