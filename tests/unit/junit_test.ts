import assert from "node:assert/strict";
import { readJunit } from "../junit.ts";

function report(cases: readonly (readonly [name: string, body: string])[]): string {
  const rows = cases.map(([name, body]) => `<testcase name="${name}" time="0.1">\n${body}</testcase>`);
  return `<testsuites><testsuite name="./a_test.ts">${rows.join("\n")}</testsuite></testsuites>`;
}

Deno.test("readJunit() counts steps in place of the test that they belong to", () => {
  const steps = report([
    ["life", '<failure message="1 test step failed">x</failure>'],
    ["life &gt; birth", ""],
    ["life &gt; work", '<failure message="1 test step failed">x</failure>'],
    ["life &gt; work &gt; &quot;a&quot; &amp; b", '<failure message="Uncaught Error">x</failure>'],
    ["life &gt; rest (skipped: no bed)", "<skipped/>"],
    ["alone", ""],
  ]);
  assert.deepEqual(readJunit(steps), {
    passed: 2,
    failed: ['life > work > "a" & b'],
    skipped: ["life > rest (skipped: no bed)"],
  });
});

Deno.test("readJunit() counts a test whose steps pass and that fails by itself", () => {
  const leak = report([["life", '<failure message="Leaks detected">x</failure>'], ["life &gt; birth", ""]]);
  assert.deepEqual(readJunit(leak), { passed: 1, failed: ["life"], skipped: [] });
});
