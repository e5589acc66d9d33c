import { fileURLToPath } from "node:url";
import { renderFieldReference } from "../lib/config/field_reference.ts";
import { writeAtomic } from "../lib/host/files.ts";

/** Writes the reference of the machine file's keys beside this program; a test compares the two. */
const file = fileURLToPath(new URL("fields.md", import.meta.url));
await writeAtomic(file, renderFieldReference(), 0o644);
console.log(`Wrote ${file}`);
