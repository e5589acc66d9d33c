/** What a command in the guest gave back. */
export interface ExecResult {
  /** 128 + n when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@link Guest.run}. */
export interface ExecOptions {
  readonly stdin?: string | Uint8Array;
  /** A file of the host that follows on standard input, piece by piece, whatever its size. */
  readonly stdinFile?: string;
  /** 60 s when left out. The command in the guest is not killed by it: it is the answer that is given up. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * The guest as root, for looking and applying: over the agent's open connection, or over an own one.
 * `run` takes a POSIX sh script, which the guest's /bin/sh executes; quote words with `quote()`.
 */
export interface Guest extends AsyncDisposable {
  run(script: string, options?: ExecOptions): Promise<ExecResult>;
}

/** How to reach a guest's sshd. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Path of the private key (OpenSSH format, ed25519). */
  readonly identityFile: string;
  /** Path of the guest's public host key, the only one accepted. */
  readonly hostKeyFile: string;
}
