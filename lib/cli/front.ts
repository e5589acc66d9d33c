import type { Parsed } from "./command.ts";
import { programHelp } from "./help.ts";

/**
 * Answers what needs no understanding of the command line, at once; everything else is for `parseCommand()`,
 * which takes longer to load than these answers take.
 */
export async function understand(argv: readonly string[], version: string): Promise<Parsed> {
  const [only, ...others] = argv;
  if (others.length === 0) {
    if (only === undefined || ["--help", "-h", "help"].includes(only)) {
      return { kind: "text", text: programHelp() };
    }
    if (only === "--version") return { kind: "text", text: `${version}\n` };
  }
  const { parseCommand } = await import("./parse.ts");
  return parseCommand(argv, version);
}
