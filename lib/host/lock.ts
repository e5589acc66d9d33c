import { EXIT, UserError } from "./errors.ts";
import { sleep } from "./clock.ts";

/** Who holds a lock, as written into its file. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
  readonly since: string;
}

/** How {@link lock} waits. */
export interface LockOptions {
  readonly command: string;
  readonly timeoutMs: number;
  readonly onWait?: (holder: Holder | undefined) => void;
  readonly signal?: AbortSignal;
}

/** A held lock; disposing releases it. The kernel releases it too when the process dies. */
export interface Lock extends Disposable {
  readonly path: string;
}

/**
 * Takes an exclusive `flock` by polling, because a blocking lock cannot be cancelled.
 * The file stays: removing it would let two holders lock two files of one name, unless the holder
 * removes it (see the check of device and inode below).
 * @throws UserError with exit code 75 and the holder's name when the time is over
 */
export async function lock(path: string, options: LockOptions): Promise<Lock> {
  const deadline = performance.now() + options.timeoutMs;
  let told = false;
  while (true) {
    options.signal?.throwIfAborted();
    const file = await openLock(path);
    try {
      if (await file.tryLock(true)) {
        if (await isStillThere(path, file)) return await held(path, file, options.command);
        file.close();
        continue;
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    const holder = await readHolder(path);
    if (performance.now() >= deadline) throw lockedError(path, holder);
    if (!told) options.onWait?.(holder);
    told = true;
    await sleep(100, options.signal);
  }
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(`The folder of the lock ${path} is gone: another command has removed it`, {
      exitCode: EXIT.locked,
      hint: "Run the same command again",
      cause: error,
    });
  }
}

/** The process that holds a lock now; `undefined` when nobody does. Never waits, writes nothing. */
export async function holderOf(path: string): Promise<Holder | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    if (await file.tryLock(false)) return undefined;
    return await readHolder(path) ?? { pid: 0, command: "an unknown process", since: "" };
  } finally {
    file.close();
  }
}

async function held(path: string, file: Deno.FsFile, command: string): Promise<Lock> {
  const holder: Holder = { pid: Deno.pid, command, since: new Date().toISOString() };
  await file.truncate();
  await file.write(new TextEncoder().encode(JSON.stringify(holder)));
  return { path, [Symbol.dispose]: () => file.close() };
}

/** False when the former holder removed the file while we waited for it: then our lock is on a ghost. */
async function isStillThere(path: string, file: Deno.FsFile): Promise<boolean> {
  const mine = await file.stat();
  try {
    const there = await Deno.stat(path);
    return there.ino === mine.ino && there.dev === mine.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path)) as Holder;
  } catch {
    return undefined; // being written at this moment, or gone: then nobody can be named
  }
}

function lockedError(path: string, holder: Holder | undefined): UserError {
  const who = holder
    ? `"${holder.command}" (process ${holder.pid}, since ${holder.since})`
    : `the holder of ${path}`;
  return new UserError(`Another command is at work on this machine: ${who}`, {
    exitCode: EXIT.locked,
    hint: "Wait for it to end, or give --lock-timeout a longer time",
  });
}

/** Does some work under a lock. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  using _held = await lock(path, options);
  return await work();
}
