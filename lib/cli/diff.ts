import { diffMachine } from "../apply/diff.ts";
import { EXIT } from "../host/errors.ts";
import { isConverged } from "../plan/effects.ts";
import { planJson } from "../ui/plan_json.ts";
import { planText } from "../ui/plan_text.ts";
import type { DiffCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { fileName, loadTarget, positionPrinter } from "./target.ts";

/** `machine diff`: exit code 0 when there is no difference and everything could be looked at, else 2. */
export async function runDiff(command: DiffCommand, context: Context): Promise<number> {
  const loaded = await loadTarget(command, context);
  if (!command.quiet) context.err.write(`Reading ${fileName(loaded.origin, context)}\n`);
  const abort = new AbortController();
  const release = context.onInterrupt(() => abort.abort(new DOMException("Interrupted", "AbortError")));
  try {
    const { plan, notes } = await diffMachine(loaded, abort.signal);
    for (const note of notes) context.err.write(`${note}\n`);
    context.out.write(
      command.output === "json" ? `${JSON.stringify(planJson(plan, command), null, 2)}\n` : planText(plan, {
        style: styleOf(context.out, command, context),
        verbose: command.verbose,
        positionOf: positionPrinter(loaded, context),
      }),
    );
    return isConverged(plan) ? EXIT.done : EXIT.differences;
  } finally {
    release();
  }
}
