import type { Effect } from "../plan/types.ts";

/** What every command takes. */
export interface GlobalOptions {
  /** The machine file as typed; `-` is standard input. */
  readonly file: string | undefined;
  /** The machine's name as typed with `-m`. */
  readonly machine: string | undefined;
  readonly output: "text" | "json";
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
}

export interface ApplyCommand extends GlobalOptions {
  readonly kind: "apply";
  readonly yes: boolean;
  readonly allow: readonly Effect[];
  readonly takeOver: boolean;
  readonly dryRun: boolean;
  readonly lockTimeoutMs: number;
}

export interface DiffCommand extends GlobalOptions {
  readonly kind: "diff";
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

/** `shell` and `exec`: the words are the command for the guest, taken as they are. */
export interface GuestCommand extends GlobalOptions {
  readonly kind: "shell" | "exec";
  readonly words: readonly string[];
}

export interface ValidateCommand extends GlobalOptions {
  readonly kind: "validate";
}

export interface SchemaCommand extends GlobalOptions {
  readonly kind: "schema";
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
  /** The machine's folder. */
  readonly folder: string;
}

/** A command line that was understood. */
export type Command =
  | ApplyCommand
  | DiffCommand
  | DeleteCommand
  | PowerCommand
  | StatusCommand
  | GuestCommand
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
    readonly output: "text" | "json";
  };
