import assert from "node:assert/strict";
import { renderFieldReference } from "../../lib/config/field_reference.ts";
import { listFields } from "../../lib/config/schema/walk.ts";
import { valueWords } from "../../lib/config/value_words.ts";

const PAGE = new URL("../../docs/fields.md", import.meta.url);

const REFERENCE = renderFieldReference();

/** The entry of one key, its lines joined. */
function entryOf(path: string): string {
  const start = `- \`${path}\`: `;
  const entries = REFERENCE.split(/\n(?=- |\n|## )/);
  return entries.find((entry) => entry.startsWith(start))?.replaceAll(/\s+/g, " ") ?? "";
}

Deno.test("docs/fields.md is what renderFieldReference() makes (deno task docs writes it)", async () => {
  assert.equal(await Deno.readTextFile(PAGE), REFERENCE);
});

Deno.test("renderFieldReference() has an entry for every key of the format", () => {
  const missing = listFields().map(({ path }) => path).filter((path) => entryOf(path) === "");
  assert.deepEqual(missing, []);
});

Deno.test("renderFieldReference() says value, default, effect, support and merge rule", () => {
  assert.equal(
    entryOf("vm.disk"),
    "- `vm.disk`: The system disk: what it can hold, not what it takes. Value: a text such as `4GiB`; " +
      "default: `20GiB`; change: `live` (larger), `recreate` (smaller).",
  );
  assert.match(entryOf("mounts"), /merge: entry by entry; the same `target` is the same entry\.$/);
  assert.match(entryOf("mounts[].source"), /default: none, it must be given/);
  assert.match(entryOf("packages.install"), /merge: both lists as one set\.$/);
  assert.match(
    entryOf("runtime.docker.daemon"),
    /change: `live` \(keys that dockerd reloads\), `service` \(keys that it reads when it starts\)/,
  );
  assert.match(entryOf("vm.cpus"), /default: 4, or all that the host has/);
  assert.match(entryOf("runtime.engine"), /_For now `docker`, `containerd` or `none`\._/);
});

Deno.test("renderFieldReference() marks a key as not supported when one above it is not", () => {
  assert.match(entryOf("kubernetes.k3s.version"), /_Not supported yet\._/);
  assert.match(entryOf("vm.nested"), /_Not supported yet\._/);
  assert.doesNotMatch(entryOf("vm.memory"), /_Not supported yet\._/);
});

Deno.test("renderFieldReference() says every case of an effect in words", () => {
  assert.doesNotMatch(
    REFERENCE,
    /\((add|grow|shrink|attach|share|remount|reload|remove|delete|newCluster)\)/,
  );
});

Deno.test("valueWords() says a JSON Schema in words", () => {
  assert.equal(valueWords({ enum: ["a", "b", "c"] }), "`a`, `b` or `c`");
  assert.equal(valueWords({ type: "integer", minimum: 1, maximum: 9 }), "a whole number from 1 to 9");
  assert.equal(valueWords({ type: "integer", minimum: 1 }), "a whole number, at least 1");
  assert.equal(valueWords({ type: "integer", maximum: 9 }), "a whole number, at most 9");
  assert.equal(
    valueWords({ anyOf: [{ const: "none" }, { type: ["string", "boolean"] }] }),
    "`none`, a text, `true` or `false`",
  );
  assert.equal(valueWords({ type: "array", items: { type: "number" } }), "a list, each entry a number");
  assert.equal(valueWords({ type: "object", properties: {} }), "a map of the keys below");
  assert.equal(valueWords({ type: "object" }), "a map, each value any value");
});
