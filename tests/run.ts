import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJunit, type TestResults } from "./junit.ts";

/** Runs every test, the quick ones first, tells what was skipped and why, and closes with one line of counts. */

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The tests that need no machine. */
const QUICK = ["tests/unit", "tests/sim"];
const ON_A_GUEST = "tests/e2e";
/** An emulated guest waits on one processor for most of the time: two machines at once take little longer than one. */
const AT_ONCE = Math.min(2, availableParallelism());
/** Begun before the others, since they take the longest. */
const LONGEST = [
  "changes_test.ts",
  "engines_test.ts",
  "machine_test.ts",
  "fields_test.ts",
  "scenarios_test.ts",
];

const folder = await Deno.makeTempDir({ prefix: "machine-tests-" });
let results: TestResults = { passed: 0, failed: [], skipped: [] };
try {
  results = add(results, await runTests(QUICK, "inherit"));
  const waiting = await filesOnAGuest();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      console.log(`Running ${file}; its output follows when it has ended`);
      const own = await runTests([file], "piped");
      results = add(results, own);
    }
  }));
} finally {
  await Deno.remove(folder, { recursive: true });
}
report(results);
Deno.exit(results.failed.length === 0 ? 0 : 1);

async function filesOnAGuest(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(join(ROOT, ON_A_GUEST))) {
    if (name.endsWith("_test.ts")) names.push(name);
  }
  const others = names.filter((name) => !LONGEST.includes(name)).sort();
  return [...LONGEST.filter((name) => names.includes(name)), ...others].map((name) => join(ON_A_GUEST, name));
}

/** Runs the tests of files and folders in a process of their own. */
async function runTests(paths: readonly string[], output: "inherit" | "piped"): Promise<TestResults> {
  const report = join(folder, `${paths.join("+").replaceAll("/", "-")}.xml`);
  const flags = [
    "-A",
    "--sanitize-ops",
    "--sanitize-resources",
    "--permit-no-files",
    `--junit-path=${report}`,
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", ...flags, ...paths],
    cwd: ROOT,
    stdin: "null",
    stdout: output,
    stderr: output,
  }).spawn();
  const { code } = output === "inherit" ? await child.status : await printed(child);
  const results = await readReport(report);
  if (code === 0 || results.failed.length > 0) return results;
  // Code that cannot be loaded has no test to fail.
  return { ...results, failed: [`deno test ${paths.join(" ")} ended with ${code}; its output says why`] };
}

/** Waits for a process, and then prints what it said, in one piece. */
async function printed(child: Deno.ChildProcess): Promise<{ readonly code: number }> {
  const { code, stdout, stderr } = await child.output();
  console.log(new TextDecoder().decode(stdout));
  console.error(new TextDecoder().decode(stderr));
  return { code };
}

async function readReport(path: string): Promise<TestResults> {
  try {
    const text = await Deno.readTextFile(path);
    await Deno.remove(path);
    return readJunit(text);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { passed: 0, failed: [], skipped: [] };
    throw error;
  }
}

function add(a: TestResults, b: TestResults): TestResults {
  return {
    passed: a.passed + b.passed,
    failed: [...a.failed, ...b.failed],
    skipped: [...a.skipped, ...b.skipped],
  };
}

function report({ passed, failed, skipped }: TestResults): void {
  for (const name of skipped) console.log(`Skipped: ${name}`);
  for (const name of failed) console.log(`Failed: ${name}`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
}
