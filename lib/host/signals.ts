/** Calls back at each signal until the returned function is called; meanwhile the signal does not end the process. */
export function onSignal(signal: Deno.Signal, callback: () => void): () => void {
  Deno.addSignalListener(signal, callback);
  return () => Deno.removeSignalListener(signal, callback);
}

/** Calls back at each of several signals until it is disposed; meanwhile they do not end the process. */
export function onSignals(signals: readonly Deno.Signal[], take: (signal: Deno.Signal) => void): Disposable {
  const stops = signals.map((signal) => onSignal(signal, () => take(signal)));
  return {
    [Symbol.dispose]() {
      for (const stop of stops) stop();
    },
  };
}
