/** A request to an HTTP server behind a Unix socket. */
export interface UnixRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Path and query, e.g. `/containers/json?all=1`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What the server answered. */
export interface UnixResponse {
  readonly status: number;
  readonly body: string;
}

/**
 * Asks an HTTP server behind a Unix socket. It speaks HTTP/1.0, so that the end of the connection ends the answer
 * and nothing comes in chunks (RFC 1945, 7.2.2); unlike `fetch` it tells "nobody there" by the type of the error.
 * @throws Deno.errors.NotFound or ConnectionRefused when nobody is there, a DOMException "TimeoutError" when there is
 * no whole answer in time, the signal's reason when that aborts
 */
export async function unixHttp(socketPath: string, request: UnixRequest): Promise<UnixResponse> {
  request.signal?.throwIfAborted();
  const connection = await Deno.connect({ transport: "unix", path: socketPath });
  let reason: { readonly error: unknown } | undefined;
  let open = true;
  const close = () => {
    if (open) connection.close();
    open = false;
  };
  const giveUp = (error: unknown) => {
    reason ??= { error };
    close(); // ends the read or write that waits
  };
  const what = `${request.method} ${request.path} on ${socketPath}`;
  const timer = setTimeout(
    () => giveUp(new DOMException(`${what}: no answer in ${request.timeoutMs} ms`, "TimeoutError")),
    request.timeoutMs,
  );
  const abort = () => giveUp(request.signal?.reason);
  request.signal?.addEventListener("abort", abort, { once: true });
  if (request.signal?.aborted) abort(); // while the connection was made
  try {
    await writeAll(connection, encode(request));
    const answer = await readAll(connection);
    if (answer.length === 0) {
      throw new Deno.errors.ConnectionReset(`${what}: the answer is not HTTP, it hung up without one`);
    }
    return parse(answer, what);
  } catch (error) {
    throw reason === undefined ? error : reason.error;
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", abort);
    close();
  }
}

/** True for the error of a server that went away while it was asked: asking again tells what there is now. */
export function isHangUp(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

function encode(request: UnixRequest): Uint8Array {
  const encoder = new TextEncoder();
  const body = request.body === undefined ? new Uint8Array() : encoder.encode(JSON.stringify(request.body));
  const head = encoder.encode([
    `${request.method} ${request.path} HTTP/1.0`,
    "Host: localhost",
    "Accept: application/json",
    ...(request.body === undefined ? [] : ["Content-Type: application/json"]),
    `Content-Length: ${body.length}`,
    "\r\n",
  ].join("\r\n"));
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

function parse(bytes: Uint8Array, what: string): UnixResponse {
  const end = headEnd(bytes);
  const [first = "", ...headers] = new TextDecoder().decode(bytes.subarray(0, end)).split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1];
  if (status === undefined) throw new Error(`${what}: the answer is not HTTP`);
  const body = bytes.subarray(end + 4);
  for (const header of headers) {
    const length = /^content-length: *(\d+)$/i.exec(header)?.[1];
    if (length !== undefined && body.length < Number(length)) {
      throw new Error(`${what}: the answer ended too early`); // the server went away in the middle
    }
  }
  return { status: Number(status), body: new TextDecoder().decode(body) };
}

/** Where the empty line after the headers begins; 0 when there is none. */
function headEnd(bytes: Uint8Array): number {
  for (let at = 0; at + 3 < bytes.length; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return 0;
}

/** Writes all bytes to a connection. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
}

async function readAll(connection: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    parts.push(buffer.slice(0, n));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
