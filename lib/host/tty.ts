/** The terminal and the standard streams of this process. */

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** True when both standard input and standard output are a terminal. */
export function hasTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** The terminal's size; 80 × 24 where it has none or says 0 × 0, as serial lines and some IDEs do. */
export function terminalSize(): TerminalSize {
  try {
    const { rows, columns } = Deno.consoleSize();
    if (rows > 0 && columns > 0) return { rows, columns };
  } catch (error) {
    if (!(error instanceof Error)) throw error; // no terminal at all: the same answer
  }
  return { rows: 24, columns: 80 };
}

/**
 * Hands every key to us unseen by the terminal (no echo, no signals), and what we write to the screen unchanged,
 * until it is disposed. `setRaw` leaves the terminal's own line feed translation on, which would break programs that
 * move the cursor with a bare line feed; stty turns it off, and `setRaw(false)` restores all of it.
 */
export function rawTerminal(): Disposable {
  Deno.stdin.setRaw(true);
  let raw = true;
  const restore = () => {
    if (raw) Deno.stdin.setRaw(false);
    raw = false;
  };
  try {
    new Deno.Command("stty", { args: ["-opost"], stdin: "inherit", stdout: "null", stderr: "null" })
      .outputSync();
  } catch (error) {
    restore();
    throw error;
  }
  return { [Symbol.dispose]: restore };
}

/** Reads from standard input; `undefined` at its end. A read that waits keeps the process alive. */
export async function readStdin(buffer: Uint8Array): Promise<Uint8Array | undefined> {
  const n = await Deno.stdin.read(buffer);
  return n === null ? undefined : buffer.subarray(0, n);
}

/** Writes everything to standard output. */
export async function writeStdout(bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await Deno.stdout.write(bytes.subarray(offset));
}

/** Writes everything to standard error. */
export async function writeStderr(bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await Deno.stderr.write(bytes.subarray(offset));
}

/** True for the error of writing to a pipe whose reader has gone. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe;
}
