import { dirname, join } from "node:path";
import { removeIfPresent } from "./files.ts";
import { isNobodyThere } from "./unix_socket.ts";

/** The listening end of a Unix socket: its file is 0600, and is removed with it. */
export interface UnixListener {
  readonly path: string;
  accept(): Promise<Deno.UnixConn>;
  /** False when somebody removed or replaced the file: then nobody can reach us any more. */
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Listens on a Unix socket. A file that a dead process left there is replaced, one on which somebody answers is not.
 * @throws Deno.errors.AddrInUse when somebody listens there, or something else than a socket has this path
 */
export async function listenUnix(path: string): Promise<UnixListener> {
  const { result: listener, socket } = await bindUnix(
    path,
    (temporary) => Deno.listen({ transport: "unix", path: temporary }),
  );
  return {
    path,
    accept: () => listener.accept(),
    isReachable: () => socket.isReachable(),
    async close() {
      await socket.remove();
      listener.close();
    },
  };
}

/** The file of a listening socket. */
export interface SocketFile {
  isReachable(): Promise<boolean>;
  /** Removes it, unless somebody has put another one in its place. */
  remove(): Promise<void>;
}

/**
 * Lets `listen` bind a path beside the wanted one and moves the socket there: so it is private before anybody can
 * see it, and a dead one is replaced in one step. It also keeps Deno, which removes the path that it bound when the
 * listener is closed and does so a little later, from removing a successor's file.
 * @throws Deno.errors.AddrInUse when somebody listens on `path`, or it is no socket
 */
export async function bindUnix<T>(
  path: string,
  listen: (temporary: string) => T,
): Promise<{ readonly result: T; readonly socket: SocketFile }> {
  await refuseLivingSocket(path);
  const temporary = join(dirname(path), `.${crypto.randomUUID().slice(0, 8)}`); // short: sun_path ends at 104 bytes
  try {
    const result = listen(temporary);
    await Deno.chmod(temporary, 0o600);
    const inode = await inodeOf(temporary);
    await Deno.rename(temporary, path);
    return {
      result,
      socket: {
        isReachable: async () => await inodeOf(path) === inode,
        async remove() {
          if (await inodeOf(path) === inode) await removeIfPresent(path);
        },
      },
    };
  } catch (error) {
    await removeIfPresent(temporary);
    throw error;
  }
}

async function refuseLivingSocket(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isSocket) throw new Deno.errors.AddrInUse(`${path} exists and is no socket`);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (isNobodyThere(error)) return;
    throw error;
  }
  throw new Deno.errors.AddrInUse(`Another process listens on ${path}`);
}

async function inodeOf(path: string): Promise<number | null | undefined> {
  try {
    return (await Deno.lstat(path)).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
