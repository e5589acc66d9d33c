import schema from "../../schemas/machine.v1.schema.json" with { type: "json" };
import { EXIT } from "../host/errors.ts";
import type { SchemaCommand } from "./command.ts";
import type { Context } from "./context.ts";

/** `machine schema`. */
export function runSchema(_command: SchemaCommand, context: Context): number {
  context.out.write(`${JSON.stringify(schema, null, 2)}\n`);
  return EXIT.done;
}
