/** Runs `runInteractive()` as the command does: `interactive_program.ts JSON`, with {target, options}. */
import { runInteractive } from "../../lib/guest/terminal.ts";

const { target, options } = JSON.parse(Deno.args[0] ?? "");
try {
  Deno.exit(await runInteractive(target, options));
} catch (error) {
  console.error(`${error}`);
  Deno.exit(99);
}
