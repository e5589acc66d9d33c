import { merge, object, or } from "@optique/core/constructs";
import { runParserSync } from "@optique/core/facade";
import { formatMessage, type Message, message, text } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { choice, integer, string, type ValueParser } from "@optique/core/valueparser";
import { mistakeIn } from "./combinations.ts";
import type { Command, OutputFormat, Parsed } from "./command.ts";
import { COMMAND_HELP, formatExamples, GLOBAL_HELP, type ListedCommand, programHelp } from "./help.ts";

/** The only file that knows the command-line library: another one can take over here in a day. */

/** Width of help pages, whatever the terminal: text stays readable and tests stay equal. */
const HELP_COLUMNS = 80;

/** Commands whose words belong to the guest: options end at the first of them. */
const WORD_COMMANDS: ReadonlySet<string> = new Set(["shell", "exec", "nerdctl", "ctr"]);

/** Global options that take a value as the next word. */
const VALUE_OPTIONS: ReadonlySet<string> = new Set(["-f", "--file", "-m", "--machine", "-o", "--output"]);

/**
 * Understands a command line. Help, the version and mistakes are values, so that only the caller writes and exits.
 * @param argv the words after the program's name
 * @param version what `--version` prints
 */
export function parseCommand(argv: readonly string[], version: string): Parsed {
  const { options, words, name } = splitWords(argv);
  let shown = "";
  const parsed = runParserSync(GRAMMAR, "machine", options.length === 0 ? ["--help"] : options, {
    help: {
      command: { hidden: true },
      option: { names: ["-h", "--help"] },
      onShow: (): Parsed => ({ kind: "text", text: helpText(name, shown) }),
    },
    version: {
      option: { names: ["--version"] },
      value: version,
      onShow: (): Parsed => ({ kind: "text", text: shown }),
    },
    onError: (_code, error): Parsed => usageError(error, { options, name }),
    stdout: (page) => void (shown = page.endsWith("\n") ? page : `${page}\n`),
    stderr: () => {}, // the message reaches onError as a value
    showDefault: { prefix: " (default: ", suffix: ")" },
    aboveError: "none",
    colors: false,
    maxWidth: HELP_COLUMNS,
  }) as Command | Parsed;
  if (parsed.kind === "text" || parsed.kind === "usage" || parsed.kind === "command") return parsed;
  return checkCombination(withWords(parsed, words));
}

/**
 * Cuts the words for the guest off `shell`, `exec` and the like. The library reads options wherever they stand, so
 * `exec ls -m x` would lose its `-m`; no parser of it stops at a word and still takes options before the command.
 */
function splitWords(argv: readonly string[]): Split {
  const at = nextWord(argv, 0);
  const name = argv[at] === "help" ? argv[at + 1] : argv[at];
  if (argv[at] === "help" || name === undefined || !WORD_COMMANDS.has(name)) {
    return { options: argv, words: [], name };
  }
  const first = nextWord(argv, at + 1);
  const words = argv.slice(first);
  return { options: argv.slice(0, first), words: words[0] === "--" ? words.slice(1) : words, name };
}

interface Split {
  readonly options: readonly string[];
  readonly words: readonly string[];
  /** The command's name, if the line has one. */
  readonly name: string | undefined;
}

/** Index of the first word from `start` that is neither an option nor an option's value. */
function nextWord(argv: readonly string[], start: number): number {
  let index = start;
  while (index < argv.length && argv[index]!.startsWith("-") && argv[index] !== "--" && argv[index] !== "-") {
    index += VALUE_OPTIONS.has(argv[index]!) ? 2 : 1;
  }
  return Math.min(index, argv.length);
}

function withWords(parsed: Command, words: readonly string[]): Command {
  return WORD_COMMANDS.has(parsed.kind) ? { ...parsed, words } as Command : parsed;
}

/** What the grammar allows and still means nothing is a mistake too. */
function checkCombination(command: Command): Parsed {
  const mistake = mistakeIn(command);
  return mistake ? { kind: "usage", ...mistake, output: command.output } : { kind: "command", command };
}

/** Turns the library's message into this program's: no period, one nearest name, straight quotes. */
function usageError(error: Message, line: Pick<Split, "options" | "name">): Parsed {
  const [first = "", ...rest] = formatMessage(error).replaceAll("`", '"').split("\n\n");
  const nearest = /Did you mean .*?"(-{0,2}[a-z][a-z-]+)"/s.exec(rest.join(" "))?.[1];
  const help = isListed(line.name) ? `machine ${line.name} --help` : "machine --help";
  const fits = nearest !== undefined && (!isListed(line.name) || pageOf(line.name).includes(` ${nearest} `));
  const asked = (format: OutputFormat) =>
    line.options.some((word, index) =>
      word === `--output=${format}` ||
      (word === format && /^(-o|--output)$/.test(line.options[index - 1] ?? ""))
    );
  return {
    kind: "usage",
    message: first.trim().replace(/\.$/, "").replace(
      /^Unexpected option or (argument|subcommand): /,
      "Unknown option or argument ",
    ),
    hint: fits ? `Did you mean "${nearest}"? See ${help}` : `See ${help}`,
    output: asked("json") ? "json" : asked("yaml") ? "yaml" : "text",
  };
}

