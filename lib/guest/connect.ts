// @ts-types="@types/ssh2"
import { Client, utils } from "ssh2";
import { Socket } from "node:net";
import { readTextIfPresent } from "../host/files.ts";
import { SshConnection } from "./connection.ts";
import { connectError, SshError } from "./ssh_error.ts";
import type { SshTarget } from "./types.ts";

/** Options of {@link connectSsh}. */
export interface ConnectOptions {
  /** For the whole handshake; 20 s when left out (0.5 s is usual under emulation). */
  readonly timeoutMs?: number;
  /** For the server's first byte; the whole time when left out. */
  readonly bannerMs?: number;
  readonly signal?: AbortSignal;
  /** Path of the host's ssh agent socket, when that may be forwarded. */
  readonly agentSocket?: string;
}

const KEEPALIVE_INTERVAL_MS = 5000;
const KEEPALIVE_TRIES = 3;

/**
 * Connects and authenticates; only the pinned host key is accepted.
 * @throws SshError, told apart by `kind`; the signal's reason when that aborts
 */
export async function connectSsh(target: SshTarget, options: ConnectOptions = {}): Promise<SshConnection> {
  const timeoutMs = options.timeoutMs ?? 20_000;
  options.signal?.throwIfAborted();
  const hostKey = await readHostKey(target.hostKeyFile);
  const privateKey = await readIdentity(target.identityFile);
  const client = new Client();
  const socket = new Socket();
  const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  let hostKeyRefused = false;
  let abort: () => void = () => {};
  let silence: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (options.bannerMs !== undefined) {
        silence = setTimeout(() => {
          if (socket.bytesRead === 0) {
            reject(new Error(`No ssh server answered within ${options.bannerMs} ms`));
          }
        }, options.bannerMs);
      }
      abort = () => reject(options.signal?.reason);
      options.signal?.addEventListener("abort", abort, { once: true });
      if (options.signal?.aborted) return abort(); // while the keys were read
      client.on("ready", resolve);
      client.on("error", reject);
      client.on("close", () => reject(new Error("The connection was closed during the handshake")));
      // Nagle's algorithm and delayed acknowledgements together cost 40 ms per request.
      socket.once("connect", () => socket.setNoDelay(true));
      client.connect({
        sock: socket,
        username: target.user,
        privateKey,
        authHandler: ["publickey"],
        readyTimeout: timeoutMs,
        keepaliveInterval: KEEPALIVE_INTERVAL_MS,
        keepaliveCountMax: KEEPALIVE_TRIES,
        algorithms: { serverHostKey: ["ssh-ed25519"] },
        hostVerifier: (key: Uint8Array) => {
          hostKeyRefused = key.toBase64() !== hostKey;
          return !hostKeyRefused;
        },
        ...(options.agentSocket === undefined ? {} : { agent: options.agentSocket }),
      });
      socket.connect(target.port, target.host);
    });
    return new SshConnection(client, socket);
  } catch (error) {
    const answered = socket.bytesRead > 0;
    socket.destroy();
    await gone;
    if (options.signal?.aborted && error === options.signal.reason) throw error;
    throw connectError(error, { target, timeoutMs, answered, hostKeyRefused });
  } finally {
    clearTimeout(silence);
    options.signal?.removeEventListener("abort", abort);
  }
}

/** The key itself, base64, out of a line `ssh-ed25519 BASE64 COMMENT`. */
async function readHostKey(path: string): Promise<string> {
  const [type, base64] = (await readKeyFile(path)).trim().split(/\s+/);
  if (type !== "ssh-ed25519" || base64 === undefined) {
    throw new SshError("key-file", `The guest's host key ${path} is not an ed25519 public key`, {
      hint: "Restart the machine: machine restart",
    });
  }
  return base64;
}

async function readIdentity(path: string): Promise<string> {
  const text = await readKeyFile(path);
  const key = utils.parseKey(text);
  if (!(key instanceof Error)) return text;
  throw new SshError("key-file", `The key ${path} cannot be used: ${key.message}`, {
    hint: "Remove it: machine apply makes a new one, and gives it to the guest at a restart",
    cause: key,
  });
}

async function readKeyFile(path: string): Promise<string> {
  const text = await readTextIfPresent(path);
  if (text === undefined) {
    throw new SshError("key-file", `The key ${path} is missing`, {
      hint: "machine apply makes new keys and gives them to the guest",
    });
  }
  return text;
}
