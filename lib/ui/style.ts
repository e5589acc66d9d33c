/** A stream that text is written to, and what it can show. */
export interface TextStream {
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
  write(text: string): void;
}

/** Marks parts of a text, or leaves them as they are. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** What decides about colours beside the stream. */
export interface StyleOptions {
  /** `--no-color` was given. */
  readonly noColor: boolean;
  /** The value of NO_COLOR: any that is not empty turns colours off (no-color.org). */
  readonly noColorVariable: string | undefined;
}

/** Text without any marks. */
export const PLAIN: Style = makeStyle(false);

/** The style for a stream: colours on a terminal whose user did not turn them off. */
export function styleFor(stream: Pick<TextStream, "isTerminal">, options: StyleOptions): Style {
  return makeStyle(stream.isTerminal && !options.noColor && !options.noColorVariable);
}

function makeStyle(colors: boolean): Style {
  const mark = (code: number, end: number) => (text: string) =>
    colors && text !== "" ? `\x1b[${code}m${text}\x1b[${end}m` : text;
  return {
    bold: mark(1, 22),
    dim: mark(2, 22),
    red: mark(31, 39),
    green: mark(32, 39),
    yellow: mark(33, 39),
  };
}

/** Cuts a text to a width, with an ellipsis where something is missing. */
export function clip(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(columns - 1, 0))}…`;
}

/** Takes out what would move the cursor or change colours: text from elsewhere must not draw on the terminal. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  return text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "").replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "");
}

/** A length of time for people: `0.4 s`, `14.2 s`, `2 min 5 s`. */
export function formatMs(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
