/** What help says of one command: one line for the list, a paragraph for its own page, commands to copy. */
export interface CommandHelp {
  readonly brief: string;
  readonly description: string;
  /** The words after the options, in the usage line. */
  readonly words?: string;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
}

/** The commands that help lists, in the order of a first day with the program. */
export type ListedCommand =
  | "apply"
  | "diff"
  | "status"
  | "history"
  | "rollback"
  | "confirm"
  | "shell"
  | "exec"
  | "nerdctl"
  | "ctr"
  | "env"
  | "stop"
  | "start"
  | "restart"
  | "delete"
  | "validate"
  | "schema"
  | "artifacts"
  | "doctor"
  | "version";

/** The program in one sentence. */
export const PROGRAM_BRIEF =
  "Turns one file into a running Linux machine for containers, and keeps the two equal.";

/** Closes the page of the program itself. */
export const PROGRAM_EXAMPLES: CommandHelp["examples"] = [
  ["machine doctor --fix", "make this computer ready"],
  ["machine apply", "make the machine what ./machine.yaml says"],
  ["machine diff", "see what differs, change nothing"],
  ["machine shell", "work inside the machine"],
];

/** Help of every listed command. */
export const COMMAND_HELP: Readonly<Record<ListedCommand, CommandHelp>> = {
  apply: {
    brief: "Make the machine what its file says",
    words: "[PLAN]",
    description:
      "Looks at what exists, shows what differs, asks, and changes only that. When it succeeds, a second " +
      "look found no difference. After any crash the same command finishes the work. Without a terminal nobody can be " +
      "asked: then --yes covers what restarts services or the VM, and --allow names what is worse. A file with several " +
      "machines is applied in its order, or -m picks one. PLAN is a file of diff --out: it is carried out only if " +
      "the machine is still as it was then. Exits 0 when everything is so, 5 when some of it was done, 4 when nothing " +
      "was done because it needs you, and 1 when it failed.",
    examples: [
      ["machine apply", "read ./machine.yaml, else ~/.config/machine/machine.yaml"],
      ["machine apply -f dev.yaml --dry-run", "show the plan and stop there"],
      ["machine apply --yes --allow recreate", "also make the system disk anew; data is kept"],
      ["machine apply --target mount --target engine:docker", "only these, and what they depend on"],
      ["machine apply plan.json", "carry out a plan that was saved and reviewed"],
      ["machine apply --try 2m", "go back after two minutes, unless: machine confirm"],
      ["machine apply --prune", "also delete the machines that left the file"],
      ["machine apply --refresh-only", "show what was changed outside, change nothing"],
      ["generate-config | machine apply -f - --yes", "read the file from standard input"],
    ],
  },
  diff: {
    brief: "Show what apply would change",
    description:
      "Compares the file with the machine, its guest and what points at it on this computer. Writes " +
      "nothing and starts nothing. Exits 0 when there is no difference, else 2: also when something is blocked or " +
      "could not be looked at.",
    examples: [
      ["machine diff", "differences of the machine of ./machine.yaml"],
      ["machine diff -v", "with everything that is equal"],
      ["machine diff -o json", "the plan as JSON; its form: machine schema plan"],
      ["machine diff --target engine:docker", "only this, and what it depends on"],
      ["machine diff --out plan.json", "save the plan, for: machine apply plan.json"],
      ["machine diff --refresh-only", "what was changed outside since the last apply"],
      ["machine diff --as-yaml", "what is there now, as keys to paste into the file"],
      ["machine diff --from old.yaml -f new.yaml", "what an edit would do, without a machine"],
    ],
  },
  status: {
    brief: "Show a machine: state, limits, mounts, sockets",
    words: "[NAME]",
    description: "Shows what is running and how to reach it.",
    examples: [
      ["machine status", "the machine of ./machine.yaml, or the only one"],
      ["machine status dev -o json", "one machine by its name, as JSON"],
    ],
  },
  history: {
    brief: "List the forms that a machine had",
    words: "[NAME]",
    description:
      "Each apply that changed the machine and came to its end notes its form; the last ten are kept. Their " +
      "numbers are for rollback. Delete takes the history along.",
    examples: [
      ["machine history", "the machine of ./machine.yaml, or the only one"],
      ["machine history dev -o json", "with every form in full"],
    ],
  },
  rollback: {
    brief: "Go back to a form that the machine had",
    words: "[N]",
    description:
      "Shows the plan and asks, as apply does, and makes the machine what it was: form N of its history, or " +
      "the one before the present. The file is not touched: it still says otherwise, and the next apply follows it. " +
      "A form is what the file said, no copy of the disks.",
    examples: [
      ["machine rollback", "to the form before the present one"],
      ["machine rollback --yes", "without a question, e.g. in a script"],
      ["machine rollback 7 -m dev --dry-run", "what going back to form 7 would change"],
    ],
  },
  confirm: {
    brief: "Keep what apply --try has made",
    words: "[NAME]",
    description:
      "A machine that was applied with --try goes back to its former form when the time is over, also when the " +
      "terminal is gone. This keeps the new one. A later apply of another form keeps that one instead. Exits 4 when " +
      "nothing is tried: it was confirmed before, or has gone back.",
    examples: [
      ["machine confirm", "the machine of ./machine.yaml, or the only one"],
      ["machine confirm dev", "one machine by its name"],
    ],
  },
  shell: {
    brief: "Open a shell in the guest, or run a command line there",
    words: "[WORD...]",
    description:
      "Opens a login shell as the machine's user, in the folder you are in when that is mounted. With " +
      "words after the options it runs these instead. Options end at the first word.",
    examples: [
      ["machine shell", "an interactive shell"],
      ["machine shell -m dev", "in the machine named dev"],
      ["machine shell make test", "run one command in this folder"],
    ],
  },
  exec: {
    brief: "Run a command in the guest",
    words: "WORD...",
    description:
      "Runs a command as the machine's user and ends with its exit code. Input, output and errors are " +
      "passed through. Options end at the first word: what follows belongs to the command, and needs no --.",
    examples: [
      ["machine exec uname -a", "prints the guest's kernel"],
      ["machine exec -m dev ls -la /src", "-la belongs to ls"],
      ["echo hi | machine exec cat", "input is passed through"],
    ],
  },
  nerdctl: {
    brief: "Run nerdctl in the guest",
    words: "[WORD...]",
    description:
      "Runs nerdctl as root, where the engine is containerd, in the folder you are in when that is mounted, " +
      "and ends with its exit code. Options end at the first word: what follows belongs to nerdctl.",
    examples: [
      ["machine nerdctl ps -a", "containers of the namespace default"],
      ["machine nerdctl -- --namespace k8s.io ps", "nerdctl's own options before its command"],
      ["machine nerdctl build -t web .", "BuildKit builds from this folder"],
      ["machine nerdctl -m dev run --rm -it web sh", "in the machine named dev"],
    ],
  },
  ctr: {
    brief: "Run containerd's own client in the guest",
    words: "[WORD...]",
    description:
      "Runs ctr as root, in the folder you are in when that is mounted, and ends with its exit code. It sees " +
      "every namespace: default is yours, moby is dockerd's, k8s.io is a cluster's. Options end at the first word: " +
      "what follows belongs to ctr. It reads runtime.registries only with --hosts-dir /etc/containerd/certs.d.",
    examples: [
      ["machine ctr images ls", "images of the namespace default"],
      ["machine ctr -- -n moby tasks ls", "what runs for dockerd; ctr's own options come before its command"],
      ["machine ctr images import image.tar", "from the folder you are in, where it is mounted"],
    ],
  },
  env: {
    brief: "Print what leads a shell to a machine's engine",
    words: "[NAME]",
    description:
      "Prints the variables with which docker, or ctr and nerdctl, reach the engine of one machine from this " +
      "shell, whatever context is current, for the shell that SHELL names to evaluate. It changes no file: it is the " +
      "way where a docker configuration may not be written. --unset takes back what leads to a machine, and nothing " +
      "else. The last line is a remark that says how it is used.",
    examples: [
      ["machine env", "what this shell needs for the machine of ./machine.yaml, or the only one"],
      ["machine env dev --shell fish", "the same for fish and the machine named dev"],
      ["machine env dev -o json", "the variables as data"],
      ["machine env --unset", "what takes it back"],
    ],
  },
  stop: {
    brief: "Shut the machine down",
    words: "[NAME]",
    description:
      "Asks the guest to power off, then ends it. The docker context is withdrawn, and the one that was " +
      "current before is current again. Disks stay.",
    examples: [
      ["machine stop", "the machine of ./machine.yaml, or the only one"],
      ["machine stop dev", "one machine by its name"],
    ],
  },
  start: {
    brief: "Start a stopped machine as it was",
    words: "[NAME]",
    description:
      "Boots the machine as it was last applied and brings its docker context back. To follow the file " +
      "as it is now, use apply.",
    examples: [
      ["machine start", "the machine of ./machine.yaml, or the only one"],
      ["machine start dev", "one machine by its name"],
    ],
  },
  restart: {
    brief: "Stop the machine and start it again",
    words: "[NAME]",
    description: "The same as stop, then start. Containers stop; those with a restart policy come back.",
    examples: [["machine restart dev", "one machine by its name"]],
  },
  delete: {
    brief: "Remove a machine; its data disk is kept unless --data",
    words: "[NAME]",
    description:
      "Stops the machine and removes its disk, sockets, docker context and keys. The data disk with " +
      "images and volumes is kept, and attached again by the next apply. --data removes it too and needs --allow " +
      "data-loss. The machine file is never touched.",
    examples: [
      ["machine delete dev", "keep the data disk"],
      ["machine delete dev --data --allow data-loss", "keep nothing"],
    ],
  },
  validate: {
    brief: "Check the machine file",
    description:
      "Reports everything that is wrong in the file, each with its line, its cause and the way out. " +
      "Touches nothing. Exits 0 when the file is valid, else 3.",
    examples: [
      ["machine validate", "check ./machine.yaml"],
      ["machine validate -f - < dev.yaml", "check standard input"],
    ],
  },
  schema: {
    brief: "Print the JSON Schema of the machine file, or of plans",
    words: "[machine|plan]",
    description: "For editors and other programs that know JSON Schema.",
    examples: [
      ["machine schema > machine.v1.schema.json", "point your editor at this file"],
      ["machine schema plan", "the form of diff -o json"],
    ],
  },
  artifacts: {
    brief: "Fetch ahead what machines download",
    words: "TASK [NAME...]",
    description:
      "Some programs come from their own releases, because the distribution has none of them. list shows which, " +
      "fetch brings those that the machines of the file need into the cache, or the ones that are named; verify " +
      "compares what was fetched with its checksum. The file's artifacts.mirror and artifacts.offline hold here " +
      "too; without any file the official releases for this computer are meant. A fetch that was cut off goes on " +
      "where it stopped. verify exits 1 when something cannot be used.",
    examples: [
      ["machine artifacts list", "what there is, and where it is in a mirror"],
      ["machine artifacts fetch -f dev.yaml", "all that the machines of dev.yaml need"],
      ["machine artifacts fetch nerdctl --to /srv/mirror", "make a folder for artifacts.mirror"],
      ["machine artifacts verify", "compare the cache with its checksums"],
      ["machine artifacts verify /srv/mirror", "the same for a mirror's folder"],
    ],
  },
  doctor: {
    brief: "Check what this computer needs to run machines",
    description:
      "Looks for the programs, rights and space that machines need, and says what each is for. --fix says " +
      "which packages it installs and why, installs them with apt-get, and checks again. Exits 0 when nothing is in " +
      "the way, 4 when something needs you, 1 when --fix failed.",
    examples: [
      ["machine doctor", "look only"],
      ["machine doctor --fix", "install what is missing, as root or with sudo"],
      ["machine doctor -o json", "the findings as JSON"],
    ],
  },
  version: {
    brief: "Print the version",
    description: "Prints the version of this program.",
    examples: [
      ["machine version", "as text"],
      ["machine version -o json", "with the runtime and the platform"],
    ],
  },
};

