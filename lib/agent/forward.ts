import { messageOf } from "../host/errors.ts";
import { sleep, withDeadline } from "../host/clock.ts";
import { listenUnix, type UnixListener } from "../host/unix_listener.ts";
import { writeAll } from "../host/unix_http.ts";
import type { GuestStream, SshConnection } from "../guest/ssh.ts";
import type { SocketForward } from "./api.ts";
import type { Log } from "./log.ts";

const OPEN_TIMEOUT_MS = 10_000;
const BUFFER_BYTES = 64 * 1024;

/** A Unix socket on the host whose connections end at a Unix socket in the guest. */
export class Forward {
  readonly socket: SocketForward;
  readonly #guest: () => SshConnection | undefined;
  readonly #log: Log;
  readonly #relays = new Set<Promise<void>>();
  readonly #connections = new Set<Deno.Conn>();
  #listener: UnixListener | undefined;
  #accepting: Promise<void> | undefined;
  #error: string | undefined;

  /** @param guest gives the connection to open streams on, while there is one */
  constructor(socket: SocketForward, guest: () => SshConnection | undefined, log: Log) {
    this.socket = socket;
    this.#guest = guest;
    this.#log = log;
  }

  /** What `status` says of it; a socket whose file somebody removed listens to nobody. */
  async state(): Promise<{ readonly listening: boolean; readonly error?: string }> {
    if (this.#error !== undefined) return { listening: false, error: this.#error };
    if (this.#listener === undefined) return { listening: false };
    if (await this.#listener.isReachable()) return { listening: true };
    return { listening: false, error: `The file ${this.socket.host} was removed by somebody` };
  }

  /** Listens, unless it does and its file is still there; a failure is kept for `state` and logged. */
  async open(): Promise<void> {
    if (this.#listener !== undefined) {
      if (await this.#listener.isReachable()) return;
      this.#log(`The socket ${this.socket.host} was removed by somebody: it is made again`);
      await this.#stopListening();
    }
    try {
      this.#listener = await listenUnix(this.socket.host);
      this.#error = undefined;
      this.#accepting = this.#accept(this.#listener);
      this.#log(`Listens on ${this.socket.host} for ${this.socket.guest}`);
    } catch (error) {
      const message = messageOf(error);
      if (message !== this.#error) this.#log(`Cannot listen on ${this.socket.host}: ${message}`);
      this.#error = message;
    }
  }

  /** Takes no more connections; those that run go on. */
  async release(): Promise<void> {
    await this.#stopListening();
    this.#log(`Listens no more on ${this.socket.host}`);
  }

  /** Takes no more connections and ends those that run. */
  async close(): Promise<void> {
    await this.#stopListening();
    for (const connection of this.#connections) closeQuietly(connection);
    await Promise.all(this.#relays);
  }

  async #stopListening(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.close();
    await this.#accepting;
  }

  async #accept(listener: UnixListener): Promise<void> {
    while (this.#listener === listener) {
      let connection: Deno.UnixConn;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (this.#listener !== listener) return; // closed by us
        // Too many open files, for example: it passes, and must not spin until it does.
        this.#log(`Cannot take a connection on ${listener.path}: ${messageOf(error)}`);
        await sleep(200);
        continue;
      }
      this.#connections.add(connection);
      const relay = this.#relay(connection).finally(() => {
        this.#connections.delete(connection);
        this.#relays.delete(relay);
      });
      this.#relays.add(relay);
    }
  }

  /** Never throws: what one client does must not touch the others. */
  async #relay(connection: Deno.Conn): Promise<void> {
    let stream: GuestStream | undefined;
    try {
      const guest = this.#guest();
      if (guest === undefined) return; // closed at once: the client says that nobody answered
      const opening = guest.openStream(this.socket.guest);
      stream = await withDeadline(opening, OPEN_TIMEOUT_MS, this.socket.guest)
        .catch((error) => {
          opening.then((late) => late.close(), () => {}); // its failure is thrown just here
          throw error;
        });
      await relay(connection, stream);
    } catch {
      // Either side hung up, or nobody listens in the guest. The client sees its connection end, as it would on
      // the guest itself; requests are not logged.
    } finally {
      stream?.close();
      closeQuietly(connection);
    }
  }
}

/**
 * Carries bytes both ways. The end of one direction is passed on and the other one goes on: `docker run -i` sends its
 * input to the end and reads the answer after it. It is over when both have ended, or the guest has closed for good.
 */
async function relay(connection: Deno.Conn, stream: GuestStream): Promise<void> {
  const fail = (error: Error) => {
    stream.fail(error);
    closeQuietly(connection); // ends the read or write that waits in the other direction
    throw error;
  };
  const input = toGuest(connection, stream).catch(fail);
  input.catch(() => {}); // a failure of one direction is thrown by both
  await toHost(stream, connection).catch(fail);
  await Promise.race([input, stream.closed]);
}

async function toGuest(connection: Deno.Conn, stream: GuestStream): Promise<void> {
  // write() may keep the bytes until the guest has room, and resolves then: one buffer serves all.
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    await stream.write(buffer.subarray(0, n));
  }
  stream.closeWrite();
}

async function toHost(stream: GuestStream, connection: Deno.Conn): Promise<void> {
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    await writeAll(connection, chunk);
  }
  await closeWrite(connection);
}

async function closeWrite(connection: Deno.Conn): Promise<void> {
  try {
    await connection.closeWrite();
  } catch (error) {
    // The client has closed its end for good: there is nobody left to tell.
    if (!(error instanceof Deno.errors.NotConnected) && !(error instanceof Deno.errors.BrokenPipe)) {
      throw error;
    }
  }
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before
  }
}
