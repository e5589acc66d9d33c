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
