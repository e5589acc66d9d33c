/** Starts a program detached, as a command does, and ends at once; prints the program's process id. */
import { spawnDetached } from "../../lib/host/process.ts";

const [log, ...argv] = Deno.args;
console.log(spawnDetached(argv, { log: log!, cwd: "/" }).pid);
Deno.exit(0);
