import type { Address, Effect } from "../plan/types.ts";

/** How a command writes its data. */
export type OutputFormat = "text" | "json" | "yaml";

/** What every command takes. */
export interface GlobalOptions {
  /** The machine file as typed; `-` is standard input. */
  readonly file: string | undefined;
  /** The machine's name as typed with `-m`. */
  readonly machine: string | undefined;
  readonly output: OutputFormat;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
}

export interface ApplyCommand extends GlobalOptions {
  readonly kind: "apply";
  /** The file of a saved plan. */
  readonly plan: string | undefined;
  readonly yes: boolean;
  readonly allow: readonly Effect[];
  readonly targets: readonly Address[];
  readonly takeOver: boolean;
  readonly prune: boolean;
  readonly dryRun: boolean;
  readonly refreshOnly: boolean;
  /** How long the machine is only tried. */
  readonly tryMs: number | undefined;
  readonly lockTimeoutMs: number;
}

export interface DiffCommand extends GlobalOptions {
  readonly kind: "diff";
  readonly targets: readonly Address[];
  readonly refreshOnly: boolean;
  /** Where the plan is to be saved. */
  readonly out: string | undefined;
  /** An older machine file to compare with, instead of a machine. */
  readonly from: string | undefined;
  readonly asYaml: boolean;
}

/** `history` and `confirm`: a machine, and nothing else to say of it. */
export interface HistoryCommand extends GlobalOptions {
  readonly kind: "history";
  readonly name: string | undefined;
}

export interface ConfirmCommand extends GlobalOptions {
  readonly kind: "confirm";
  readonly name: string | undefined;
  readonly lockTimeoutMs: number;
}

export interface RollbackCommand extends GlobalOptions {
  readonly kind: "rollback";
  /** The number of a form in the history; `undefined`: the one before the present. */
  readonly number: number | undefined;
  readonly yes: boolean;
  readonly allow: readonly Effect[];
  readonly dryRun: boolean;
  readonly lockTimeoutMs: number;
}

export interface DeleteCommand extends GlobalOptions {
  readonly kind: "delete";
  readonly name: string | undefined;
  readonly data: boolean;
  readonly yes: boolean;
  readonly allow: readonly Effect[];
  readonly lockTimeoutMs: number;
}

export interface PowerCommand extends GlobalOptions {
  readonly kind: "start" | "stop" | "restart";
  readonly name: string | undefined;
  readonly lockTimeoutMs: number;
}

export interface StatusCommand extends GlobalOptions {
  readonly kind: "status";
  readonly name: string | undefined;
}

/** What a shell evaluates to reach a machine's engine. */
export interface EnvCommand extends GlobalOptions {
  readonly kind: "env";
  readonly name: string | undefined;
  /** The shell that it is for; the one of SHELL when left out. */
  readonly shell: "sh" | "fish" | "powershell" | undefined;
  readonly unset: boolean;
}

/** What is downloaded, before a machine needs it. */
export interface ArtifactsCommand extends GlobalOptions {
  readonly kind: "artifacts";
  readonly task: "list" | "fetch" | "verify";
  /** Names to fetch, or the folder to verify. */
  readonly words: readonly string[];
  /** The folder that becomes a mirror. */
  readonly to: string | undefined;
}

/** `shell`, `exec`, `nerdctl` and `ctr`: the words are for the guest, taken as they are. */
export interface GuestCommand extends GlobalOptions {
  readonly kind: "shell" | "exec" | "nerdctl" | "ctr";
  readonly words: readonly string[];
}

export interface ValidateCommand extends GlobalOptions {
  readonly kind: "validate";
}

export interface SchemaCommand extends GlobalOptions {
  readonly kind: "schema";
  /** Of the machine file, or of the plans that `-o json` gives. */
  readonly of: "machine" | "plan";
}

export interface DoctorCommand extends GlobalOptions {
  readonly kind: "doctor";
  readonly fix: boolean;
  readonly yes: boolean;
}

export interface VersionCommand extends GlobalOptions {
  readonly kind: "version";
}

/** The background process of one machine; started by other commands, never typed. */
export interface AgentCommand extends GlobalOptions {
  readonly kind: "agent";
  /** `run`: be the agent; `revert`: take back a form that was tried and not confirmed. */
  readonly task: "run" | "revert";
  /** The machine's folder. */
  readonly folder: string;
}

/** A command line that was understood. */
export type Command =
  | ApplyCommand
  | DiffCommand
  | HistoryCommand
  | RollbackCommand
  | ConfirmCommand
  | DeleteCommand
  | PowerCommand
  | StatusCommand
  | GuestCommand
  | EnvCommand
  | ArtifactsCommand
  | ValidateCommand
  | SchemaCommand
  | DoctorCommand
  | VersionCommand
  | AgentCommand;

/** What a command line came to. */
export type Parsed =
  | { readonly kind: "command"; readonly command: Command }
  /** Text that was asked for: help, or the version. */
  | { readonly kind: "text"; readonly text: string }
  | {
    readonly kind: "usage";
    readonly message: string;
    readonly hint: string;
    /** How the mistake is to be shown, as far as the rest of the line says. */
    readonly output: OutputFormat;
  };
