import { readBanner } from "../host/banner.ts";
import { sleep } from "../host/clock.ts";
import { connectSsh } from "./connect.ts";
import type { SshConnection } from "./connection.ts";
import { SshError } from "./ssh_error.ts";
import type { SshTarget } from "./types.ts";

/** Options of {@link waitForSsh}. */
export interface WaitForSshOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Longest time between two tries; 0.5 s when left out. */
  readonly maxDelayMs?: number;
  /** Called when what is waited for changes. */
  readonly onWait?: (reason: string) => void;
}

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 500;
/**
 * How long one try may stay without a byte. Each try into a loaded, emulated guest costs it two forks, and QEMU's
 * user network delivers even those that were given up: so there is one at a time, and it is patient.
 */
const BANNER_MS = 5000;
/** A guest that is still booting may refuse its key for a moment; one that does so for longer will go on. */
const REFUSED_KEY_MS = 10_000;

/**
 * True when an ssh server says its banner. A connect alone proves nothing: QEMU's user network accepts before the
 * guest listens.
 */
export async function probeSsh(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return isSsh(await readBanner({ host, port }, timeoutMs));
}

/**
 * Waits until a command in the guest really answers.
 * @returns the connection over which it did
 * @throws SshError with the kind of the last failure when time runs out, at once for another host key or a missing
 * key file; the signal's reason when that aborts
 */
export async function waitForSsh(target: SshTarget, options: WaitForSshOptions): Promise<SshConnection> {
  const deadline = performance.now() + options.timeoutMs;
  const left = () => Math.max(1, deadline - performance.now());
  let refusedSince: number | undefined;
  let delayMs = FIRST_DELAY_MS;
  let last: SshError | undefined;
  const told = tellOnce(options.onWait);
  while (true) {
    options.signal?.throwIfAborted();
    try {
      told(last?.message ?? `Waits for ssh on ${target.host}:${target.port}`);
      return await connectAndProve(target, left(), options.signal);
    } catch (error) {
      if (!(error instanceof SshError) || error.kind === "host-key" || error.kind === "key-file") throw error;
      last = error;
    }
    const now = performance.now();
    refusedSince = last.kind === "auth" ? refusedSince ?? now : undefined;
    if (refusedSince !== undefined && now - refusedSince > REFUSED_KEY_MS) throw last;
    if (now + delayMs >= deadline) throw tooLate(target, options.timeoutMs, last);
    await sleep(delayMs, options.signal);
    delayMs = Math.min(delayMs * 1.5, options.maxDelayMs ?? MAX_DELAY_MS);
  }
}

async function connectAndProve(
  target: SshTarget,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<SshConnection> {
  const aborts = signal === undefined ? {} : { signal };
  const connection = await connectSsh(target, {
    timeoutMs: Math.min(timeoutMs, 30_000),
    bannerMs: Math.min(timeoutMs, BANNER_MS),
    ...aborts,
  });
  try {
    const { code } = await connection.exec("true", { timeoutMs: Math.min(timeoutMs, 20_000), ...aborts });
    if (code === 0) return connection;
    throw new SshError("protocol", `The guest answered over ssh, but "true" ended with ${code}`);
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

function isSsh(banner: string | undefined): boolean {
  return banner?.startsWith("SSH-") ?? false;
}

function tellOnce(onWait: ((reason: string) => void) | undefined): (reason: string) => void {
  let told: string | undefined;
  return (reason) => {
    if (reason !== told) onWait?.(reason);
    told = reason;
  };
}

function tooLate(target: SshTarget, timeoutMs: number, last: SshError): SshError {
  const seconds = Math.round(timeoutMs / 1000);
  return new SshError(
    last.kind,
    `The guest at ${target.host}:${target.port} did not answer over ssh within ${seconds} s: ${last.message}`,
    { ...(last.hint === undefined ? {} : { hint: last.hint }), cause: last },
  );
}
