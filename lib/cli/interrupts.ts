/** The two ways in which Ctrl-C ends a command that changes things. */
export interface Interrupts extends Disposable {
  /** The first: the running step finishes, nothing further starts. */
  readonly stopSignal: AbortSignal;
  /** The second: the running step is given up. */
  readonly abortSignal: AbortSignal;
}

/** What {@link watchInterrupts} needs to speak of what runs. */
export interface InterruptOptions {
  /** Takes Ctrl-C over until the returned function is called. */
  readonly onInterrupt: (callback: () => void) => () => void;
  /** The step that runs now, to be named. */
  readonly current: () => string | undefined;
  /** Writes one line for the user. */
  readonly say: (line: string) => void;
}

/** Takes Ctrl-C over until disposed. A third one ends the process at once, as it always does. */
export function watchInterrupts({ onInterrupt, current, say }: InterruptOptions): Interrupts {
  const stop = new AbortController();
  const abort = new AbortController();
  let stopListening: (() => void) | undefined = onInterrupt(() => {
    if (!stop.signal.aborted) {
      const step = current();
      say(
        step === undefined
          ? "Interrupted: nothing further starts; press Ctrl-C again to give up at once"
          : `Interrupted: waiting for ${step} to finish; press Ctrl-C again to give it up`,
      );
      stop.abort(interrupted());
      return;
    }
    say("Interrupted again: giving up; the next apply looks again and goes on from there");
    abort.abort(interrupted());
    release();
  });
  function release(): void {
    stopListening?.();
    stopListening = undefined;
  }
  return { stopSignal: stop.signal, abortSignal: abort.signal, [Symbol.dispose]: release };
}

function interrupted(): DOMException {
  return new DOMException("Interrupted", "AbortError");
}
