/** A connected Unix stream socket that carries text. */
export interface UnixConnection {
  write(text: string): Promise<void>;
  /** What arrives, until the other side closes or `close()` is called. */
  chunks(): AsyncGenerator<string>;
  close(): void;
}

/**
 * Connects to a Unix socket.
 * @throws Deno.errors.NotFound when there is no such file, Deno.errors.ConnectionRefused when nobody listens
 */
export async function connectUnix(path: string): Promise<UnixConnection> {
  const connection = await Deno.connect({ transport: "unix", path });
  const decoder = new TextDecoder();
  let open = true;
  return {
    async write(text) {
      const bytes = new TextEncoder().encode(text);
      for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
    },
    async *chunks() {
      const buffer = new Uint8Array(64 * 1024);
      while (open) {
        let n: number | null;
        try {
          n = await connection.read(buffer);
        } catch (error) {
          if (!open) return; // closed by us while reading
          throw error;
        }
        if (n === null) return;
        yield decoder.decode(buffer.subarray(0, n), { stream: true });
      }
    },
    close() {
      if (!open) return;
      open = false;
      connection.close();
    },
  };
}

/** True when the error of a connect says that nobody is there, as against "could not find out". */
export function isNobodyThere(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
}
