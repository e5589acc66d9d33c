import { fileURLToPath } from "node:url";
import { renderMachineSchema } from "../lib/config/json_schema.ts";
import { writeAtomic } from "../lib/host/files.ts";

/** Writes the schema file beside this program; a test compares the two. */
const file = fileURLToPath(new URL("machine.v1.schema.json", import.meta.url));
await writeAtomic(file, renderMachineSchema(), 0o644);
console.log(`Wrote ${file}`);
