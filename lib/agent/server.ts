import { dirname } from "node:path";
import { exitProcess } from "../host/environment.ts";
import { EXIT, messageOf, UserError } from "../host/errors.ts";
import { exists } from "../host/files.ts";
import { holderOf, type Lock, lock } from "../host/lock.ts";
import { type MachineFolder, machineFolderAt } from "../host/paths.ts";
import { makeFilesPrivate, ownPid } from "../host/self.ts";
import { onSignals } from "../host/signals.ts";
import { bindUnix } from "../host/unix_listener.ts";
import { buildId, VERSION } from "../host/version.ts";
import { Agent } from "./agent.ts";
import { type Log, openLog } from "./log.ts";
import { answer } from "./routes.ts";
import { watchTrial } from "./trial_watch.ts";

/** How long an agent that has met a bug may take to end in order. */
const LAST_WORDS_MS = 2000;
/** Whoever asks for the holder of a lock has it for an instant (shared), which must not end an agent. */
const LOCK_MS = 100;

/**
 * The background process of one machine: runs until it is told to stop, by a signal or over its socket.
 * @param configPath the machine's `agent.json`; the socket, the lock and the log stand beside it
 * @returns the exit code
 * @throws UserError when another agent runs for this machine, or `agent.json` cannot be used
 */
export async function runAgent(configPath: string): Promise<number> {
  makeFilesPrivate();
  const folder = machineFolderAt(dirname(configPath));
  const log = await openLog(folder.agentLog);
  const ending = new Ending(log);
  using _lock = await lockAgent(folder);
  using _signals = onSignals(["SIGTERM", "SIGINT", "SIGHUP"], (signal) => ending.end(0, `Got ${signal}`));
  using _bugs = onBugs((error) => ending.fail(error));
  const agent = await Agent.start({
    configPath,
    version: VERSION,
    build: await buildId(),
    log,
    onGuestAway: () => void endIfOrphaned(configPath, ending),
  });
  using _trial = watchTrial(folder, log);
  try {
    const socket = await serve(folder.agentSocket, (request) => {
      return answer(request, agent, () => ending.end(0, "Was told to stop"));
    });
    log(`Agent ${ownPid()} of the machine "${folder.name}" is ready`);
    const code = await ending.code;
    await agent.close(); // requests that wait for the guest are answered by that
    await socket.close();
    log("Stopped");
    return code;
  } catch (error) {
    await agent.close();
    throw error;
  }
}

/** Why and with which exit code the agent ends; the first reason counts. */
class Ending {
  readonly code: Promise<number>;
  readonly #log: Log;
  #resolve: (code: number) => void = () => {};

  constructor(log: Log) {
    this.#log = log;
    this.code = new Promise((resolve) => this.#resolve = resolve);
  }

  end(code: number, reason: string): void {
    this.#log(`${reason}: stops`);
    this.#resolve(code);
  }

  /** A bug: ends rather than lingering half dead, and in any case soon. The next command starts a new agent. */
  fail(error: unknown): void {
    setTimeout(() => exitProcess(EXIT.failed), LAST_WORDS_MS);
    this.end(EXIT.failed, `Met a bug: ${error instanceof Error ? error.stack ?? error.message : error}`);
  }
}

/** An agent whose machine was deleted by hand serves nobody. */
async function endIfOrphaned(configPath: string, ending: Ending): Promise<void> {
  if (!await exists(configPath)) ending.end(0, `${configPath} is gone`);
}

async function lockAgent(folder: MachineFolder): Promise<Lock> {
  try {
    return await lock(folder.agentLock, { command: "machine agent run", timeoutMs: LOCK_MS });
  } catch (error) {
    const holder = await holderOf(folder.agentLock);
    if (!(error instanceof UserError) || holder === undefined) throw error;
    throw new UserError(
      `Another agent runs for the machine "${folder.name}": process ${holder.pid}, since ${holder.since}`,
      { exitCode: EXIT.locked, cause: error },
    );
  }
}

/** Answers HTTP on a Unix socket that only its owner may use, until it is closed. */
async function serve(
  path: string,
  handle: (request: Request) => Promise<Response>,
): Promise<{ close(): Promise<void> }> {
  try {
    const { result: server, socket } = await bindUnix(
      path,
      (temporary) => Deno.serve({ path: temporary, onListen: () => {} }, handle),
    );
    return {
      async close() {
        await socket.remove();
        await server.shutdown();
      },
    };
  } catch (error) {
    throw new UserError(`The agent cannot listen on ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Calls back at errors that nothing catches, instead of dying without a word in the log. */
function onBugs(take: (error: unknown) => void): Disposable {
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    take(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    take(event.error);
  };
  addEventListener("unhandledrejection", onRejection);
  addEventListener("error", onError);
  return {
    [Symbol.dispose]() {
      removeEventListener("unhandledrejection", onRejection);
      removeEventListener("error", onError);
    },
  };
}
