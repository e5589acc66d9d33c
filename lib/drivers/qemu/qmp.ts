import { connectUnix, type UnixConnection } from "../../host/unix_socket.ts";
import { withDeadline } from "../../host/clock.ts";

/** QEMU's answer to a command that it refused. */
export class QmpError extends Error {
  constructor(readonly command: string, readonly className: string, description: string) {
    super(`QEMU refused ${command}: ${description}`);
    this.name = "QmpError";
  }
}

/** An open QMP session (QEMU docs, interop/qmp-spec). */
export interface Qmp extends Disposable {
  execute<T = unknown>(command: string, args?: Record<string, unknown>): Promise<T>;
  /** A command of the human monitor; its text is the answer, errors included. */
  human(commandLine: string): Promise<string>;
  /**
   * Waits for an event of this name whose data fits, or takes one that came since the session began.
   * @throws DOMException TimeoutError when it does not come in time
   */
  waitForEvent(name: string, fits: (data: EventData) => boolean, timeoutMs: number): Promise<void>;
}

type EventData = Readonly<Record<string, unknown>>;

const GREETING_MS = 1000;
const ANSWER_MS = 5000;

/**
 * Connects and negotiates. QEMU serves one client per socket and lets a second one wait without a word,
 * so a missing greeting means "busy", never "not there".
 * @throws Deno.errors.NotFound or ConnectionRefused when nothing listens; DOMException TimeoutError without a greeting
 */
export async function connectQmp(path: string): Promise<Qmp> {
  const connection = await connectUnix(path);
  const lines = readMessages(connection);
  const events: Message[] = [];
  const next = async (what: string, timeoutMs: number): Promise<Message> => {
    const { done, value } = await withDeadline(lines.next(), timeoutMs, what);
    if (done) throw new Error(`QEMU closed its monitor during ${what}`);
    return value;
  };
  const receive = async (what: string, timeoutMs: number): Promise<Message> => {
    while (true) {
      const message = await next(what, timeoutMs);
      if (message.event === undefined) return message;
      events.push(message);
    }
  };
  const execute = async <T>(command: string, args?: Record<string, unknown>): Promise<T> => {
    await connection.write(JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) }) + "\n");
    const answer = await receive(command, ANSWER_MS);
    if (answer.error) throw new QmpError(command, answer.error.class, answer.error.desc);
    return answer.return as T;
  };
  const waitForEvent: Qmp["waitForEvent"] = async (name, fits, timeoutMs) => {
    const isIt = (message: Message) => message.event === name && fits(message.data ?? {});
    const deadline = performance.now() + timeoutMs;
    // Nothing but events arrives while no command is under way.
    while (!events.some(isIt)) {
      events.push(await next(name, Math.max(0, deadline - performance.now())));
    }
    events.splice(0, events.findIndex(isIt) + 1);
  };
  try {
    await receive("the greeting", GREETING_MS);
    await execute("qmp_capabilities");
  } catch (error) {
    connection.close();
    throw error;
  }
  return {
    execute,
    waitForEvent,
    human: (commandLine) => execute<string>("human-monitor-command", { "command-line": commandLine }),
    [Symbol.dispose]: () => connection.close(),
  };
}

interface Message {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: EventData;
}

async function* readMessages(connection: UnixConnection): AsyncGenerator<Message> {
  let buffer = "";
  for await (const chunk of connection.chunks()) {
    buffer += chunk;
    const parts = buffer.split("\n");
    buffer = parts.pop() ?? "";
    for (const part of parts) if (part.trim() !== "") yield JSON.parse(part) as Message;
  }
}
