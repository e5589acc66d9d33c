// @ts-types="@types/ssh2"
import type { ClientChannel } from "ssh2";
import type { Readable } from "node:stream";
import { SshError } from "./ssh_error.ts";

/**
 * Takes a Node stream piece by piece. Node's own async iterator is no substitute: at the end of the stream it
 * destroys the channel, which would close the other direction too.
 */
export class ChunkReader {
  readonly #source: Readable;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #onReadable = () => this.#wake?.();

  constructor(source: Readable) {
    this.#source = source;
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    source.on("readable", this.#onReadable);
    source.once("end", end);
    source.once("close", end);
  }

  /** The next piece; `undefined` after the last. Nothing is read ahead beyond the channel's window. */
  async read(): Promise<Uint8Array | undefined> {
    while (true) {
      if (this.#failure) throw this.#failure;
      const chunk: Uint8Array | null = this.#source.read();
      if (chunk !== null) return chunk;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }

  /** Everything up to the end, as text. */
  async text(): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) {
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  }

  /** Ends the reading with an error; what still arrives is thrown away, so that the channel can close. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#source.off("readable", this.#onReadable);
    this.#source.resume();
    this.#wake?.();
  }
}

/** A byte stream to a socket or a program in the guest; its two directions end apart. */
export class GuestStream {
  /** Resolves when both sides have closed, or the connection went. */
  readonly closed: Promise<void>;
  protected readonly channel: ClientChannel;
  readonly #reader: ChunkReader;
  readonly #writers = new Set<(error: Error) => void>();
  #failure: Error | undefined;
  #isClosed = false;
  #resolveClosed: () => void = () => {};

  constructor(channel: ClientChannel) {
    this.channel = channel;
    this.#reader = new ChunkReader(channel);
    channel.on("error", (error: Error) => this.fail(error));
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
      channel.on("close", () => {
        this.#isClosed = true;
        this.#rejectWriters(new SshError("channel", "The guest closed the stream"));
        resolve();
      });
    });
  }

  /** The next piece from the guest; `undefined` when the guest has said its last. */
  read(): Promise<Uint8Array | undefined> {
    return this.#reader.read();
  }

  /** All that the guest still says. */
  text(): Promise<string> {
    return this.#reader.text();
  }

  /** Sends a piece; resolves when there is room for the next one (the guest's window is what limits). */
  write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      if (this.#isClosed) return reject(new SshError("channel", "The guest closed the stream"));
      this.#writers.add(reject);
      this.channel.write(chunk, (error) => {
        this.#writers.delete(reject);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /**
   * Tells the guest that nothing more comes, and goes on reading. `end()` of the channel would close it as soon as
   * the guest has ended its side too, before a program's exit code has come.
   */
  closeWrite(): void {
    this.channel.eof();
  }

  /** Closes both directions. */
  close(): void {
    this.fail(new SshError("channel", "The stream was closed"));
  }

  /** Closes both directions; whoever reads or writes gets this error. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#reader.fail(error);
    this.#rejectWriters(error);
    this.#resolveClosed();
    this.channel.close();
  }

  #rejectWriters(error: Error): void {
    for (const reject of this.#writers) reject(error);
    this.#writers.clear();
  }
}
