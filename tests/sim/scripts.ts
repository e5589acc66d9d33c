import type { View } from "./tree.ts";

/** What commands did. */
export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Where `log` writes, which tells how often a script ran. */
export const LOG = "/var/log/steps";

/**
 * Runs commands of the simulated guest's small language: `touch PATH`, `rm PATH`, `log WORD`, `echo WORDS`,
 * `test -e PATH`, `exit N`, `true`, `false`. They end at the first that fails.
 */
export function runScript(text: string, view: View, mtimeMs: number): Ran {
  const output: string[] = [];
  for (const line of text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
    const code = runLine(line, { view, mtimeMs, output });
    if (code !== undefined) return { code, output: output.join("\n") };
  }
  return { code: 0, output: output.join("\n") };
}

/** Runs a line; gives the exit code where it ends the script. */
function runLine(
  line: string,
  { view, mtimeMs, output }: {
    readonly view: View;
    readonly mtimeMs: number;
    readonly output: string[];
  },
): number | undefined {
  const [word, ...rest] = line.split(" ");
  const put = (path: string, content: string) =>
    view.set(path, { kind: "file", content, mode: "644", owner: "root:root", mtimeMs });
  switch (word) {
    case "true":
      return undefined;
    case "false":
      return 1;
    case "exit":
      return Number(rest[0]);
    case "echo":
      output.push(rest.join(" "));
      return undefined;
    case "touch":
      view.makeFolders(rest[0]!.slice(0, rest[0]!.lastIndexOf("/")));
      put(rest[0]!, "");
      return undefined;
    case "rm":
      view.delete(rest[0]!);
      return undefined;
    case "log": {
      const before = view.get(LOG);
      put(LOG, `${before?.kind === "file" ? before.content : ""}${rest[0]}\n`);
      return undefined;
    }
    case "test":
      return view.follow(rest[1]!) ? undefined : 1;
    default:
      output.push(`${word}: not found`);
      return 127;
  }
}
