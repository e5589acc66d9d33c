import { UserError } from "../host/errors.ts";
import { arriveScript } from "./arrival_script.ts";
import { opsScript } from "./op_script.ts";
import type { ArrivingFile, GuestOp, OpsResult } from "./ops.ts";
import { type GuestFacts, type GuestQuery, parseAnswer, queryScript } from "./query.ts";
import type { ExecOptions, Guest } from "./types.ts";

/** How long operations may take, and what gives them up. */
export type PerformOptions = Pick<ExecOptions, "timeoutMs" | "signal">;

/** The guest as resources see it: it can be looked at, and things can be done in it. */
export interface GuestControl {
  /** Looks in one round trip. @throws UserError when the guest cannot be asked */
  look(query: GuestQuery, options?: PerformOptions): Promise<GuestFacts>;
  /** Does operations in order, in one round trip; ends at the first that fails. */
  perform(ops: readonly GuestOp[], options?: PerformOptions): Promise<OpsResult>;
  /**
   * Copies a file of the host to where new files arrive, its bytes streamed as they are; there once it is whole. The
   * operation `move-in` takes it from there.
   */
  copyIn(file: ArrivingFile, options?: PerformOptions): Promise<OpsResult>;
}

/** Controls a real guest by scripts. */
export function controlOver(guest: Pick<Guest, "run">): GuestControl {
  return {
    async look(query, options = {}) {
      const result = await guest.run(queryScript(query), options);
      if (result.code !== 0) {
        throw new UserError("The look failed in the guest", { output: result.stderr.trim() });
      }
      return parseAnswer(result.stdout);
    },
    async perform(ops, options = {}) {
      const { code, stdout, stderr } = await guest.run(opsScript(ops), options);
      return { ok: code === 0, code, output: `${stdout}${stderr}`.trim() };
    },
    async copyIn(file, options = {}) {
      const { code, stdout, stderr } = await guest.run(arriveScript(file), {
        ...options,
        stdinFile: file.source,
      });
      return { ok: code === 0, code, output: `${stdout}${stderr}`.trim() };
    },
  };
}
