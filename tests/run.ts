import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJunit, type TestResults } from "./junit.ts";

/** Runs every test, the quick ones first, tells what was skipped and why, and closes with one line of counts. */

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Groups of folders; the tests of a group run one after another, so that machines do not disturb each other. */
const GROUPS: readonly (readonly string[])[] = [["tests/unit", "tests/sim"], ["tests/e2e"]];

const folder = await Deno.makeTempDir({ prefix: "machine-tests-" });
let results: TestResults = { passed: 0, failed: [], skipped: [] };
try {
  for (const group of GROUPS) results = add(results, await runGroup(group));
} finally {
  await Deno.remove(folder, { recursive: true });
}
report(results);
Deno.exit(results.failed.length === 0 ? 0 : 1);

async function runGroup(group: readonly string[]): Promise<TestResults> {
  const report = join(folder, "report.xml");
  const flags = [
    "-A",
    "--sanitize-ops",
    "--sanitize-resources",
    "--permit-no-files",
    `--junit-path=${report}`,
  ];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", ...flags, ...group],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  const results = await readReport(report);
  if (code === 0 || results.failed.length > 0) return results;
  // Code that cannot be loaded has no test to fail.
  return { ...results, failed: [`deno test ${group.join(" ")} ended with ${code}; its output says why`] };
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
