// @ts-types="@types/ssh2"
import type { SFTPWrapper } from "ssh2";
import type { Buffer } from "node:buffer";
import type { FolderView } from "../host/folder_view.ts";

/** Status codes of sftp (draft-ietf-secsh-filexfer-02, 7). */
const END_OF_FILE = 1;
const NO_SUCH_FILE = 2;

/**
 * Looks at a folder in the guest and reads at least `maxNames` names of it, or all.
 * @returns `undefined` when it does not exist
 */
export async function viewGuestFolder(
  sftp: SFTPWrapper,
  path: string,
  maxNames: number,
): Promise<FolderView | undefined> {
  try {
    const stats = await call<{ readonly mtime: number }>((done) => sftp.stat(path, done));
    return { mtimeSeconds: stats.mtime, names: await readNames(sftp, path, maxNames) };
  } catch (error) {
    if (codeOf(error) === NO_SUCH_FILE) return undefined;
    throw error;
  }
}

async function readNames(sftp: SFTPWrapper, path: string, maxNames: number): Promise<string[]> {
  const folder = await call<Buffer>((done) => sftp.opendir(path, done));
  const names: string[] = [];
  try {
    while (names.length < maxNames) {
      const entries = await call<readonly { readonly filename: string }[]>((done) =>
        sftp.readdir(folder, done)
      );
      names.push(...entries.map((entry) => entry.filename));
    }
  } catch (error) {
    if (codeOf(error) !== END_OF_FILE) throw error;
  } finally {
    await call<undefined>((done) => sftp.close(folder, (error) => done(error, undefined)));
  }
  return names;
}

function call<T>(start: (done: (error: Error | null | undefined, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => error ? reject(error) : resolve(value)));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