/** The help page of a command, to see which options are its own: the library suggests other commands' too. */
function pageOf(name: ListedCommand): string {
  let page = "";
  runParserSync(GRAMMAR, "machine", [name, "--help"], {
    help: { option: { names: ["--help"] } },
    stdout: (shown) => void (page += shown),
  });
  return page;
}

function trimLines(page: string): string {
  return page.split("\n").map((line) => line.trimEnd()).join("\n").trimEnd();
}

/** The library's page of a command with its examples; the program's own page where no command is meant. */
function helpText(name: string | undefined, page: string): string {
  return isListed(name)
    ? `${trimLines(page)}\n\n${formatExamples(COMMAND_HELP[name].examples)}\n`
    : programHelp();
}

function isListed(name: string | undefined): name is ListedCommand {
  return name !== undefined && Object.hasOwn(COMMAND_HELP, name);
}

/** A plain sentence as the library's message. */
function sentence(words: string): Message {
  return [text(words)];
}

/** A length of time with its unit, in milliseconds: `500ms`, `30s`, `5m`, `1h`. */
function duration(): ValueParser<"sync", number> {
  const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return {
    mode: "sync",
    metavar: "DURATION",
    placeholder: 0,
    parse(input) {
      const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(input) ?? [];
      if (amount === undefined || unit === undefined) {
        return { success: false, error: message`Expected a duration such as 30s or 5m, but got ${input}.` };
      }
      return { success: true, value: Number(amount) * unitMs[unit]! };
    },
    format: (ms) => ms % 60_000 === 0 ? `${ms / 60_000}m` : ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`,
  };
}

function toggle(names: readonly [`-${string}`, ...`-${string}`[]], description: string) {
  return withDefault(flag(...names, { description: sentence(description) }), false);
}

const GLOBALS = object("Global options", {
  file: optional(option("-f", "--file", string({ metavar: "FILE" }), {
    description: sentence(GLOBAL_HELP.file[1]),
  })),
  machine: optional(option("-m", "--machine", string({ metavar: "NAME" }), {
    description: sentence(GLOBAL_HELP.machine[1]),
  })),
  output: withDefault(
    option("-o", "--output", choice<OutputFormat>(["text", "json", "yaml"], { metavar: "FORMAT" }), {
      description: sentence(GLOBAL_HELP.output[1]),
    }),
    "text",
  ),
  quiet: toggle(["-q", "--quiet"], GLOBAL_HELP.quiet[1]),
  verbose: toggle(["-v", "--verbose"], GLOBAL_HELP.verbose[1]),
  noColor: toggle(["--no-color"], GLOBAL_HELP.noColor[1]),
});

const nameArgument = optional(argument(string({ metavar: "NAME" }), {
  description: sentence("The machine, as with -m."),
}));
const lockTimeoutMs = withDefault(
  option("--lock-timeout", duration(), {
    description: sentence("How long to wait for another command that works on the machine."),
  }),
  300_000,
);
const allow = multiple(option("--allow", choice(["recreate", "data-loss"], { metavar: "EFFECT" }), {
  description: sentence("Allow an effect without a question: recreate or data-loss. Repeatable."),
}));
const yes = toggle(
  ["-y", "--yes"],
  "Do not ask. Covers changes that are live or restart a service or the VM.",
);

const targets = multiple(option("--target", string({ metavar: "ADDRESS" }), {
  description: sentence(
    "Only this address, e.g. mount:/src, or kind, and what it depends on; of several machines NAME/mount:/src. Repeatable.",
  ),
}));
const dryRun = toggle(["--dry-run"], "Show the plan and stop there.");
const refreshOnly = toggle(
  ["--refresh-only"],
  "Show what changed outside since the last apply; the file's edits do not count.",
);

/** Help of one command; the examples are added as they are, because the library would wrap them. */
function about(name: ListedCommand) {
  const { brief, description, words } = COMMAND_HELP[name];
  const literal = (value: string) => ({ type: "literal", value } as const);
  const usageLine = ["[OPTIONS]", ...(words === undefined ? [] : [words])].map(literal);
  return { brief: sentence(brief), description: sentence(description), usageLine };
}

function power<const K extends "start" | "stop" | "restart">(kind: K) {
  return command(
    kind,
    object("Options", { kind: constant(kind), name: nameArgument, lockTimeoutMs }),
    about(kind),
  );
}

function inGuest<const K extends "shell" | "exec" | "nerdctl" | "ctr">(kind: K) {
  return command(kind, object({ kind: constant(kind), words: constant<readonly string[]>([]) }), about(kind));
}

/** About a machine as its file says it. The library combines at most 15 parsers at once, so these are a group. */
const FILE_COMMANDS = or(
  command(
    "apply",
    object("Options", {
      kind: constant("apply"),
      plan: optional(argument(string({ metavar: "PLAN" }), {
        description: sentence("A plan that diff --out has saved."),
      })),
      yes,
      allow,
      targets,
      takeOver: toggle(["--take-over"], "Accept a machine that was last applied from another file."),
      prune: toggle(["--prune"], "Delete the machines that are no longer in the file; data disks are kept."),
      dryRun,
      refreshOnly,
      tryMs: optional(option("--try", duration(), {
        description: sentence("Go back after this time, 30s to 24h, unless machine confirm keeps it."),
      })),
      lockTimeoutMs,
    }),
    about("apply"),
  ),
  command(
    "diff",
    object("Options", {
      kind: constant("diff"),
      targets,
      refreshOnly,
      out: optional(option("--out", string({ metavar: "FILE" }), {
        description: sentence("Save the plan, for machine apply FILE."),
      })),
      from: optional(option("--from", string({ metavar: "FILE" }), {
        description: sentence("Compare with this machine file; no machine is looked at."),
      })),
      asYaml: toggle(["--as-yaml"], "What is there now, as keys of the machine file."),
    }),
    about("diff"),
  ),
  command("history", object("Options", { kind: constant("history"), name: nameArgument }), about("history")),
  command(
    "rollback",
    object("Options", {
      kind: constant("rollback"),
      number: optional(argument(integer({ metavar: "N", min: 1 }), {
        description: sentence("The form's number in machine history."),
      })),
      yes,
      allow,
      dryRun,
      lockTimeoutMs,
    }),
    about("rollback"),
  ),
  command(
    "confirm",
    object("Options", { kind: constant("confirm"), name: nameArgument, lockTimeoutMs }),
    about("confirm"),
  ),
  command("status", object("Options", { kind: constant("status"), name: nameArgument }), about("status")),
);

/** What runs containers, and where it comes from: a group, as above. */
const ENGINE_COMMANDS = or(
  command(
    "env",
    object("Options", {
      kind: constant("env"),
      name: nameArgument,
      shell: optional(option("--shell", choice(["sh", "fish", "powershell"], { metavar: "SHELL" }), {
        description: sentence("sh, fish or powershell; the one that SHELL names when left out."),
      })),
      unset: toggle(["--unset"], "Take back what leads to a machine."),
    }),
    about("env"),
  ),
  inGuest("nerdctl"),
  inGuest("ctr"),
  command(
    "artifacts",
    object("Options", {
      kind: constant("artifacts"),
      task: argument(choice(["list", "fetch", "verify"], { metavar: "TASK" }), {
        description: sentence("list, fetch or verify."),
      }),
      words: multiple(argument(string({ metavar: "NAME" }), {
        description: sentence("What to fetch; for verify, a folder instead of the cache."),
      })),
      to: optional(option("--to", string({ metavar: "FOLDER" }), {
        description: sentence("Also copy what is fetched into a folder, which is a mirror then."),
      })),
    }),
    about("artifacts"),
  ),
);

/** The folder of the machine that an agent works for. */
const FOLDER = argument(string({ metavar: "FOLDER" }));

const COMMANDS = or(
  FILE_COMMANDS,
  ENGINE_COMMANDS,
  inGuest("shell"),
  inGuest("exec"),
  power("stop"),
  power("start"),
  power("restart"),
  command(
    "delete",
    object("Options", {
      kind: constant("delete"),
      name: nameArgument,
      data: toggle(["--data"], "The data disk goes too; needs --allow data-loss."),
      yes,
      allow,
      lockTimeoutMs,
    }),
    about("delete"),
  ),
  command("validate", object({ kind: constant("validate") }), about("validate")),
  command(
    "schema",
    object("Options", {
      kind: constant("schema"),
      of: withDefault(
        argument(choice(["machine", "plan"], { metavar: "WHAT" }), {
          description: sentence("The machine file, or the plans of diff -o json."),
        }),
        "machine",
      ),
    }),
    about("schema"),
  ),
  command(
    "doctor",
    object("Options", {
      kind: constant("doctor"),
      fix: toggle(["--fix"], "Install what is missing."),
      yes: toggle(["-y", "--yes"], "Do not ask before installing."),
    }),
    about("doctor"),
  ),
  command("version", object({ kind: constant("version") }), about("version")),
  command(
    "agent",
    or(
      command("run", object({ kind: constant("agent"), task: constant("run"), folder: FOLDER })),
      command("revert", object({ kind: constant("agent"), task: constant("revert"), folder: FOLDER })),
    ),
    { hidden: true },
  ),
);

const GRAMMAR = merge(COMMANDS, GLOBALS);
