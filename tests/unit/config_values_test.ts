import assert from "node:assert/strict";
import fc from "fast-check";
import { expandTexts } from "../../lib/config/expand.ts";
import { nearest } from "../../lib/config/nearest.ts";
import { formatPath, parsePath } from "../../lib/config/path.ts";
import { formatSize, parseSize } from "../../lib/config/size.ts";

Deno.test("parseSize() reads what formatSize() writes", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (sizeMiB) => {
    assert.deepEqual(parseSize(formatSize(sizeMiB)), { ok: true, sizeMiB });
  }));
});

Deno.test("parseSize() gives the same size in every unit", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 12 }), (sizeGiB) => {
    const spellings = [
      `${sizeGiB}GiB`,
      `${sizeGiB * 1024}MiB`,
      `${sizeGiB * 2 ** 20}KiB`,
      `${sizeGiB / 1024}TiB`,
    ];
    for (const spelling of spellings.filter((it) => !it.includes("e"))) {
      assert.deepEqual(parseSize(spelling), { ok: true, sizeMiB: sizeGiB * 1024 });
    }
  }));
});

Deno.test("parseSize() never accepts a number without unit, and always says how to write it", () => {
  fc.assert(fc.property(fc.oneof(fc.double(), fc.integer(), fc.string(), fc.constant(null)), (value) => {
    const result = parseSize(value);
    if (result.ok) assert.match(String(value), /(KiB|MiB|GiB|TiB)\s*$/);
    else assert.match(result.remedy, /^Write \S/);
  }));
});

Deno.test("parseSize() refuses what is not a whole number of MiB", () => {
  assert.deepEqual(parseSize("512KiB"), {
    ok: false,
    message: "The size 512KiB is not a whole number of MiB",
    remedy: "Write 1MiB",
  });
});

Deno.test("expandTexts() puts variables into texts", async (t) => {
  const variables: Readonly<Record<string, string>> = { A: "1", EMPTY: "" };
  const rows: readonly (readonly [string, string, number])[] = [
    ["x${env:A}y${env:A}", "x1y1", 0],
    ["${env:NO:-d}", "d", 0],
    ["${env:EMPTY:-d}", "d", 0],
    ["[${env:EMPTY}]", "[]", 0],
    ["${env:NO:-}", "", 0],
    ["$${env:A}", "${env:A}", 0],
    ["$A ${A} $$ $(ls) ${A:-x}", "$A ${A} $$ $(ls) ${A:-x}", 0],
    ["${env:NO}", "${env:NO}", 1],
    ["${env:NO}${env:NO2}", "${env:NO}${env:NO2}", 2],
    ["${env:}", "${env:}", 1],
    ["${env:A", "${env:A", 1],
    ["${env:1A}", "${env:1A}", 1],
    ["${cmd:date}", "${cmd:date}", 1],
  ];
  for (const [text, expected, count] of rows) {
    await t.step(text, () => {
      const { value, findings } = expandTexts({ list: [text] }, (name) => variables[name]);
      assert.deepEqual(value, { list: [expected] });
      assert.deepEqual(findings.map((it) => formatPath(it.path)), Array(count).fill("list[0]"));
    });
  }
});

Deno.test("expandTexts() leaves everything but texts alone", () => {
  const value = { a: [1, true, null, { b: "c" }] };
  assert.deepEqual(expandTexts(value, () => undefined), { value, findings: [] });
});

Deno.test("parsePath() reads what formatPath() writes", () => {
  const step = fc.oneof(fc.nat(), fc.string().filter((it) => it !== ""));
  fc.assert(fc.property(fc.array(step), (path) => {
    assert.deepEqual(parsePath(formatPath(path)), path);
  }));
  assert.deepEqual(parsePath("mounts[/src].target"), ["mounts", "/src", "target"]);
});

Deno.test("nearest() finds what was meant, and nothing for another word", () => {
  const keys = ["memory", "cpus", "disk", "dataDisk", "disks"];
  assert.equal(nearest("memroy", keys), "memory");
  assert.equal(nearest("data_disk", keys), "dataDisk");
  assert.equal(nearest("data-disk", keys), "dataDisk");
  assert.equal(nearest("cpu", keys), "cpus");
  assert.equal(nearest("Disk", keys), "disk");
  assert.equal(nearest("dsik", keys), "disk");
  assert.equal(nearest("volumes", keys), undefined);
});
