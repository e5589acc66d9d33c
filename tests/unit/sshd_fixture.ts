import { basename, join } from "node:path";
import { makeKeyPair } from "../../lib/guest/keys.ts";
import type { SshTarget } from "../../lib/guest/types.ts";
import { probeSsh } from "../../lib/guest/ssh.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { processArguments } from "../../lib/host/process.ts";

const SSHD = "/usr/sbin/sshd";

/** A real OpenSSH server on loopback, run by the current user in a folder of its own. */
export interface Sshd extends AsyncDisposable {
  readonly folder: string;
  readonly target: SshTarget;
  /** Its processes that run a program of this name, for example one of its sessions. */
  processes(program: string): number[];
  /** Ends the server with all its connections, as a guest does that loses power. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with the same keys. */
  start(): Promise<void>;
}

/** A test that needs sshd: it is skipped, and its name says why, where there is none. */
export function sshdTest(name: string, test: (sshd: Sshd) => Promise<void>): void {
  const missing = !isFile(SSHD);
  Deno.test({
    name: missing ? `${name} (skipped: ${SSHD} is not installed, apt-get install openssh-server)` : name,
    ignore: missing,
    fn: async () => {
      await using sshd = await startSshd();
      await test(sshd);
    },
  });
}

/** The same for a test that needs terminals, which only root's sshd can hand out. */
export function sshdTerminalTest(name: string, test: (sshd: Sshd) => Promise<void>): void {
  if (Deno.uid() === 0) return sshdTest(name, test);
  Deno.test({ name: `${name} (skipped: only root's sshd makes terminals)`, ignore: true, fn: () => {} });
}

/** A port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Takes one connection, reads it to its end, and only then answers and closes; gives what it read. */
export async function answerAfterEnd(listener: Deno.Listener, answer: string): Promise<string> {
  return await answerOneAfterEnd(await listener.accept(), answer);
}

/** The same for a connection that was taken already. */
export async function answerOneAfterEnd(accepted: Deno.Conn, answer: string): Promise<string> {
  using connection = accepted;
  const received: Uint8Array[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    received.push(buffer.slice(0, n));
  }
  const bytes = new TextEncoder().encode(answer);
  for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
  return await new Blob(received as Uint8Array<ArrayBuffer>[]).text();
}

async function startSshd(): Promise<Sshd> {
  const folder = await Deno.makeTempDir({ prefix: "sshd-" });
  const at = (name: string) => join(folder, name);
  const own = makeKeyPair("test");
  const host = makeKeyPair("test host");
  const port = freePort();
  await Promise.all([
    Deno.writeTextFile(at("id"), own.privateKey, { mode: 0o600 }),
    Deno.writeTextFile(at("authorized"), own.publicKey, { mode: 0o600 }),
    Deno.writeTextFile(at("host"), host.privateKey, { mode: 0o600 }),
    Deno.writeTextFile(at("host.pub"), host.publicKey),
    Deno.writeTextFile(at("config"), configuration(folder, port)),
  ]);
  if (Deno.uid() === 0) await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  let child: Deno.ChildProcess | undefined;
  const sshd: Sshd = {
    folder,
    target: {
      host: "127.0.0.1",
      port,
      user: await userName(),
      identityFile: at("id"),
      hostKeyFile: at("host.pub"),
    },
    async start() {
      const log = at("sshd.log");
      child = new Deno.Command(SSHD, { args: ["-D", "-f", at("config"), "-E", log], stdin: "null" }).spawn();
      const ready = await waitFor(
        async () => await probeSsh("127.0.0.1", port, 2000) || undefined,
        { timeoutMs: 20_000 },
      );
      if (!ready) throw new Error(`sshd does not answer: ${await Deno.readTextFile(log)}`);
    },
    processes(program) {
      if (child === undefined) return [];
      return descendants(child.pid).filter((pid) => basename(processArguments(pid)?.[0] ?? "") === program);
    },
    async kill() {
      if (child === undefined) return;
      for (const pid of [...descendants(child.pid), child.pid]) killIfThere(pid);
      await child.status;
      child = undefined;
    },
    async [Symbol.asyncDispose]() {
      await sshd.kill();
      await Deno.remove(folder, { recursive: true });
    },
  };
  try {
    await sshd.start();
  } catch (error) {
    await sshd[Symbol.asyncDispose]();
    throw error;
  }
  return sshd;
}

function configuration(folder: string, port: number): string {
  return [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin yes",
    "MaxSessions 64",
    "Subsystem sftp /usr/lib/openssh/sftp-server",
    "",
  ].join("\n");
}

/** The processes that a process has started, zombies too. */
export function childrenOf(parent: number): number[] {
  const children: number[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${entry.name}/stat`);
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent) {
        children.push(Number(entry.name));
      }
    } catch {
      continue; // ended meanwhile
    }
  }
  return children;
}

function descendants(root: number): number[] {
  const children = childrenOf(root);
  return [...children, ...children.flatMap(descendants)];
}

function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function userName(): Promise<string> {
  const { stdout } = await new Deno.Command("id", { args: ["-un"] }).output();
  return new TextDecoder().decode(stdout).trim();
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
