import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareDaemon,
  type DaemonConfig,
  type DaemonState,
  daemonText,
  parseConfig,
  RELOADABLE,
  withRemovedDefaults,
} from "../../lib/resources/docker/daemon_config.ts";

const state = (file: DaemonState["file"], inForce: DaemonState["inForce"]): DaemonState => ({
  file,
  inForce,
});
const MIRROR = { "registry-mirrors": ["https://a"] };

const ROWS: readonly (readonly [string, DaemonConfig, DaemonState, readonly string[]])[] = [
  ["nothing wanted, nothing there", {}, state(undefined, {}), []],
  ["equal and in force", MIRROR, state(MIRROR, MIRROR), []],
  [
    "key order has no meaning",
    { debug: true, labels: ["x"] },
    state({ labels: ["x"], debug: true }, { debug: true, labels: ["x"] }),
    [],
  ],
  ["list order has", { labels: ["a", "b"] }, state({ labels: ["b", "a"] }, { labels: ["b", "a"] }), [
    "labels live",
  ]],
  ["a reloadable key is added", MIRROR, state(undefined, {}), ["registry-mirrors live"]],
  ["a reloadable key is removed", {}, state(MIRROR, MIRROR), ["registry-mirrors live"]],
  ["another key is added", { "log-opts": { "max-size": "10m" } }, state({}, {}), ["log-opts service"]],
  ["another key is removed", {}, state({ "data-root": "/x" }, { "data-root": "/x" }), ["data-root service"]],
  ["the file was edited and not loaded", {}, state({ debug: true }, {}), ["debug live"]],
  ["another key was edited and not loaded", {}, state({ "data-root": "/x" }, {}), ["data-root live"]],
  ["the file was put back, the daemon has the other", {}, state({}, { debug: true }), ["debug live"]],
  ["a needed restart never came", { mtu: 1400 }, state({ mtu: 1400 }, {}), ["mtu service"]],
  ["an explicit default is in force already", { debug: false }, state({ debug: false }, {}), []],
  ["not JSON", {}, state("{ nonsense", {}), [" service"]],
  ["what is in force cannot be told", MIRROR, state(MIRROR, undefined), [" service"]],
  // It is a restart that makes it so: a "live" here would stop containers unsaid.
  ["neither the file nor what is in force", MIRROR, state({}, undefined), [
    "registry-mirrors live",
    " service",
  ]],
];

for (const [name, desired, found, wanted] of ROWS) {
  Deno.test(`compareDaemon(): ${name}`, () => {
    const changes = compareDaemon(desired, found);
    const lines = changes.map(({ path, effect }) =>
      `${path.replace(/^runtime\.docker\.daemon\.?/, "")} ${effect}`
    );
    assert.deepEqual(lines, wanted);
  });
}

Deno.test("compareDaemon() says what hides images, and what is only not in force", () => {
  const [change] = compareDaemon({ "data-root": "/x" }, state({ "data-root": "/x" }, {}));
  assert.match(change?.note ?? "", /the file is right.*hides the present images/);
  assert.equal(change?.before, undefined);
});

const value = fc.oneof(fc.boolean(), fc.integer(), fc.string(), fc.array(fc.string(), { maxLength: 3 }));
const config = fc.dictionary(
  fc.constantFrom(...Object.keys(RELOADABLE), "data-root", "mtu", "log-opts"),
  value,
  { maxKeys: 6 },
);

Deno.test("compareDaemon() finds nothing in what was written and loaded", () => {
  fc.assert(fc.property(config, (desired) => {
    const text = daemonText(desired);
    const file = text === undefined ? undefined : parseConfig(text);
    assert.deepEqual(compareDaemon(desired, { file, inForce: desired }), []);
  }));
});

Deno.test("withRemovedDefaults() leaves nothing of the former configuration in force", () => {
  fc.assert(fc.property(config, config, (desired, before) => {
    // What dockerd has after a reload: of the reloadable keys those in the file replace, the others stay.
    const file = withRemovedDefaults(desired, before) ?? desired;
    const keys = Object.keys(RELOADABLE);
    const inForce = Object.fromEntries(
      keys.flatMap((key) => key in file ? [[key, file[key]!]] : key in before ? [[key, before[key]!]] : []),
    );
    const wanted = Object.fromEntries(Object.entries(desired).filter(([key]) => keys.includes(key)));
    assert.deepEqual(compareDaemon(wanted, { file: wanted, inForce }), []);
  }));
});

Deno.test("withRemovedDefaults() is nothing when no reloadable key goes", () => {
  assert.equal(withRemovedDefaults(MIRROR, {}), undefined);
  assert.equal(withRemovedDefaults({}, { "data-root": "/x" }), undefined);
  assert.equal(withRemovedDefaults({}, { debug: false }), undefined);
  assert.deepEqual(withRemovedDefaults({ mtu: 1 }, { debug: true }), { mtu: 1, debug: false });
});

Deno.test("daemonText() of nothing is no file", () => {
  assert.equal(daemonText({}), undefined);
  assert.equal(daemonText({ debug: true }), '{\n  "debug": true\n}\n');
});

Deno.test("parseConfig() gives the text of what is no JSON object", () => {
  assert.deepEqual(parseConfig('{"a": 1}'), { a: 1 });
  for (const text of ["", "[]", "null", "3", "{", '"x"']) assert.equal(parseConfig(text), text);
});
