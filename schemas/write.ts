import { fileURLToPath } from "node:url";
import { renderMachineSchema } from "../lib/config/json_schema.ts";
import { writeAtomic } from "../lib/host/files.ts";
import { renderPlanSchema } from "../lib/ui/plan_schema.ts";

/** Writes the schema files beside this program; tests compare them with the code. */
const TEXTS = {
  "machine.v1.schema.json": renderMachineSchema(),
  "plan.v1.schema.json": renderPlanSchema(),
};
for (const [name, text] of Object.entries(TEXTS)) {
  const file = fileURLToPath(new URL(name, import.meta.url));
  await writeAtomic(file, text, 0o644);
  console.log(`Wrote ${file}`);
}
