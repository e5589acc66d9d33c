// deno-lint-ignore-file no-sync-fn-in-async-fn -- in memory the ones that do not wait are faster
import { join } from "node:path";
import type { HostProxy } from "../../lib/host/proxy.ts";
import type { Effects } from "./effects.ts";

const PROXY_VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/** Where the host's files are: in memory where the system has such a place, because every one is synced. */
async function makeFolder(): Promise<string> {
  const inMemory = await Deno.stat("/dev/shm").then(({ isDirectory }) => isDirectory, () => false);
  return await Deno.makeTempDir({ prefix: "sim-", ...(inMemory ? { dir: "/dev/shm" } : {}) });
}

/** The real files of a simulated host, every change of which is a side effect. */
export class HostFiles implements AsyncDisposable {
  readonly home: string;
  readonly #effects: Effects;
  readonly #open = new Set<Deno.FsFile>();
  readonly #restore: (() => void)[] = [];

  private constructor(home: string, effects: Effects) {
    this.home = home;
    this.#effects = effects;
  }

  /** A home of its own for the machines, the cache, ssh and docker, until it is disposed. */
  static async make(effects: Effects): Promise<HostFiles> {
    const files = new HostFiles(await makeFolder(), effects);
    files.#setVariables();
    files.#watch();
    return files;
  }

  /** The former command is gone, and with it the files that it had open, and its locks. */
  closeAll(): void {
    for (const file of this.#open) file.close();
  }

  /** Removes everything that a machine has left, for the next one. */
  async clear(): Promise<void> {
    this.closeAll();
    for (const name of [".machine", ".cache", ".docker", ".ssh"]) {
      await this.#plain.remove(join(this.home, name), { recursive: true }).catch(() => {});
    }
  }

  /** Sets the proxies that the environment of commands names. */
  setProxy({ http, https, except }: HostProxy): void {
    const values = { "http_proxy": http, "https_proxy": https, "no_proxy": except.join(",") };
    for (const [name, value] of Object.entries(values)) {
      if (value === "") Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }

  /** Every file but those of the cache, with what is in it. */
  async list(folder = this.home): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (name === ".cache") continue;
      if (isDirectory) Object.assign(files, await this.list(path), { [path]: "a folder" });
      else files[path] = await Deno.readTextFile(path);
    }
    return files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeAll();
    for (const restore of this.#restore.reverse()) restore();
    await Deno.remove(this.home, { recursive: true });
  }

  #setVariables(): void {
    const values = {
      HOME: this.home,
      MACHINE_HOME: join(this.home, ".machine"),
      XDG_CACHE_HOME: join(this.home, ".cache"),
      DOCKER_CONFIG: join(this.home, ".docker"),
    };
    for (const [name, value] of Object.entries(values)) {
      const before = Deno.env.get(name);
      this.#restore.push(() => before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before));
      Deno.env.set(name, value);
    }
    // What a command inherits of this computer's own environment would be in its plans.
    for (const name of PROXY_VARIABLES.flatMap((it) => [it, it.toUpperCase()])) {
      const before = Deno.env.get(name);
      this.#restore.push(() => before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before));
      Deno.env.delete(name);
    }
  }

  readonly #plain = {
    open: Deno.open,
    openSync: Deno.openSync,
    remove: Deno.remove,
    rename: Deno.rename,
    mkdir: Deno.mkdir,
    chmod: Deno.chmod,
    stat: Deno.stat,
    lstat: Deno.lstat,
    readFile: Deno.readFile,
    readTextFile: Deno.readTextFile,
    readLink: Deno.readLink,
    realPath: Deno.realPath,
    readDir: Deno.readDir,
  };

  /**
   * Puts the effects' gate before every function of the runtime that changes a file. Behind it, and for what only
   * reads, stand the functions that do not wait: a thread for each small file takes longer than all the rest.
   */
  #watch(): void {
    const plain = this.#plain;
    this.#restore.push(() => Object.assign(Deno, plain));
    const isThere = (path: string | URL) => {
      try {
        Deno.lstatSync(path);
        return true;
      } catch {
        return false;
      }
    };
    const step = async (what: string, path: string | URL) => await this.#effects.step(this.#name(what, path));
    const isWriting = (options: Deno.OpenOptions = {}) =>
      options.write === true || options.append === true || options.create === true;
    Object.assign(
      Deno,
      {
        open: async (path, options) => {
          if (isWriting(options)) await step("open", path);
          else await this.#effects.look();
          return this.#tracked(plain.openSync(path, options));
        },
        openSync: (path, options) => {
          if (isWriting(options)) this.#effects.stepNow(this.#name("open", path));
          return this.#tracked(plain.openSync(path, options));
        },
        remove: async (path, options) => {
          if (isThere(path)) await step("remove", path);
          Deno.removeSync(path, options);
        },
        rename: async (from, to) => {
          await step("rename", to);
          Deno.renameSync(from, to);
        },
        mkdir: async (path, options) => {
          if (!isThere(path)) await step("mkdir", path);
          Deno.mkdirSync(path, options);
        },
        chmod: async (path, mode) => {
          await step("chmod", path);
          Deno.chmodSync(path, mode);
        },
        stat: async (path) => await Deno.statSync(path),
        lstat: async (path) => await Deno.lstatSync(path),
        readFile: async (path) => await Deno.readFileSync(path),
        readTextFile: async (path) => await Deno.readTextFileSync(path),
        readLink: async (path) => await Deno.readLinkSync(path),
        realPath: async (path) => await Deno.realPathSync(path),
        readDir: async function* (path) {
          yield* await Deno.readDirSync(path);
        },
      } satisfies Partial<typeof Deno>,
    );
  }

  #name(what: string, path: string | URL): string {
    const text = String(path).replace(this.home, "~").replace(/\.[0-9a-f]{8}\.tmp$/, ".tmp");
    return `host ${what} ${text}`;
  }

  #tracked(file: Deno.FsFile): Deno.FsFile {
    this.#open.add(file);
    const close = file.close.bind(file);
    file.close = () => {
      if (this.#open.delete(file)) close();
    };
    file[Symbol.dispose] = () => file.close();
    file.tryLock = async (exclusive) => await file.tryLockSync(exclusive);
    file.write = async (bytes) => await file.writeSync(bytes);
    file.stat = async () => await file.statSync();
    file.truncate = async (size) => await file.truncateSync(size);
    file.sync = async () => {}; // a killed command's files are there; power cuts are the driver's own tests
    return file;
  }
}
