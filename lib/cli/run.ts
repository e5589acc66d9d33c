import type { Command } from "./command.ts";
import type { Context } from "./context.ts";

/** Runs a command and gives its exit code. The work of each is loaded only when it runs: help stays fast. */
export async function runCommand(command: Command, context: Context): Promise<number> {
  switch (command.kind) {
    case "apply":
      return await (await import("./apply.ts")).runApply(command, context);
    case "diff":
      return await (await import("./diff.ts")).runDiff(command, context);
    case "history":
      return await (await import("./history.ts")).runHistory(command, context);
    case "rollback":
      return await (await import("./rollback.ts")).runRollback(command, context);
    case "confirm":
      return await (await import("./confirm.ts")).runConfirm(command, context);
    case "delete":
      return await (await import("./delete.ts")).runDelete(command, context);
    case "start":
      return await (await import("./start.ts")).runStart(command, context);
    case "stop":
      return await (await import("./stop.ts")).runStop(command, context);
    case "restart":
      return await (await import("./restart.ts")).runRestart(command, context);
    case "status":
      return await (await import("./status.ts")).runStatus(command, context);
    case "shell":
      return await (await import("./shell.ts")).runShell(command, context);
    case "exec":
      return await (await import("./exec.ts")).runExec(command, context);
    case "nerdctl":
      return await (await import("./nerdctl.ts")).runNerdctl(command, context);
    case "ctr":
      return await (await import("./ctr.ts")).runCtr(command, context);
    case "artifacts":
      return await (await import("./artifacts.ts")).runArtifacts(command, context);
    case "env":
      return await (await import("./env.ts")).runEnv(command, context);
    case "validate":
      return await (await import("./validate.ts")).runValidate(command, context);
    case "schema":
      return (await import("./schema.ts")).runSchema(command, context);
    case "doctor":
      return await (await import("./doctor.ts")).runDoctor(command, context);
    case "version":
      return (await import("./version.ts")).runVersion(command, context);
    case "agent":
      return await (await import("./agent.ts")).runAgentCommand(command, context);
  }
}
