/** Takes the lock given as first argument, says so, and keeps it until its input ends. */
import { lock } from "../../lib/host/lock.ts";

using _held = await lock(Deno.args[0]!, { command: "machine apply", timeoutMs: 10_000 });
console.log("held");
await Deno.stdin.read(new Uint8Array(1));
