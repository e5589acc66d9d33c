import { openJournal } from "../../lib/apply/journal.ts";
import { machineFolder } from "../../lib/host/paths.ts";

/** Begins a step of the machine "dev" and is killed in it. */
const journal = await openJournal(machineFolder("dev"), "machine apply");
journal.note({ kind: "step-start", address: "engine:docker", action: "update", text: "" });
Deno.kill(Deno.pid, "SIGKILL");
