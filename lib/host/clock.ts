/** Waits; ends early with the signal's reason when it aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** How {@link waitFor} asks. */
export interface WaitOptions {
  readonly timeoutMs: number;
  readonly firstDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks until there is an answer, at growing intervals.
 * @returns the answer, or `undefined` when time ran out
 */
export async function waitFor<T>(
  ask: () => Promise<T | undefined>,
  options: WaitOptions,
): Promise<T | undefined> {
  const deadline = performance.now() + options.timeoutMs;
  let delayMs = options.firstDelayMs ?? 50;
  while (true) {
    options.signal?.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() + delayMs > deadline) return undefined;
    await sleep(delayMs, options.signal);
    delayMs = Math.min(delayMs * 1.5, options.maxDelayMs ?? 1000);
  }
}

/** A promise that fails with `what` after a time; the work itself must heed its own signal to stop. */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DOMException(`${what}: no answer in ${timeoutMs} ms`, "TimeoutError")),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
