import assert from "node:assert/strict";
import { historyText } from "../../lib/ui/history_text.ts";
import { PLAIN } from "../../lib/ui/style.ts";

const ROWS = [
  {
    number: 9,
    appliedAt: "2026-11-20T08:00:01.123Z",
    origin: "~/machine.yaml",
    changed: ["vm", "user"],
    isPresent: false,
  },
  {
    number: 10,
    appliedAt: "2026-11-22T18:02:03.000Z",
    origin: "standard input",
    changed: [],
    isPresent: true,
  },
];

Deno.test("historyText() is a table with a star at the present form", () => {
  assert.equal(
    historyText(ROWS, { style: PLAIN, columns: undefined }),
    `  N   WHEN (UTC)           FROM            CHANGED
  9   2026-11-20 08:00:01  ~/machine.yaml  vm, user
* 10  2026-11-22 18:02:03  standard input  nothing
`,
  );
});

Deno.test("historyText() keeps each form on one line of the terminal", () => {
  const changed = Array.from({ length: 40 }, (_, index) => `file:/etc/${index}\n`);
  const text = historyText([{ ...ROWS[0]!, changed }], { style: PLAIN, columns: 60 });
  const lines = text.trimEnd().split("\n");
  assert.ok(lines.every((line) => line.length <= 60), text);
});

Deno.test("historyText() says it when there is nothing", () => {
  assert.match(historyText([], { style: PLAIN, columns: 80 }), /^No form was noted yet/);
});
