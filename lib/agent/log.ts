import { cutLog } from "../host/log_file.ts";

const MAX_BYTES = 8 * 2 ** 20;
const KEEP_BYTES = 2 ** 20;
const LINES_BETWEEN_LOOKS = 256;

/** Takes one line per change of state. */
export type Log = (text: string) => void;

/**
 * A log on standard output, which whoever starts the agent appends to `path`. It is cut at 8 MiB, at the start and
 * after every few hundred lines, so that resting costs nothing.
 */
export async function openLog(path: string): Promise<Log> {
  await cutLog(path, MAX_BYTES, KEEP_BYTES);
  let lines = 0;
  return (text) => {
    console.log(`${new Date().toISOString()} ${text.replaceAll("\n", " ")}`);
    lines++;
    if (lines % LINES_BETWEEN_LOOKS !== 0) return;
    cutLog(path, MAX_BYTES, KEEP_BYTES)
      .catch((error) => console.log(`${new Date().toISOString()} The log cannot be cut: ${error}`));
  };
}
