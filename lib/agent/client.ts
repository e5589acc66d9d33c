import { dirname } from "node:path";
import { sleep, waitFor } from "../host/clock.ts";
import { EXIT, messageOf, UserError } from "../host/errors.ts";
import { holderOf } from "../host/lock.ts";
import { machineFolderAt } from "../host/paths.ts";
import { signalProcess } from "../host/process.ts";
import { isHangUp, unixHttp, type UnixRequest, type UnixResponse } from "../host/unix_http.ts";
import { isNobodyThere } from "../host/unix_socket.ts";
import type { ExecOptions, ExecResult, Guest } from "../guest/types.ts";
import type { AgentStatus, ExecRequest, LookAnswer, LookRequest } from "./api.ts";

/** The agent's HTTP answer when it has no connection to the guest (RFC 9110, 15.6.4). */
const GUEST_AWAY = 503;

/** An agent that is there but cannot do what it was asked for; `status` is its HTTP answer, 503 for "guest away". */
export class AgentError extends UserError {
  readonly status: number | undefined;

  constructor(message: string, options: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, {
      hint: "machine apply repairs the agent; its log is agent.log in the machine's folder",
      guestLost: options.status === GUEST_AWAY,
      ...options,
    });
    this.name = "AgentError";
    this.status = options.status;
  }
}

const STATUS_MS = 1000;
/** How often an agent that hangs up is asked again, and after what time. */
const HANG_UPS = 10;
const HANG_UP_PAUSE_MS = 20;
const RELOAD_MS = 10_000;
const DEFAULT_EXEC_MS = 60_000;
/** What an answer may take longer than the work in the guest. */
const MARGIN_MS = 2000;
const STOP_MS = 5000;

/**
 * What a machine's agent does now.
 * @returns `undefined` when no agent runs
 * @throws AgentError when one is there and does not answer within a second: then its state is unknown
 */
export async function agentStatus(socketPath: string): Promise<AgentStatus | undefined> {
  const request = { method: "GET", path: "/v1/status", timeoutMs: STATUS_MS } as const;
  for (let left = HANG_UPS;; left--) {
    try {
      return await ask<AgentStatus>(socketPath, request);
    } catch (error) {
      if (isNobodyThere(error)) return undefined;
      if (left === 0 || !(error instanceof AgentError) || !isHangUp(error.cause)) throw error;
      await sleep(HANG_UP_PAUSE_MS); // it ends just now
    }
  }
}

/**
 * Runs the observation script and compares the mounts, in one request.
 * @throws AgentError with the status 503 when the guest is away
 */
export async function agentLook(
  socketPath: string,
  request: LookRequest,
  signal?: AbortSignal,
): Promise<LookAnswer> {
  return await required(socketPath, {
    method: "POST",
    path: "/v1/look",
    body: request,
    timeoutMs: request.timeoutMs + MARGIN_MS,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The guest as root, over the agent's open connection. */
export function agentGuest(socketPath: string): Guest {
  return {
    async run(script: string, options: ExecOptions = {}): Promise<ExecResult> {
      const timeoutMs = options.timeoutMs ?? DEFAULT_EXEC_MS;
      const { stdin, stdinFile, signal } = options;
      const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
      const body: ExecRequest = {
        script,
        timeoutMs,
        ...(bytes === undefined ? {} : { stdin: bytes.toBase64() }),
        ...(stdinFile === undefined ? {} : { stdinFile }),
      };
      return await required(socketPath, {
        method: "POST",
        path: "/v1/exec",
        body,
        timeoutMs: timeoutMs + MARGIN_MS,
        ...(signal === undefined ? {} : { signal }),
      });
    },
    async [Symbol.asyncDispose]() {}, // the connection is the agent's
  };
}

/** Makes the agent read `agent.json` again; gives its state afterwards. */
export async function reloadAgent(socketPath: string): Promise<AgentStatus> {
  return await required(socketPath, { method: "POST", path: "/v1/config", timeoutMs: RELOAD_MS });
}

/**
 * Ends a machine's agent and waits until it is gone, whatever state it is in; nothing happens when none runs.
 * Whether it runs is told by its lock, which the kernel releases with the process.
 * @throws UserError when it survives even SIGKILL
 */
export async function stopAgent(socketPath: string): Promise<void> {
  const { agentLock } = machineFolderAt(dirname(socketPath));
  const gone = (timeoutMs: number) =>
    waitFor(async () => await holderOf(agentLock) === undefined || undefined, {
      timeoutMs,
      firstDelayMs: 20,
    });
  if (await holderOf(agentLock) === undefined) return;
  try {
    await ask(socketPath, { method: "POST", path: "/v1/stop", timeoutMs: STATUS_MS });
    if (await gone(STOP_MS)) return;
  } catch (error) {
    // It hangs, or was ending just now: its process is told by signals.
    if (!(error instanceof AgentError) && !isNobodyThere(error)) throw error;
  }
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const holder = await holderOf(agentLock);
    if (holder === undefined) return;
    if (holder.pid > 0) signalProcess(holder.pid, signal);
    if (await gone(STOP_MS)) return;
  }
  throw new UserError(`The agent of ${dirname(socketPath)} cannot be ended`, { exitCode: EXIT.failed });
}

async function required<T>(socketPath: string, request: UnixRequest): Promise<T> {
  try {
    return await ask<T>(socketPath, request);
  } catch (error) {
    if (isNobodyThere(error)) throw new AgentError("The machine's agent does not run", { cause: error });
    throw error;
  }
}

/** @throws AgentError for every failure but "nobody there" and an aborted signal, which come as they are */
async function ask<T>(socketPath: string, request: UnixRequest): Promise<T> {
  let response: UnixResponse;
  try {
    response = await unixHttp(socketPath, request);
  } catch (error) {
    if (isNobodyThere(error) || (request.signal?.aborted && error === request.signal.reason)) throw error;
    throw new AgentError(`The machine's agent did not answer: ${messageOf(error)}`, { cause: error });
  }
  const value: unknown = JSON.parse(response.body);
  if (response.status === 200) return value as T;
  const reason = typeof value === "object" && value !== null && "error" in value
    ? value.error
    : response.body;
  throw new AgentError(`${reason}`, { status: response.status });
}
