/** A shell that the text is for; `sh` is every one with its grammar: bash, zsh, dash, ksh. */
export type ShellName = "sh" | "fish" | "powershell";

/** What a shell does to its variables. */
export interface VariableChange {
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
}

interface ShellWords {
  readonly set: (name: string, value: string) => string;
  readonly unset: (name: string) => string;
  /** How a user lets the shell do what a command prints. */
  readonly use: (command: string) => string;
}

const SHELLS: Readonly<Record<ShellName, ShellWords>> = {
  sh: {
    set: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
    unset: (name) => `unset ${name}`,
    use: (command) => `eval "$(${command})"`,
  },
  fish: {
    set: (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, "\\$&")}'`,
    unset: (name) => `set -e ${name}`,
    use: (command) => `${command} | source`,
  },
  powershell: {
    set: (name, value) => `$Env:${name} = '${value.replaceAll("'", "''")}'`,
    unset: (name) => `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
    use: (command) => `${command} | Out-String | Invoke-Expression`,
  },
};

/**
 * What a shell has to evaluate, and how, as a remark in it.
 * @param command what printed this
 */
export function shellText(shell: ShellName, { set, unset }: VariableChange, command: string): string {
  const words = SHELLS[shell];
  const lines = [
    ...unset.map(words.unset),
    ...Object.entries(set).map(([name, value]) => words.set(name, value)),
  ];
  const remark = lines.length === 0 ? "# Nothing of machine's is set here" : `# ${words.use(command)}`;
  return [...lines, remark, ""].join("\n");
}

/** The form for a shell by its path, as SHELL has it. */
export function shellNamed(path: string | undefined): ShellName {
  const name = path?.split("/").at(-1);
  return name === "fish" ? "fish" : name === "pwsh" || name === "powershell" ? "powershell" : "sh";
}
