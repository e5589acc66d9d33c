import assert from "node:assert/strict";
import { machineOf, makeTestHost } from "./config_fixture.ts";

const CONFLIST = "{cniVersion: 1.0.0, name: mine, plugins: [{type: bridge, ipam: {type: dhcp}, bridge: b0}]}";

const ROWS: readonly (readonly [keys: string, network: string, plugins: object])[] = [
  ["{}", "bridge", { source: "package" }],
  ["{network: auto}", "bridge", { source: "package" }],
  ["{plugins: {source: auto}}", "bridge", { source: "package" }],
  ["{plugins: {source: release}}", "bridge", { source: "release" }],
  ["{plugins: {version: v1.6.0}}", "bridge", { source: "release", version: "1.6.0" }],
  ["{plugins: {source: release, version: v1.6.0}}", "bridge", { source: "release", version: "1.6.0" }],
  ["{network: flannel}", "flannel", { source: "release" }],
  ["{network: flannel, plugins: {source: package}}", "flannel", { source: "package" }],
  ["{network: none}", "none", { source: "package" }],
  ["{network: none, plugins: {source: release}}", "none", { source: "release" }],
  [`{network: {conflist: ${CONFLIST}}}`, "own", { source: "package" }],
  [`{network: {conflist: ${CONFLIST}}, plugins: {source: release}}`, "own", { source: "release" }],
];
for (const [keys, kind, plugins] of ROWS) {
  Deno.test(`normalCni() of ${keys} is ${kind} with plugins of ${JSON.stringify(plugins)}`, async () => {
    await using host = await makeTestHost();
    const { cni } = await machineOf(host, `cni: ${keys}`);
    assert.deepEqual([cni.network.kind, cni.plugins], [kind, plugins]);
  });
}

Deno.test("normalCni() keeps an own list as it is, with its keys in order", async () => {
  await using host = await makeTestHost();
  const { cni } = await machineOf(host, `cni: {network: {conflist: ${CONFLIST}}}`);
  assert.ok(cni.network.kind === "own");
  assert.equal(
    JSON.stringify(cni.network.conflist),
    '{"cniVersion":"1.0.0","name":"mine",' +
      '"plugins":[{"bridge":"b0","ipam":{"type":"dhcp"},"type":"bridge"}]}',
  );
});

Deno.test("cni.* refuses what is no network, no source and no version", async () => {
  await using host = await makeTestHost();
  const wrong = [
    "{network: calico}",
    "{network: {conflist: [1]}}",
    "{network: {}}",
    "{plugins: {source: snap}}",
    "{plugins: {version: 1.7.1}}",
    "{plugins: {version: v1.7}}",
    "{plugins: {version: latest}}",
  ];
  for (const keys of wrong) assert.equal((await host.load(`cni: ${keys}`)).ok, false, keys);
});

/** What is wrong with keys of `cni`, each with its place in them and its remedy. */
const WRONG: readonly (readonly [keys: string, problems: readonly string[]])[] = [
  ["{plugins: {source: package, version: v1.7.1}}", [
    "cni.plugins.version: A version names a release, and the plugins are to come from Debian's package; Remove it, or " +
    'write "source: release"',
  ]],
  ["{network: {conflist: {}}}", [
    'cni.network.conflist.cniVersion: Is missing; Add "cniVersion: 1.0.0"',
    'cni.network.conflist.name: Is missing; Add "name: machine"',
    'cni.network.conflist.plugins: Is missing; Add "plugins: [{type: bridge}]"',
  ]],
  ["{network: {conflist: {cniVersion: 9, name: a/b, plugins: []}}}", [
    'cni.network.conflist.cniVersion: 9 is not a version of CNI\'s format; Write one like "1.0.0"',
    'cni.network.conflist.name: "a/b" is not a name of letters, digits, dots, dashes and underscores; Write one like ' +
    '"machine"',
    'cni.network.conflist.plugins: Must be a list of at least one plugin; Write "[{type: bridge}]"',
  ]],
  ["{network: {conflist: {cniVersion: 1.0.0, name: a, plugins: [{type: ../sh}, 3, {}]}}}", [
    'cni.network.conflist.plugins[0].type: "../sh" is not the name of a plugin; Write one like "bridge"',
    'cni.network.conflist.plugins[1]: A plugin is a map with its type, not 3; Write "{type: bridge}"',
    'cni.network.conflist.plugins[2].type: Is missing; Add "type: bridge"',
  ]],
];
for (const [keys, problems] of WRONG) {
  Deno.test(`checkCni() says what is wrong with ${keys}`, async () => {
    await using host = await makeTestHost();
    const loaded = await host.load(`cni: ${keys}`);
    assert.ok(!loaded.ok);
    const told = loaded.problems.map(({ path, message, remedy }) => `${path}: ${message}; ${remedy}`);
    assert.deepEqual(told.toSorted(), problems.toSorted());
  });
}
