/** One of this process's streams that text is written to. */
export interface OutputStream {
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Writes all of a text at once. What is written after the reader has gone is dropped. */
  write(text: string): void;
}

/** Standard output or standard error of this process. */
export function outputStream(name: "stdout" | "stderr"): OutputStream {
  const stream = Deno[name];
  const isTerminal = stream.isTerminal();
  let readerGone = false;
  return {
    isTerminal,
    get columns() {
      return isTerminal ? terminalColumns() : 80;
    },
    write(text) {
      if (readerGone) return;
      try {
        writeAll(stream, new TextEncoder().encode(text));
      } catch (error) {
        // `machine … | head` ends its reading early: that is no failure of ours.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
        readerGone = true;
      }
    },
  };
}

/** True when a person can be asked: the question goes to standard error, the answer comes from standard input. */
export function canAsk(): boolean {
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
}

/** Standard input up to its end, or up to a number of bytes. */
export async function readStdin(maxBytes: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(maxBytes);
  let length = 0;
  while (length < maxBytes) {
    const count = await Deno.stdin.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

/** The next line of standard input without its end; `undefined` when there is none or the signal aborts. */
export async function readLine(signal: AbortSignal): Promise<string | undefined> {
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const stop = () => aborted.resolve(undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([readCookedLine(), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A terminal in its usual mode gives a line per read, so nothing of the next one is taken. */
async function readCookedLine(): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let line = "";
  while (!line.includes("\n")) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return line === "" ? undefined : line;
    line += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return line.slice(0, line.indexOf("\n")).replace(/\r$/, "");
}

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // none of our streams is a terminal with a size
  }
}

/** A pipe may take less than it is given, or nothing for the moment when its other end made it non-blocking. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += stream.writeSync(bytes.subarray(offset));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
