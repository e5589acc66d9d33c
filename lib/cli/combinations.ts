import type { ApplyCommand, ArtifactsCommand, Command, DiffCommand } from "./command.ts";

/** What is wrong with a command line as a whole. */
export interface Mistake {
  readonly message: string;
  readonly hint: string;
}

/** A machine is tried for no less and no more. */
const TRY_MS = { least: 30_000, most: 24 * 3_600_000 };

/** Commands whose data can be written as YAML: those that only read. */
const READING: ReadonlySet<Command["kind"]> = new Set([
  "diff",
  "status",
  "history",
  "env",
  "validate",
  "doctor",
  "schema",
  "version",
]);

/**
 * Finds what the grammar allows and nobody can mean: options that exclude each other, or that have nothing to work
 * on. Nothing is silently ignored.
 */
export function mistakeIn(command: Command): Mistake | undefined {
  if (command.output === "yaml" && !READING.has(command.kind)) {
    return {
      message: `"-o yaml" is not for machine ${command.kind}`,
      hint: "It is for commands that only read, such as machine diff",
    };
  }
  switch (command.kind) {
    case "apply":
      return firstOf(APPLY_RULES, command) ?? tryMistake(command);
    case "diff":
      return firstOf(DIFF_RULES, command);
    case "artifacts":
      return artifactsMistake(command);
    case "exec":
      return command.words.length > 0 ? undefined : {
        message: "The command to run is missing",
        hint: "machine exec uname -a; for an interactive shell: machine shell",
      };
    default:
      return undefined;
  }
}

/** Options that exclude each other: how each is written, how to tell that it was given, and why not both. */
interface Rule<C> {
  readonly one: readonly [written: string, isGiven: (command: C) => boolean];
  readonly other: readonly [written: string, isGiven: (command: C) => boolean];
  readonly because: string;
}

const planFile: Rule<ApplyCommand>["one"] = ["PLAN", ({ plan }) => plan !== undefined];
const refreshApply: Rule<ApplyCommand>["one"] = ["--refresh-only", ({ refreshOnly }) => refreshOnly];
const trying: Rule<ApplyCommand>["one"] = ["--try", ({ tryMs }) => tryMs !== undefined];
const prune: Rule<ApplyCommand>["one"] = ["--prune", (command) => command.prune];
const dryApply: Rule<ApplyCommand>["one"] = ["--dry-run", ({ dryRun }) => dryRun];
const targetsApply: Rule<ApplyCommand>["one"] = ["--target", ({ targets }) => targets.length > 0];

const APPLY_RULES: readonly Rule<ApplyCommand>[] = [
  {
    one: planFile,
    other: ["-f", ({ file }) => file !== undefined],
    because: "The plan holds what its file said",
  },
  {
    one: planFile,
    other: ["-m", ({ machine }) => machine !== undefined],
    because: "The plan is of one machine",
  },
  { one: planFile, other: targetsApply, because: "Give --target to machine diff --out" },
  { one: planFile, other: refreshApply, because: "A plan is there to be carried out" },
  { one: planFile, other: prune, because: "Only a file tells which machines left it" },
  { one: trying, other: dryApply, because: "A dry run makes nothing that could be tried" },
  { one: trying, other: refreshApply, because: "--refresh-only makes nothing that could be tried" },
  { one: trying, other: targetsApply, because: "Only a whole form of the machine can be gone back to" },
  { one: trying, other: prune, because: "What is deleted does not come back" },
  { one: refreshApply, other: dryApply, because: "--refresh-only changes nothing anyway" },
  { one: refreshApply, other: prune, because: "--refresh-only changes nothing" },
  {
    one: prune,
    other: ["-f -", ({ file }) => file === "-"],
    because: "Standard input declares something else each time",
  },
  { one: prune, other: targetsApply, because: "--prune is about whole machines" },
  {
    one: prune,
    other: ["-m", ({ machine }) => machine !== undefined],
    because: "--prune is about the whole file",
  },
];

const from: Rule<DiffCommand>["one"] = ["--from", (command) => command.from !== undefined];
const out: Rule<DiffCommand>["one"] = ["--out", (command) => command.out !== undefined];
const asYaml: Rule<DiffCommand>["one"] = ["--as-yaml", (command) => command.asYaml];
const refreshDiff: Rule<DiffCommand>["one"] = ["--refresh-only", ({ refreshOnly }) => refreshOnly];

const DIFF_RULES: readonly Rule<DiffCommand>[] = [
  { one: from, other: refreshDiff, because: "--from looks at two files and no machine" },
  { one: from, other: out, because: "A plan between two files cannot be carried out" },
  { one: from, other: asYaml, because: "The other file says it already" },
  { one: asYaml, other: out, because: "Ask for one after the other" },
  {
    one: asYaml,
    other: ["-o", ({ output }) => output !== "text"],
    because: "--as-yaml is a form of its own",
  },
  { one: refreshDiff, other: out, because: "What changed outside is nothing to carry out" },
];

function firstOf<C>(rules: readonly Rule<C>[], command: C): Mistake | undefined {
  const rule = rules.find(({ one, other }) => one[1](command) && other[1](command));
  return rule &&
    { message: `"${rule.one[0]}" and "${rule.other[0]}" exclude each other`, hint: rule.because };
}

function artifactsMistake({ task, words, to }: ArtifactsCommand): Mistake | undefined {
  if (to !== undefined && task !== "fetch") {
    return {
      message: `"--to" is not for machine artifacts ${task}`,
      hint: "machine artifacts fetch --to FOLDER",
    };
  }
  const most = { list: 0, fetch: Infinity, verify: 1 }[task];
  if (words.length <= most) return undefined;
  return {
    message: `machine artifacts ${task} takes ${most === 0 ? "no names" : "one folder"}`,
    hint: "See machine artifacts --help",
  };
}

function tryMistake({ tryMs }: ApplyCommand): Mistake | undefined {
  if (tryMs === undefined || tryMs >= TRY_MS.least && tryMs <= TRY_MS.most) return undefined;
  return { message: '"--try" takes a time from 30s to 24h', hint: "machine apply --try 2m" };
}
