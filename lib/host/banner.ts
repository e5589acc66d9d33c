/**
 * Connects to a TCP port and reads what the server says first.
 * @returns the first bytes as text; `undefined` when nobody listens, the server says nothing in time or hangs up
 */
export async function readBanner(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    const connection = await Deno.connect({
      hostname: address.host,
      port: address.port,
      signal: stop.signal,
    });
    return await readFirst(connection, stop.signal);
  } catch (error) {
    // Each of them is an answer: nobody there, hung up, or not in time.
    if (error instanceof Error || stop.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function readFirst(connection: Deno.Conn, signal: AbortSignal): Promise<string | undefined> {
  let open = true;
  const close = () => {
    if (open) connection.close();
    open = false;
  };
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  try {
    const buffer = new Uint8Array(256);
    const n = await connection.read(buffer);
    return n === null ? undefined : new TextDecoder().decode(buffer.subarray(0, n));
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}
