import assert from "node:assert/strict";
import fc from "fast-check";
import { parse } from "yaml";
import { dataText } from "../../lib/ui/data_text.ts";
import { yamlText } from "../../lib/ui/yaml_text.ts";

Deno.test("yamlText() writes blocks, and quotes only what needs it", () => {
  const value = {
    name: "dev",
    vm: { memory: "4GiB", cpus: 2 },
    mounts: [{ source: "~", target: "/src" }, { source: "/a b" }],
    none: null,
    empty: { list: [], map: {} },
    yes: "no",
    file: "one\ntwo: 2\n",
    open: "a\n\nb",
  };
  assert.equal(
    yamlText(value),
    `name: dev
vm:
  memory: 4GiB
  cpus: 2
mounts:
  - source: "~"
    target: /src
  - source: "/a b"
none: null
empty:
  list: []
  map: {}
"yes": "no"
file: |
  one
  two: 2
open: |-
  a

  b
`,
  );
});

Deno.test("yamlText() is read back as the value that it was, by YAML 1.2 and 1.1", () => {
  const text = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({
      unit: fc.constantFrom("a", " ", "\n", "\t", "#", ":", "-", "\r", "'", '"', "|", "\u2028", "0"),
    }),
    fc.constantFrom(
      "1",
      "0x1f",
      "1e3",
      ".inf",
      "~",
      "yes",
      "2026-11-22",
      "=",
      "<<",
      "&a",
      "*a",
      "!t",
      "- a",
      "\ufeff",
    ),
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie("list"),
      tie("map"),
    ),
    list: fc.array(tie("value"), { maxLength: 4 }),
    map: fc.dictionary(text.filter((key) => key !== "__proto__"), tie("value"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  })).value;
  fc.assert(
    fc.property(value, (value) => {
      for (const version of ["1.2", "1.1"] as const) {
        assert.deepEqual(parse(yamlText(value), { version, merge: false }), value, yamlText(value));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("dataText() ends with one line break, as JSON and as YAML", () => {
  assert.equal(dataText({ a: [1] }, "json"), '{\n  "a": [\n    1\n  ]\n}\n');
  assert.equal(dataText({ a: [1] }, "yaml"), "a:\n  - 1\n");
});
