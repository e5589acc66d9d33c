import { count } from "./counts.ts";

/** A file that grows piece by piece, and may be gone on with later. */
export interface GrowingFile extends Disposable {
  /** Writes a piece at the end, all of it. */
  write(bytes: Uint8Array): Promise<void>;
  /** Forces what was written to the disk. */
  sync(): Promise<void>;
}

/** Opens a file, 0600, to write at its end; makes it, and with `fromStart` empties it. */
export async function openGrowing(path: string, fromStart: boolean): Promise<GrowingFile> {
  const file = await Deno.open(path, {
    write: true,
    create: true,
    mode: 0o600,
    ...(fromStart ? { truncate: true } : { append: true }),
  });
  return {
    async write(bytes) {
      count("bytesWritten", bytes.length);
      for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
    },
    sync: () => file.sync(),
    [Symbol.dispose]: () => file.close(),
  };
}

const PIECE_BYTES = 256 * 1024;

/** Reads a file piece by piece; each piece is only good until the next one is asked for. */
export async function* piecesOf(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(PIECE_BYTES);
  for (let length = await file.read(buffer); length !== null; length = await file.read(buffer)) {
    signal?.throwIfAborted();
    yield buffer.subarray(0, length);
  }
}
