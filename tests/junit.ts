/** What a run of tests came to. A test with steps counts by its steps. */
export interface TestResults {
  readonly passed: number;
  readonly failed: readonly string[];
  /** Names of skipped tests, each with its reason in brackets. */
  readonly skipped: readonly string[];
}

interface TestCase {
  readonly name: string;
  readonly skipped: boolean;
  /** The first line of what went wrong. */
  readonly failure: string | undefined;
}

/** Reads the report that `deno test --junit-path` writes. */
export function readJunit(xml: string): TestResults {
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"([^>]*)>([\s\S]*?)<\/testcase>/g)]
    .map(([, name = "", , body = ""]): TestCase => ({
      name: unescapeXml(name),
      skipped: body.includes("<skipped"),
      failure: /<failure message="([^"]*)"/.exec(body)?.[1],
    }));
  const counted = cases.filter((testCase) => !isSumOfSteps(testCase, cases));
  return {
    passed: counted.filter(({ skipped, failure }) => !skipped && failure === undefined).length,
    failed: counted.filter(({ failure }) => failure !== undefined).map(({ name }) => name),
    skipped: counted.filter(({ skipped }) => skipped).map(({ name }) => name),
  };
}

/** A test with steps, unless it failed by itself: then that failure is in none of its steps. */
function isSumOfSteps({ name, failure }: TestCase, cases: readonly TestCase[]): boolean {
  const hasSteps = cases.some((other) => other.name.startsWith(`${name} > `));
  return hasSteps && (failure === undefined || /^\d+ test steps? failed$/.test(failure));
}

function unescapeXml(text: string): string {
  const signs: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(
    /&(?:#(\d+)|(\w+));/g,
    (whole, code, name) =>
      code === undefined ? signs[name as string] ?? whole : String.fromCodePoint(Number(code)),
  );
}
