// @ts-types="@types/ssh2"
import type { ClientChannel } from "ssh2";
import { constants } from "node:os";
import { SshError } from "./ssh_error.ts";
import { ChunkReader, GuestStream } from "./stream.ts";

/** A program that runs in the guest. */
export class GuestSession extends GuestStream {
  /** Standard error; empty with a terminal, where both are one. */
  readonly stderr: ChunkReader;
  /** How the program ended; 128 + n when signal n ended it. Fails when the connection went first. */
  readonly exitCode: Promise<number>;
  #failExit: (error: Error) => void = () => {};

  constructor(channel: ClientChannel) {
    super(channel);
    this.stderr = new ChunkReader(channel.stderr);
    this.exitCode = new Promise((resolve, reject) => {
      this.#failExit = reject;
      channel.on("exit", (code: number | null, signal?: string) => {
        resolve(code ?? 128 + signalNumber(signal));
      });
      channel.on("close", () => {
        reject(new SshError("lost", "The program in the guest ended without telling its exit code"));
      });
    });
    this.exitCode.catch(() => {}); // whoever awaits it gets the error; nobody has to
  }

  /** Sends a signal to the program, e.g. "INT" (RFC 4254, 6.9). */
  signal(name: string): void {
    this.channel.signal(name);
  }

  /** Tells the program's terminal its new size. */
  resize(rows: number, columns: number): void {
    this.channel.setWindow(rows, columns, 0, 0);
  }

  override fail(error: Error): void {
    super.fail(error);
    this.stderr.fail(error);
    this.#failExit(error);
  }
}

/** The number of a signal by its name, "SIGTERM" or "TERM"; 0 for one that this system does not know. */
export function signalNumber(name: string | undefined): number {
  const wanted = name?.startsWith("SIG") ? name : `SIG${name}`;
  for (const [known, number] of Object.entries(constants.signals)) if (known === wanted) return number;
  return 0;
}
