import { messageOf, UserError, type UserErrorOptions } from "../host/errors.ts";
import type { SshTarget } from "./types.ts";

/**
 * Why the guest could not be talked to. A caller that waits for a boot goes on at `refused`, `unreachable`,
 * `no-banner`, `timeout` and `lost`; the others do not heal by waiting.
 */
export type SshFailure =
  | "refused"
  | "unreachable"
  | "no-banner"
  | "auth"
  | "host-key"
  | "key-file"
  | "timeout"
  | "lost"
  | "channel"
  | "protocol";

/** A failure of ssh, told apart by `kind`. */
export class SshError extends UserError {
  readonly kind: SshFailure;

  constructor(kind: SshFailure, message: string, options: UserErrorOptions = {}) {
    super(message, { ...options, guestLost: kind === "lost" });
    this.name = "SshError";
    this.kind = kind;
  }
}

/** What is known of an attempt at the moment when it fails. */
export interface Attempt {
  readonly target: SshTarget;
  readonly timeoutMs: number;
  /** The server said something, so it is there. */
  readonly answered: boolean;
  readonly hostKeyRefused: boolean;
}

/** Turns what ssh2 or the socket threw while connecting into an error that names the cause and the way out. */
export function connectError(error: unknown, attempt: Attempt): SshError {
  const { target } = attempt;
  const where = `${target.host}:${target.port}`;
  const kind = kindOf(error, attempt);
  switch (kind) {
    case "refused":
      return new SshError(kind, `Nobody listens on ${where}, where the guest's ssh should answer`, {
        hint: "Start the machine: machine start",
        cause: error,
      });
    case "host-key":
      return new SshError(kind, `The guest at ${where} showed another host key than the machine was given`, {
        hint: `Another server answers on that port, or the key was changed in the guest: a restart of the ` +
          `machine puts back the key of ${target.hostKeyFile}`,
        cause: error,
      });
    case "auth":
      return new SshError(kind, `The guest at ${where} refused the key for the user "${target.user}"`, {
        hint: "The key may have been removed in the guest: a restart of the machine puts it back",
        cause: error,
      });
    case "no-banner":
      return new SshError(kind, `The guest's ssh at ${where} accepted a connection and said nothing`, {
        hint: "It may still be booting",
        cause: error,
      });
    case "timeout":
      return new SshError(kind, `The guest's ssh at ${where} did not answer within ${attempt.timeoutMs} ms`, {
        cause: error,
      });
    default:
      return new SshError(kind, `Cannot reach the guest's ssh at ${where}: ${messageOf(error)}`, {
        cause: error,
      });
  }
}

function kindOf(error: unknown, attempt: Attempt): SshFailure {
  if (attempt.hostKeyRefused) return "host-key";
  const { code, level } = fieldsOf(error);
  if (code === "ECONNREFUSED") return "refused";
  if (level === "client-authentication") return "auth";
  if (/no matching host key/i.test(messageOf(error))) return "host-key";
  if (code !== undefined && /^(EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)$/.test(code)) {
    return "unreachable";
  }
  if (!attempt.answered) return "no-banner";
  if (level === "client-timeout") return "timeout";
  return level === "handshake" ? "protocol" : "lost";
}

/** `code` of a socket's error and `level`, which ssh2 adds. */
function fieldsOf(error: unknown): { code?: string; level?: string } {
  if (!(error instanceof Error)) return {};
  const fields: { code?: string; level?: string } = {};
  if ("code" in error && typeof error.code === "string") fields.code = error.code;
  if ("level" in error && typeof error.level === "string") fields.level = error.level;
  return fields;
}
