import { type AppendFile, openAppend } from "../host/append_file.ts";
import { messageOf } from "../host/errors.ts";
import { readTextIfPresent } from "../host/files.ts";
import { cutLog } from "../host/log_file.ts";
import type { MachineFolder } from "../host/paths.ts";
import { ownPid } from "../host/self.ts";
import type { Action, Address } from "../plan/types.ts";
import type { ApplyEvent } from "./events.ts";

/** Above this only the last lines stay. */
const MOST_BYTES = 8 * 2 ** 20;
const KEPT_BYTES = 2 ** 20;

/** A line of a machine's `events.jsonl`. It holds names and times, and no value of the file or of the guest. */
export type JournalEvent =
  | { readonly event: "start" }
  | { readonly event: "end"; readonly exitCode: number }
  | {
    readonly event: "step-start" | "step-failed" | "step-skipped";
    readonly address: Address;
    readonly action: Action;
  }
  | {
    readonly event: "step-done";
    readonly address: Address;
    readonly action: Action;
    readonly ms: number;
  };

/** Who wrote a line, and when. */
export type JournalLine = JournalEvent & {
  readonly at: string;
  readonly pid: number;
  readonly command: string;
};

/** What a command writes down while it works on a machine. */
export interface Journal extends Disposable {
  /** Writes down an event that belongs there, and passes over the others. */
  note(event: ApplyEvent): void;
  /** The command has come to its end, whatever it is; nothing further is written. */
  end(exitCode: number): void;
}

/** The last command that worked on a machine. */
export interface LastRun {
  readonly command: string;
  readonly pid: number;
  readonly startedAt: string;
  /** `undefined`: it was cut off. */
  readonly exitCode: number | undefined;
  /** The step that it was in when it was cut off. */
  readonly step?: { readonly address: Address; readonly since: string };
}

/**
 * Starts writing down what a command does. To be called under the machine's lock, after {@link readLastRun}. A line is
 * in the file before `note()` returns, so that it outlives a kill.
 */
export async function openJournal(folder: MachineFolder, command: string): Promise<Journal> {
  await cutLog(folder.events, MOST_BYTES, KEPT_BYTES);
  const file = openAppend(folder.events);
  let open = true;
  const write = (event: JournalEvent) => {
    if (open) writeLine(file, { at: new Date().toISOString(), pid: ownPid(), command, ...event });
  };
  // A line that a kill cut in half must not take this one along.
  file.append(await endsInside(folder) ? "\n" : "");
  write({ event: "start" });
  return {
    note(event) {
      const entry = entryOf(event);
      if (entry) write(entry);
    },
    end(exitCode) {
      write({ event: "end", exitCode });
      open = false;
    },
    [Symbol.dispose]() {
      open = false;
      file[Symbol.dispose]();
    },
  };
}

/** What the last command on a machine came to; `undefined` when none was written down. */
export async function readLastRun(folder: MachineFolder): Promise<LastRun | undefined> {
  const lines = (await readTextIfPresent(folder.events) ?? "").split("\n");
  let exitCode: number | undefined;
  let latest: JournalLine | undefined;
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = parseLine(lines[index]!);
    if (line === undefined) continue;
    if (line.event === "end") exitCode = line.exitCode;
    if (line.event === "start") {
      const { command, pid, at: startedAt } = line;
      const run = { command, pid, startedAt, exitCode };
      return exitCode === undefined && latest?.event === "step-start"
        ? { ...run, step: { address: latest.address, since: latest.at } }
        : run;
    }
    latest ??= line;
  }
  return undefined;
}

/** What is said of a command that was cut off; `undefined` of one that has come to its end. */
export function cutOffNote({ command, pid, startedAt, exitCode, step }: LastRun): string | undefined {
  if (exitCode !== undefined) return undefined;
  const where = step ? ` in ${step.address}` : "";
  const when = new Date(step?.since ?? startedAt);
  const time = `${String(when.getHours()).padStart(2, "0")}:${String(when.getMinutes()).padStart(2, "0")}`;
  const again = step ? "; it is looked at again" : "; everything is looked at again";
  return `The last command, "${command}" (process ${pid}), was cut off${where} at ${time}${again}`;
}

function writeLine(file: AppendFile, line: JournalLine): void {
  file.append(`${JSON.stringify(line)}\n`);
}

async function endsInside(folder: MachineFolder): Promise<boolean> {
  const text = await readTextIfPresent(folder.events) ?? "";
  return text !== "" && !text.endsWith("\n");
}

/** Errors and remarks stay out: they may quote what a program printed, and with it a secret. */
function entryOf(event: ApplyEvent): JournalEvent | undefined {
  switch (event.kind) {
    case "step-start":
    case "step-failed":
    case "step-skipped":
      return { event: event.kind, address: event.address, action: event.action };
    case "step-done":
      return { event: event.kind, address: event.address, action: event.action, ms: event.ms };
    case "plan":
    case "progress":
    case "together-start":
    case "together-done":
    case "output":
    case "waiting":
    case "note":
      return undefined;
  }
}

/** A line that a kill cut in half, or that somebody else wrote, is passed over. */
function parseLine(text: string): JournalLine | undefined {
  if (text === "") return undefined;
  try {
    const line = JSON.parse(text) as Partial<JournalLine> | null;
    return typeof line?.event === "string" && typeof line.at === "string" ? line as JournalLine : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw new Error(`The journal cannot be understood: ${messageOf(error)}`, { cause: error });
  }
}
