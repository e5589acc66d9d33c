import { isHangUp, writeAll } from "./unix_http.ts";
import { isNobodyThere } from "./unix_socket.ts";

/** What a client of HTTP/2 says first, and an empty SETTINGS frame (RFC 9113, 3.4). */
const PREFACE = new Uint8Array([
  ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  ...[0, 0, 0, 4, 0, 0, 0, 0, 0],
]);
/** The length of a frame's head, where its type stands, and the type of SETTINGS (RFC 9113, 4.1 and 6.5). */
const HEAD_BYTES = 9;
const TYPE_AT = 3;
const SETTINGS = 4;

/**
 * Whether a server of HTTP/2, as of gRPC, speaks behind a Unix socket: it answers by its settings.
 * False when nobody is there, when it hangs up or says something else, and when it says nothing in time.
 */
export async function speaksHttp2(socketPath: string, timeoutMs: number): Promise<boolean> {
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path: socketPath });
  } catch (error) {
    if (isNobodyThere(error)) return false;
    throw error;
  }
  let open = true;
  const close = () => {
    if (open) connection.close();
    open = false;
  };
  const timer = setTimeout(close, timeoutMs); // ends the read that waits
  try {
    await writeAll(connection, PREFACE);
    const head = new Uint8Array(HEAD_BYTES);
    for (let filled = 0; filled < HEAD_BYTES;) {
      const count = await connection.read(head.subarray(filled));
      if (count === null) return false;
      filled += count;
    }
    return head[TYPE_AT] === SETTINGS;
  } catch (error) {
    if (!open || isHangUp(error)) return false;
    throw error;
  } finally {
    clearTimeout(timer);
    close();
  }
}
