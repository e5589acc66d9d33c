import { messageOf, UserError } from "../host/errors.ts";
import { readTextIfPresent, removeIfPresent, statIfPresent, writeAtomic } from "../host/files.ts";
import { openGrowing } from "../host/pieces.ts";
import { MOST_CHECKSUM_BYTES } from "./checksums.ts";

/** Takes what is being done now, and the share done where it is known (0 to 1). */
export type OnProgress = (text: string, fraction?: number) => void;

/** How something is downloaded. */
export interface DownloadOptions {
  readonly authorization?: string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
  /** How long the other side may be silent. */
  readonly stallMs?: number;
}

const STALL_MS = 30_000;
const AGAIN = "Run the same command again: it goes on where this one has stopped";

/** What is known of the other side's file while a part of it lies here; a file of that name beside the part. */
interface PartNote {
  readonly url: string;
  /** The tag or date by which the other side knows its file (RFC 9110, 13.1.5: only a strong tag is good for ranges). */
  readonly validator: string;
}

/**
 * Reads a short text.
 * @returns `undefined` when there is no such thing
 * @throws UserError when it cannot be had
 */
export async function downloadText(url: string, options: DownloadOptions): Promise<string | undefined> {
  using stall = watchStall(options);
  const response = await request(url, {}, { options, signal: stall.signal });
  if (response.status === 404 || response.status === 410) {
    await response.body?.cancel();
    return undefined;
  }
  await requireOk(response, url);
  const bytes: number[] = [];
  try {
    for await (const piece of response.body ?? []) {
      stall.heard();
      for (const byte of piece) bytes.push(byte);
      if (bytes.length > MOST_CHECKSUM_BYTES) {
        throw new UserError(`${url} is no list of checksums: it is longer than ${MOST_CHECKSUM_BYTES} bytes`);
      }
    }
  } catch (error) {
    throw brokenOff(error, { url, options, state: "before its end" });
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/**
 * Downloads to a file, and goes on with what an earlier call has left there, where the other side can tell that its
 * file is still the same (RFC 9110, 14: ranges). One that cannot gives everything again. What has come stays for the
 * next call, whatever happens.
 * @returns whether it began where an earlier call had stopped
 * @throws UserError when it cannot be had, breaks off or stalls; the signal's reason when that aborts
 */
export async function downloadTo(url: string, part: string, options: DownloadOptions): Promise<boolean> {
  const notePath = `${part}.json`;
  const there = (await statIfPresent(part))?.size ?? 0;
  const note = there > 0 ? parseNote(await readTextIfPresent(notePath)) : undefined;
  const offset = note?.url === url ? there : 0;
  using stall = watchStall(options);
  const response = await request(
    url,
    offset > 0 ? { range: `bytes=${offset}-`, "if-range": note!.validator } : {},
    { options, signal: stall.signal },
  );
  const goesOn = response.status === 206 && startOf(response) === offset && offset > 0;
  if (response.status === 416 || (response.status === 206 && !goesOn)) {
    // The file has become shorter than what is here, or another piece was sent than was asked for.
    await response.body?.cancel();
    await removeIfPresent(notePath);
    return await downloadTo(url, part, options);
  }
  await requireOk(response, url);
  const start = goesOn ? offset : 0;
  const length = Number(response.headers.get("content-length") ?? NaN);
  const totalBytes = Number.isFinite(length) ? start + length : undefined;
  if (!goesOn) await removeIfPresent(notePath);
  let gotBytes = start;
  try {
    using file = await openGrowing(part, !goesOn);
    const validator = validatorOf(response);
    if (!goesOn && validator !== undefined) {
      await writeAtomic(notePath, JSON.stringify({ url, validator } satisfies PartNote));
    }
    for await (const piece of response.body ?? []) {
      stall.heard();
      await file.write(piece);
      gotBytes += piece.length;
      options.onProgress?.(
        mebibytes(gotBytes, totalBytes),
        totalBytes === undefined || totalBytes === 0 ? undefined : Math.min(gotBytes / totalBytes, 1),
      );
    }
    await file.sync();
  } catch (error) {
    throw brokenOff(error, { url, options, state: `after ${mebibytes(gotBytes, totalBytes)}` });
  }
  if (totalBytes !== undefined && gotBytes !== totalBytes) {
    throw brokenOff(new Error("the other side ended it"), {
      url,
      options,
      state: `after ${mebibytes(gotBytes, totalBytes)}`,
    });
  }
  await removeIfPresent(notePath);
  return goesOn;
}

interface Asked {
  readonly options: DownloadOptions;
  readonly signal: AbortSignal;
}

async function request(
  url: string,
  headers: Readonly<Record<string, string>>,
  { options, signal }: Asked,
): Promise<Response> {
  try {
    return await fetch(url, {
      signal,
      headers: {
        // What is stored is what was checked in: nothing that a server packs on the way.
        "accept-encoding": "identity",
        ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
        ...headers,
      },
    });
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw new UserError(`${url} cannot be reached: ${causeOf(error)}`, {
      hint: "Check the network and the proxy (HTTPS_PROXY), or name another artifacts.mirror",
      cause: error,
    });
  }
}

async function requireOk(response: Response, url: string): Promise<void> {
  if (response.ok) return;
  await response.body?.cancel();
  throw new UserError(`${url} answers ${response.status} ${response.statusText}`.trimEnd(), {
    hint: response.status === 404
      ? "artifacts.mirror needs the layout of the official addresses: machine artifacts list shows it"
      : "Try again later, or name another artifacts.mirror",
  });
}

/** The first byte of a partial answer (RFC 9110, 14.4). */
function startOf(response: Response): number | undefined {
  const [, first] = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "") ?? [];
  return first === undefined ? undefined : Number(first);
}

/** What the other side will know its file by; a weak tag does not promise the same bytes. */
function validatorOf({ headers }: Response): string | undefined {
  if (headers.get("accept-ranges") === "none") return undefined;
  const tag = headers.get("etag");
  if (tag !== null && !tag.startsWith("W/")) return tag;
  return headers.get("last-modified") ?? undefined;
}

function parseNote(text: string | undefined): PartNote | undefined {
  if (text === undefined) return undefined;
  try {
    const note = JSON.parse(text) as Partial<PartNote>;
    return typeof note.url === "string" && typeof note.validator === "string" ? note as PartNote : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // then everything is fetched again
    throw error;
  }
}

interface Stall extends Disposable {
  readonly signal: AbortSignal;
  /** Something has come. */
  heard(): void;
}

/** Ends what waits for a silent other side; also with the caller's own signal. */
function watchStall({ signal, stallMs = STALL_MS }: DownloadOptions): Stall {
  const controller = new AbortController();
  const end = () => controller.abort(new Error(`nothing came for ${stallMs / 1000} s`));
  let timer = setTimeout(end, stallMs);
  return {
    signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal,
    heard() {
      clearTimeout(timer);
      timer = setTimeout(end, stallMs);
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

interface Break {
  readonly url: string;
  readonly options: DownloadOptions;
  /** How far it had come. */
  readonly state: string;
}

function brokenOff(error: unknown, { url, options, state }: Break): unknown {
  if (options.signal?.aborted) return options.signal.reason;
  if (error instanceof UserError) return error;
  return new UserError(`The download of ${url} broke off ${state}: ${causeOf(error)}`, {
    hint: AGAIN,
    cause: error,
  });
}

/** fetch wraps what was wrong, and repeats the address; the innermost words are the cause. */
function causeOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  return messageOf(innermost).replace(/^error sending request for url \(.*?\): /, "");
}

/** How much of how much, for people. */
export function mebibytes(bytes: number, ofBytes?: number): string {
  const text = (value: number) => (value / 2 ** 20).toFixed(value < 10 * 2 ** 20 ? 1 : 0);
  return ofBytes === undefined ? `${text(bytes)} MiB` : `${text(bytes)} of ${text(ofBytes)} MiB`;
}
