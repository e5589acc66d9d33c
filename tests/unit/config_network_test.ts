import assert from "node:assert/strict";
import { EXPIRED, ISSUING, LEAF, ROOT } from "./certificates_fixture.ts";
import { line, machineOf, makeTestHost, problemsOf } from "./config_fixture.ts";

const KEY = "-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n";

Deno.test("checkNetwork() takes every file that holds an authority", async () => {
  await using host = await makeTestHost();
  const home = host.home;
  await host.write({ "root.pem": ROOT, "chain.pem": `The chain\n${LEAF}${ISSUING}${EXPIRED}` });
  const machine = await machineOf(
    host,
    `network: {caCerts: {files: [${home}/root.pem, ${home}/chain.pem]}}\nmounts: []`,
  );
  assert.deepEqual(machine.network.caCerts.files, [`${home}/chain.pem`, `${home}/root.pem`]);
});

Deno.test("checkNetwork() refuses every file that holds none, all at once and each at its place", async () => {
  await using host = await makeTestHost();
  await host.write({
    "key.pem": ROOT + KEY,
    "text.pem": "nothing",
    "leaf.pem": LEAF,
    "old.pem": EXPIRED,
    "damaged.pem": ROOT.replace("MIIB", "MIIZ"),
    "binary.crt": "\x30\x03",
    "large.pem": "x".repeat(2 ** 20 + 1),
  });
  const names = [
    "none.pem",
    "src",
    "key.pem",
    "text.pem",
    "leaf.pem",
    "old.pem",
    "damaged.pem",
    "binary.crt",
    "large.pem",
  ];
  const rows = names.map((name) => `  - ${host.home}/${name}`).join("\n");
  const problems = await problemsOf(host, `mounts: []\nnetwork:\n caCerts:\n  files:\n${rows}\n`);
  const told = problems.map((problem) =>
    line(problem).replaceAll(host.home, "~").replace(/(read: ).*/, "$1…")
  );
  assert.deepEqual(told, [
    '5:5 network.caCerts.files[0] The file "~/none.pem" does not exist',
    '6:5 network.caCerts.files[1] "~/src" is not a regular file',
    '7:5 network.caCerts.files[2] "~/key.pem" holds a private key',
    '8:5 network.caCerts.files[3] "~/text.pem" holds no certificate',
    '9:5 network.caCerts.files[4] "~/leaf.pem" holds no authority: of "leaf.corp.test", it is no authority',
    '10:5 network.caCerts.files[5] "~/old.pem" holds no authority: of "Old CA", it expired on 2021-01-01',
    '11:5 network.caCerts.files[6] "~/damaged.pem" holds a certificate that cannot be read: …',
    '12:5 network.caCerts.files[7] "~/binary.crt" is no PEM file, but its binary form (DER)',
    '13:5 network.caCerts.files[8] "~/large.pem" is larger than 1 MiB',
  ]);
  assert.ok(problems.every(({ remedy }) => remedy !== undefined));
});

Deno.test("checkNetwork() refuses proxies that programs would read differently, without showing a password", async () => {
  await using host = await makeTestHost();
  const bad = [
    'http://ada:s3cret"x@p.test:1',
    "http://p.test",
    "http://u:s3cret@x@p.test:1",
    "http://p.test:99999",
    "ftp://u:s3cret@p:1",
  ];
  for (const address of bad) {
    const [problem, ...others] = await problemsOf(host, `mounts: []\nnetwork: {proxy: {http: '${address}'}}`);
    assert.deepEqual(others, [], address);
    assert.equal(problem?.path, "network.proxy.http");
    assert.ok(problem?.remedy ?? address.startsWith("ftp:"), address);
    assert.doesNotMatch(JSON.stringify(problem), /s3cret/);
  }
  for (const good of ["", "http://p.test:1", "https://u:p%40ss@10.0.0.1:3128", "http://[::1]:3128"]) {
    const machine = await machineOf(host, `mounts: []\nnetwork: {proxy: {https: '${good}'}}`);
    assert.equal(machine.network.proxy.https, good);
  }
});

Deno.test("checkNetwork() tells exceptions that programs know from those that they do not", async () => {
  await using host = await makeTestHost();
  const list = (names: readonly string[]) =>
    `mounts: []\nnetwork: {proxy: {except: ${JSON.stringify(names)}}}`;
  const good = [
    "git",
    "git.corp.test",
    ".corp.test",
    "10.0.0.1",
    "10.0.0.0/8",
    "::1",
    "fd00::/8",
    "git.test:8080",
  ];
  assert.deepEqual((await machineOf(host, list(good))).network.proxy.except, [...good].sort());
  for (
    const bad of [
      "*",
      "*.corp.test",
      "http://git.test",
      "10.0.0.0/33",
      "10.0.0.300/8",
      'a"b',
      "-x",
      "fd00::/129",
    ]
  ) {
    const [problem, ...others] = await problemsOf(host, list(["git", bad]));
    assert.deepEqual(others, [], bad);
    assert.equal(problem?.path, "network.proxy.except");
    assert.ok(problem?.message.includes(JSON.stringify(bad)), problem?.message);
    assert.ok(problem?.remedy);
  }
});
