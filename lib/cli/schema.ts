import machineSchema from "../../schemas/machine.v1.schema.json" with { type: "json" };
import planSchema from "../../schemas/plan.v1.schema.json" with { type: "json" };
import { EXIT } from "../host/errors.ts";
import { dataText } from "../ui/data_text.ts";
import type { SchemaCommand } from "./command.ts";
import type { Context } from "./context.ts";

/** `machine schema`. */
export function runSchema(command: SchemaCommand, context: Context): number {
  const schema = command.of === "plan" ? planSchema : machineSchema;
  context.out.write(dataText(schema, command.output === "yaml" ? "yaml" : "json"));
  return EXIT.done;
}