/** Renders examples as the closing section of a help page. */
export function formatExamples(examples: CommandHelp["examples"]): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const aligned = width <= 40 && examples.every(([, meaning]) => width + meaning.length + 6 <= 80);
  const lines = examples.map(([command, meaning]) =>
    aligned ? `  ${command.padEnd(width)}  # ${meaning}` : `  # ${meaning}\n  ${command}`
  );
  return `Examples:\n${lines.join("\n")}`;
}

/** Options of every command: how they are written, and what they do. */
export const GLOBAL_HELP = {
  file: [
    "-f, --file FILE",
    "The machine file; - is standard input. Without it: ./machine.yaml, else ~/.config/machine/machine.yaml.",
  ],
  machine: ["-m, --machine NAME", "The machine, by its name."],
  output: [
    "-o, --output FORMAT",
    "text, json, or yaml where a command reads. JSON is all that standard output then holds.",
  ],
  quiet: ["-q, --quiet", "No progress."],
  verbose: ["-v, --verbose", "Also show what is equal, and whole values."],
  noColor: ["--no-color", "No colours; NO_COLOR does the same."],
} as const;

/**
 * The page of the program itself. It is made here, without the command-line library, because loading that takes
 * longer than all the rest of `machine --help`.
 */
export function programHelp(): string {
  const commands = Object.entries(COMMAND_HELP).map(([name, help]) => entry(name, help.brief, 12));
  const options = [
    ...Object.values(GLOBAL_HELP).map(([term, text]) => entry(term, text, 22)),
    entry("-h, --help", "Help, also of a command: machine COMMAND --help.", 22),
    entry("--version", "The version.", 22),
  ];
  return [
    ...wrap(PROGRAM_BRIEF, 80),
    "",
    "Usage: machine [OPTIONS] COMMAND",
    "",
    "Commands:",
    ...commands,
    "",
    "Global options:",
    ...options,
    "",
    formatExamples(PROGRAM_EXAMPLES),
    "",
  ].join("\n");
}

/** A term and its meaning beside it. */
function entry(term: string, meaning: string, columns: number): string {
  return wrap(meaning, 80 - 2 - columns).map((line, index) =>
    `  ${(index === 0 ? term : "").padEnd(columns)}${line}`
  )
    .join("\n");
}

function wrap(text: string, columns: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
