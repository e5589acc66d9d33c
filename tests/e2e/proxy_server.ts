/** A request that came to the proxy. */
export interface ProxyRequest {
  /** `CONNECT` for https. */
  readonly method: string;
  /** The name and port that it was for. */
  readonly target: string;
  /** Whether it knew the user and the password. */
  readonly authorized: boolean;
}

/** Where a proxy leads to, and who may use it. */
export interface ProxyOptions {
  /** Ports of this computer by the names and ports that only the proxy knows, e.g. `pages.test:80`. */
  readonly targets: Readonly<Record<string, number>>;
  /** `USER:PASSWORD` that is asked for. */
  readonly login?: string;
}

/** An http proxy on this computer's loopback that knows names which nobody else does. */
export class ProxyServer implements AsyncDisposable {
  readonly requests: ProxyRequest[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #options: ProxyOptions;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#serving = this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The requests that came since the last call. */
  taken(): readonly ProxyRequest[] {
    return this.requests.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const work: Promise<void>[] = [];
    for await (const client of this.#listener) work.push(this.#answer(client));
    await Promise.all(work);
  }

  async #answer(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    try {
      for (let reader = new Head(client);; reader = reader.next()) {
        const head = await reader.read();
        if (head === undefined) return;
        const { method, target, port, isAuthorized, forwarded } = this.#understand(head);
        this.requests.push({ method, target, authorized: isAuthorized });
        if (!isAuthorized) {
          await write(
            client,
            answer("407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="test"\r\n'),
          );
          continue;
        }
        if (port === undefined) return await write(client, answer("502 Bad Gateway"));
        const server = await Deno.connect({ hostname: "127.0.0.1", port });
        this.#open.add(server);
        if (method === "CONNECT") await write(client, "HTTP/1.1 200 Connection established\r\n\r\n");
        else await write(server, forwarded);
        if (reader.rest.length > 0) await server.write(reader.rest);
        await Promise.all([pump(client, server), pump(server, client)]);
        return;
      }
    } catch (error) {
      // Either side may go away at any time; what the test needs, it sees at the other end.
      if (!(error instanceof Deno.errors.BadResource || error instanceof Error)) throw error;
    } finally {
      close(client);
      this.#open.delete(client);
    }
  }

  #understand(head: string) {
    const [, method = "", url = ""] = /^(\S+) (\S+) /.exec(head) ?? [];
    const absolute = method === "CONNECT" ? undefined : new URL(url);
    const target = absolute ? `${absolute.hostname}:${absolute.port || 80}` : url;
    const { login, targets } = this.#options;
    const given = /^proxy-authorization: basic (\S+)\r?$/im.exec(head)?.[1];
    const path = absolute ? `${absolute.pathname}${absolute.search}` : "";
    const forwarded = head.replace(/^(\S+) \S+ /, `$1 ${path} `)
      .replace(/^(?:proxy-)?(?:authorization|connection): .*\r\n/gim, "")
      .replace(/\r\n\r\n$/, "\r\nConnection: close\r\n\r\n");
    const isAuthorized = login === undefined || given === btoa(login);
    return { method, target, port: targets[target], isAuthorized, forwarded };
  }
}

/** The head of a request, and what came behind it. */
class Head {
  readonly #connection: Deno.TcpConn;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(connection: Deno.TcpConn, bytes = new Uint8Array()) {
    this.#connection = connection;
    this.#bytes = bytes;
  }

  get rest(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /** The head of the request that follows on the same connection. */
  next(): Head {
    return new Head(this.#connection, this.#bytes);
  }

  /** `undefined` when the connection ends before there is one. */
  async read(): Promise<string | undefined> {
    const buffer = new Uint8Array(16_384);
    for (;;) {
      const text = new TextDecoder("latin1").decode(this.#bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#bytes = this.#bytes.slice(end + 4);
        return text.slice(0, end + 4);
      }
      const count = await this.#connection.read(buffer);
      if (count === null) return undefined;
      this.#bytes = new Uint8Array([...this.#bytes, ...buffer.subarray(0, count)]);
    }
  }
}

function answer(status: string, headers = ""): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Length: 0\r\n\r\n`;
}

async function write(connection: Deno.TcpConn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
}

async function pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      for (let offset = 0; offset < count;) offset += await to.write(buffer.subarray(offset, count));
    }
    await to.closeWrite();
  } catch {
    close(to); // one side is gone: so is the other
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    return; // closed already
  }
}
