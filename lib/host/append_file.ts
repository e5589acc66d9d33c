import { count } from "./counts.ts";

/** A file that only grows. */
export interface AppendFile extends Disposable {
  /** Adds a text at once, before it returns: it is there even when this process is killed right after. */
  append(text: string): void;
}

/** Opens a file for adding to it; makes it, for its owner alone, when there is none. Its folder has to be there. */
export function openAppend(path: string): AppendFile {
  const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  return {
    append(text) {
      const bytes = new TextEncoder().encode(text);
      count("bytesWritten", bytes.length);
      for (let offset = 0; offset < bytes.length;) offset += file.writeSync(bytes.subarray(offset));
    },
    [Symbol.dispose]: () => file.close(),
  };
}
