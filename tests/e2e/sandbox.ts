import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentStatus } from "../../lib/agent/api.ts";
import { agentGuest, agentStatus } from "../../lib/agent/client.ts";
import { lookAtVm } from "../../lib/drivers/qemu/look.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { statIfPresent } from "../../lib/host/files.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import { findProcesses, isRunning, signalProcess } from "../../lib/host/process.ts";
import { type CommandOptions, type Ended, run, type Running, start } from "./command.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** What a machine file may hold; JSON is YAML. */
export type MachineFile = Readonly<Record<string, unknown>>;

/** What machines of tests take of this computer's proxies and authorities: nothing, so that they are the same on every one. */
export const NOTHING_INHERITED = { proxy: { inherit: false }, caCerts: { host: false } } as const;

/** How a sandbox differs from the usual one. */
export interface SandboxOptions {
  /** The words that run the program; from source when left out. */
  readonly program?: readonly string[];
  /** Put before every command, e.g. to run it as another user. */
  readonly prefix?: readonly string[];
  /** The cache with the images; the one shared by all tests when left out. */
  readonly cache?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Folders that go with it, and whose programs end with it. */
  readonly alsoRemove?: readonly string[];
}

/**
 * A computer of its own for one scenario: homes, caches and client settings in one short folder. Disposing ends every
 * process that names the folder, by its id, and removes it.
 */
export class Sandbox implements AsyncDisposable {
  readonly root: string;
  /** The folder that commands are called in, and that machines mount. */
  readonly work: string;
  readonly home: string;
  readonly machineHome: string;
  readonly dockerConfig: string;
  readonly cache: string;
  readonly file: string;
  readonly #options: SandboxOptions;

  private constructor(root: string, options: SandboxOptions) {
    const at = (name: string) => join(root, name);
    this.root = root;
    [this.work, this.home, this.machineHome, this.dockerConfig] = [at("w"), at("h"), at("m"), at("d")];
    this.file = join(this.work, "machine.yaml");
    this.cache = options.cache ?? sharedCache();
    this.#options = options;
  }

  /** Makes one. The folder's path is short, because the names of sockets are limited. */
  static async make(options: SandboxOptions = {}): Promise<Sandbox> {
    const sandbox = new Sandbox(await Deno.makeTempDir({ dir: "/tmp", prefix: "mt-" }), options);
    for (const folder of [sandbox.work, sandbox.home, sandbox.cache]) {
      await Deno.mkdir(folder, { recursive: true });
    }
    return sandbox;
  }

  /** The environment of every command of this sandbox. */
  get env(): Readonly<Record<string, string>> {
    return {
      HOME: this.home,
      MACHINE_HOME: this.machineHome,
      XDG_CACHE_HOME: this.cache,
      DOCKER_CONFIG: this.dockerConfig,
      KUBECONFIG: join(this.home, "kubeconfig"),
      // Deno keeps packages under XDG_CACHE_HOME unless it is told otherwise.
      DENO_DIR: denoDir(),
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      DOCKER_CONTEXT: "",
      DOCKER_HOST: "",
      ...this.#options.env,
    };
  }

  /** The words that run a machine command. */
  get program(): readonly string[] {
    return this.#options.program ?? [Deno.execPath(), "run", "-A", "--no-check", MAIN];
  }

  /** Writes the machine file: a document for each machine, which inherits nothing unless it says so. */
  async write(...machines: readonly MachineFile[]): Promise<void> {
    const whole = machines.map((machine) => ({ network: NOTHING_INHERITED, ...machine }));
    const documents = whole.map((machine) => `${JSON.stringify(machine, undefined, 2)}\n`);
    await Deno.writeTextFile(this.file, documents.join("---\n"));
  }

  /** Runs a machine command to its end. */
  async machine(words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    return await this.start(words, options).ended;
  }

  /** Runs a machine command that has to end with a certain code; gives what it wrote. */
  async expect(code: number, words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    const ended = await this.machine(words, options);
    assert.equal(ended.code, code, `machine ${words.join(" ")}\n${ended.out}${ended.err}`);
    return ended;
  }

  /** Starts a machine command. */
  start(words: readonly string[], options: CommandOptions = {}): Running {
    return start([...this.#options.prefix ?? [], ...this.program, ...words], this.#with(options));
  }

  /** Runs another program, as the sandbox's user. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    return await run([...this.#options.prefix ?? [], ...argv], this.#with(options));
  }

  /** Runs the host's docker client, which has to succeed; gives what it printed, without the line's end. */
  async docker(words: readonly string[], options: CommandOptions = {}): Promise<string> {
    const ended = await this.run(["docker", ...words], options);
    assert.equal(ended.code, 0, `docker ${words.join(" ")}\n${ended.out}${ended.err}`);
    return ended.out.trimEnd();
  }

  /** The files of a machine. */
  folder(name: string): MachineFolder {
    return machineFolder(name, this.machineHome);
  }

  /** Runs a script in a guest as root, over the agent's connection; gives what it printed. */
  async inGuest(name: string, script: string, timeoutMs = 60_000): Promise<string> {
    const result = await agentGuest(this.folder(name).agentSocket).run(script, { timeoutMs });
    assert.equal(result.code, 0, `${script}\n${result.stdout}${result.stderr}`);
    return result.stdout.trimEnd();
  }

  /** The id of a guest's boot: another one after each restart. */
  async bootId(name: string): Promise<string> {
    return await this.inGuest(name, "cat /proc/sys/kernel/random/boot_id");
  }

  /** The agent's state; it has to run. */
  async agent(name: string): Promise<AgentStatus> {
    const status = await agentStatus(this.folder(name).agentSocket);
    assert.ok(status, `the agent of ${name} does not run`);
    return status;
  }

  /** The process id of a machine's QEMU; it has to run. */
  async qemu(name: string): Promise<number> {
    const vm = await lookAtVm(this.folder(name));
    assert.equal(vm.state, "running");
    return vm.pid;
  }

  /** Every process that names this sandbox's folder, or another one, in its arguments. */
  processes(folder = this.root): number[] {
    return findProcesses((argv) => argv.some((word) => word.includes(`${folder}/`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const folders = [this.root, ...this.#options.alsoRemove ?? []];
    const remaining = () => folders.flatMap((folder) => this.processes(folder));
    for (let left = remaining(); left.length > 0; left = remaining()) {
      for (const pid of left) signalProcess(pid, "SIGKILL");
      await waitFor(async () => left.some((pid) => isRunning(pid)) ? undefined : await true, {
        timeoutMs: 10_000,
      });
    }
    for (const folder of folders) await Deno.remove(folder, { recursive: true });
  }

  #with(options: CommandOptions): CommandOptions {
    return { cwd: this.work, ...options, env: { ...this.env, ...options.env } };
  }
}

/** Where images are kept between runs: MACHINE_TEST_CACHE, or a folder beside the user's other caches. */
export function sharedCache(): string {
  return Deno.env.get("MACHINE_TEST_CACHE") ??
    join(Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`, "machine-tests");
}

/** Where Deno keeps the packages of the program. */
export function denoDir(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return Deno.env.get("DENO_DIR") || join(cache, "deno");
}

/** Kills a process at once and waits until it is gone. */
export async function killNow(pid: number): Promise<void> {
  signalProcess(pid, "SIGKILL");
  assert.ok(await waitFor(async () => isRunning(pid) ? undefined : await true, { timeoutMs: 10_000 }));
}

/** True when something is at a path, a dangling link too. */
export async function isThere(path: string): Promise<boolean> {
  return await statIfPresent(path) !== undefined;
}
