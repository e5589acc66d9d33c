import type { Machine } from "../config/types.ts";
import type { Plan } from "../plan/types.ts";
import { dataText } from "../ui/data_text.ts";
import { plansJson } from "../ui/plan_json.ts";
import { planText } from "../ui/plan_text.ts";
import type { DiffCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { writeHeader } from "./several.ts";

/** A machine whose plan was made. */
export interface ComparedMachine {
  readonly machine: Machine;
  readonly plan: Plan;
  readonly positionOf: (path: string) => string | undefined;
}

/** How {@link writePlans} writes. */
export interface PlansOptions {
  readonly command: DiffCommand;
  readonly context: Context;
  /** Whether the plans are of a file with several machines. */
  readonly isSeveral: boolean;
}

/** Writes plans in the form that was asked for. */
export async function writePlans(
  compared: readonly ComparedMachine[],
  { command, context, isSeveral }: PlansOptions,
): Promise<void> {
  const { output, verbose } = command;
  if (command.asYaml) {
    const { validYaml } = await import("./as_yaml.ts");
    const texts = await Promise.all(compared.map(({ machine, plan }) => validYaml(plan, machine)));
    context.out.write(texts.join("---\n"));
    return;
  }
  if (output !== "text") {
    context.out.write(dataText(plansJson(compared.map(({ plan }) => plan), { verbose, isSeveral }), output));
    return;
  }
  const style = styleOf(context.out, command, context);
  for (const { plan, positionOf } of compared) {
    if (isSeveral) writeHeader(plan.machine, { command, context });
    const prefix = isSeveral ? `${plan.machine}/` : "";
    context.out.write(planText(plan, { style, verbose, positionOf, prefix }));
  }
}
