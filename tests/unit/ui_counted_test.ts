import assert from "node:assert/strict";
import { countedNames } from "../../lib/ui/counted.ts";
import { outcomeText } from "../../lib/ui/outcome_text.ts";
import { PLAIN } from "../../lib/ui/style.ts";

function files(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `file:/etc/${index}`);
}

const CASES: readonly (readonly [name: string, addresses: readonly string[], told: readonly string[]])[] = [
  ["nothing", [], []],
  ["a few, in their order", ["vm", "file:/b", "file:/a"], ["vm", "file:/b", "file:/a"]],
  ["seven of a kind by their names", files(7), files(7)],
  ["eight of a kind by their number", files(8), ["8 × file"]],
  ["each kind for itself", ["vm", ...files(500), "package:ed"], ["vm", "500 × file", "package:ed"]],
  ["a kind's things beside each other", ["file:/a", "vm", "file:/b"], ["file:/a", "file:/b", "vm"]],
  ["by the kind alone, whatever else has colons", ["disk:a:b", "disk:system"], ["disk:a:b", "disk:system"]],
  [
    "many kinds with one thing each",
    ["image", "vm", "agent", "env", "hostname", "timezone", "folders", "sshconfig", "socket:docker"],
    ["image", "vm", "agent", "env", "hostname", "timezone", "folders", "sshconfig", "socket:docker"],
  ],
];

for (const [name, addresses, told] of CASES) {
  Deno.test(`countedNames() tells ${name}`, () => assert.deepEqual(countedNames(addresses), told));
}

Deno.test("countedNames() names the machine in every name and number", () => {
  assert.deepEqual(countedNames(["vm", ...files(8)], "dev/"), ["dev/vm", "8 × dev/file"]);
});

Deno.test("outcomeText() of 500 files counts them, what failed is told once for each cause", () => {
  const done = files(500);
  const failed = files(20).map((address) => ({ address, error: "no space left\ndf says so" }));
  const text = outcomeText(
    {
      exitCode: 5,
      done,
      failed: [...failed, { address: "vm", error: "other" }],
      skipped: files(9),
      open: [],
      reason: "A step failed",
    },
    { style: PLAIN, verbose: false, positionOf: () => undefined, prefix: "" },
  );
  assert.equal(
    text,
    `✗ 20 × file: no space left
    df says so
✗ vm: other
Left out, because of what failed: 9 × file
Done: 500 × file. A step failed.
`,
  );
});
