/** Exit codes of the command, decided once for all commands (docs/architecture.md, "Exit codes"). */
export const EXIT = {
  done: 0,
  failed: 1,
  differences: 2,
  invalid: 3,
  needsPerson: 4,
  partial: 5,
  locked: 75,
  interrupted: 130,
} as const;

/** What a user error may carry beyond its message. */
export interface UserErrorOptions {
  /** What to do about it, as one sentence or a command to type. */
  readonly hint?: string;
  /** The exit code of the command; 1 when left out. */
  readonly exitCode?: number;
  /** The end of the output of whatever failed, shown as it is. */
  readonly output?: string;
  /** The guest went away while it was worked with: it may be back, and the same work may succeed then. */
  readonly guestLost?: boolean;
  readonly cause?: unknown;
}

/** A failure that the user can understand and act on: shown without a stack. Everything else is a bug. */
export class UserError extends Error {
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly output: string | undefined;
  readonly guestLost: boolean;

  constructor(message: string, options: UserErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "UserError";
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.output = options.output;
    this.guestLost = options.guestLost ?? false;
  }
}

/** The message of anything thrown, for a sentence that quotes it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for the error of an aborted signal, whichever API threw it. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "AbortError" || error.name === "TimeoutError");
}
