import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { effectDifferences } from "../effects_table.ts";
import { PROPERTIES } from "../sim/properties/all.ts";
import { PLANNER } from "../sim/properties/planner.ts";
import { tryOut } from "../sim/try_out.ts";
import { EXCUSED } from "./excused.ts";
import { KIND_MUTANTS } from "./kinds.ts";
import type { Mutant } from "./mutant.ts";
import { RULE_MUTANTS } from "./rules.ts";

const HELP = `Breaks the program in every way that is known, one at a time: some test has to fail each time.

  deno task sabotage                   all of them; what survives is named, and the task fails
  deno task sabotage --only 'file:'    those whose name holds this
  deno task sabotage --list            their names
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    machines: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: String(availableParallelism()) },
    part: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const MUTANTS = [...KIND_MUTANTS, ...RULE_MUTANTS]
  .filter(({ name }) => values.only === undefined || name.includes(values.only));

/** The name of what has noticed a mutant; `undefined` when nothing has. */
async function noticed({ breakIt, noticedBy }: Mutant): Promise<string | undefined> {
  const likely = noticedBy.flatMap((name) => PROPERTIES.find((property) => property.name === name) ?? []);
  const mend = breakIt();
  try {
    if (effectDifferences().length > 0) return "effects";
    for (const property of new Set([...likely, ...PROPERTIES])) {
      if ((property.percent ?? 100) < 100) continue;
      // A plan of made-up things takes no time.
      const more = PLANNER.includes(property) ? 20 : 1;
      const machines = Number(values.machines) * (likely.includes(property) ? 4 : 1) * more;
      const amount = { machines, seed: Number(values.seed), isQuick: true } as const;
      if (!(await tryOut(property, amount)).holds) return property.name;
    }
    return undefined;
  } finally {
    mend();
  }
}

/** Tries some of the mutants in this process; each has a line. */
async function tryPart(part: number, parts: number): Promise<void> {
  for (const [index, mutant] of MUTANTS.entries()) {
    if (index % parts !== part) continue;
    const started = performance.now();
    const by = await noticed(mutant);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const word = by !== undefined ? "noticed " : EXCUSED[mutant.name] ? "excused " : "SURVIVES";
    console.log(`${word}  ${mutant.name}  ${by ?? EXCUSED[mutant.name] ?? ""} (${seconds} s)`);
  }
}

/** Shares them out among processes; gives their lines. */
async function tryAll(jobs: number): Promise<string[]> {
  const lines: string[] = [];
  const words = ["--machines", values.machines, "--seed", values.seed];
  if (values.only !== undefined) words.push("--only", values.only);
  await Promise.all(Array.from({ length: jobs }, async (_, part) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", new URL(import.meta.url).pathname],
        ...[...words, "--part", `${part}/${jobs}`],
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const pieces = `${rest}${text}`.split("\n");
      rest = pieces.pop()!;
      for (const line of pieces) console.log(line);
      lines.push(...pieces);
    }
    if (!(await child.status).success) lines.push(`SURVIVES  the process of part ${part} has failed`);
  }));
  return lines;
}

if (values.help) {
  console.log(HELP);
} else if (values.list) {
  for (const { name } of MUTANTS) console.log(name);
} else if (values.part !== undefined) {
  const [part = 0, parts = 1] = values.part.split("/").map(Number);
  await tryPart(part, parts);
} else {
  const lines = await tryAll(Math.max(1, Number(values.jobs)));
  const count = (word: string) => lines.filter((line) => line.startsWith(word)).length;
  const untried = MUTANTS.length - lines.length;
  const stale = Object.keys(EXCUSED).filter((name) =>
    lines.some((line) => line.startsWith(`noticed   ${name}  `))
  );
  for (const name of stale) console.log(`SURVIVES  the excuse for "${name}": it is noticed now`);
  const survivors = count("SURVIVES") + stale.length + untried;
  console.log(`${count("noticed")} noticed, ${survivors} survive, ${count("excused")} excused`);
  Deno.exit(survivors === 0 ? 0 : 1);
}
