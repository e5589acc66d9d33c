import assert from "node:assert/strict";
import { ROOT } from "./certificates_fixture.ts";
import { machineOf, makeTestHost, problemsOf } from "./config_fixture.ts";

const KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n";

/** What is wrong with registries, after `runtime: {engine: …, registries: `: where, message, remedy. */
const ROWS: readonly (readonly [string, string, readonly (readonly [string, RegExp, RegExp])[]])[] = [
  ["docker", '{"https://r.test": {insecure: true}}', [["", /no host of a registry/, /"r\.test"/]]],
  ["docker", '{"r.test/team": {insecure: true}}', [["", /no host of a registry/, /"r\.test"/]]],
  ["docker", '{"R.test": {insecure: true}}', [["", /no host of a registry/, /"r\.test"/]]],
  ["docker", '{"a b.test": {insecure: true}}', [["", /no host of a registry/, /localhost:5000/]]],
  ["docker", '{"r.test:70000": {insecure: true}}', [["", /port that does not exist/, /65535/]]],
  ["docker", "{registry: {insecure: true}}", [["", /neither a dot nor a port/, /"registry:443"/]]],
  ["docker", "{index.docker.io: {mirrors: [https://m.test]}}", [
    ["", /no name that images have/, /"docker\.io"/],
    [".mirrors", /mirrors of docker\.io alone/, /engine: containerd/],
  ]],
  ["docker", "{r.test: {mirrors: [https://m.test]}}", [
    [".mirrors", /mirrors of docker\.io alone, not of "r\.test"/, /engine: containerd/],
  ]],
  ["docker", '{docker.io: {mirrors: ["https://ada:s3cret@m.test"]}}', [
    [".mirrors[0]", /"https:\/\/\*\*\*@m\.test" holds a login/, /credentials: host/],
  ]],
  ["docker", '{docker.io: {mirrors: ["https://m.test?x=1"]}}', [[
    ".mirrors[0]",
    /more than an address/,
    /"\?"/,
  ]]],
  ["docker", "{docker.io: {insecure: true}}", [[".insecure", /always secure/, /host of the mirror/]]],
  ["docker", "{docker.io: {certificates: {ca: ./ca.pem}}}", [[
    ".certificates",
    /takes no certificates/,
    /mirror/,
  ]]],
  ["docker", "{r.test: {certificates: {ca: ./none.pem}}}", [[
    ".certificates.ca",
    /does not exist/,
    /Correct the path/,
  ]]],
  ["docker", "{r.test: {certificates: {ca: ./src}}}", [[
    ".certificates.ca",
    /is no file/,
    /Correct the path/,
  ]]],
  ["docker", "{r.test: {certificates: {ca: ./key.pem}}}", [[
    ".certificates.ca",
    /no certificate in PEM/,
    /BEGIN CERT/,
  ]]],
  ["docker", "{r.test: {certificates: {ca: ./broken.pem}}}", [[
    ".certificates.ca",
    /is damaged/,
    /BEGIN CERT/,
  ]]],
  ["docker", "{r.test: {certificates: {cert: ./ca.pem}}}", [
    [".certificates.cert", /"cert" is of no use without "key"/, /Give both/],
  ]],
  ["docker", "{r.test: {certificates: {cert: ./ca.pem, key: ./ca.pem}}}", [
    [".certificates.key", /no private key in PEM/, /Name the key/],
  ]],
  ["docker", "{r.test: {certificates: {cert: ./ca.pem, key: ./locked.pem}}}", [
    [".certificates.key", /is encrypted/, /without a password/],
  ]],
];

Deno.test("checkRegistries() refuses what no engine could use, with place and remedy", async (t) => {
  await using host = await makeTestHost();
  await host.write({
    "ca.pem": ROOT,
    "key.pem": KEY,
    "locked.pem": KEY.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"),
    "broken.pem": ROOT.replace(/MIIB.{40}/, "MIIB"),
  });
  for (const [engine, registries, wanted] of ROWS) {
    await t.step(`${engine} ${registries}`, async () => {
      const text = registries.replaceAll("./", `${host.home}/`);
      const problems = await problemsOf(host, `runtime: {engine: ${engine}, registries: ${text}}`);
      assert.deepEqual(
        problems.map(({ path }) =>
          path.replace(/^runtime\.registries(\.[a-z]+$|\[[^\]]*\]|\.[^.]+\.io|\.r\.test)/, "")
        ),
        wanted.map(([path]) => path),
        JSON.stringify(problems),
      );
      for (const [index, [, message, remedy]] of wanted.entries()) {
        assert.match(problems[index]!.message, message);
        assert.match(problems[index]!.remedy ?? "", remedy);
        assert.doesNotMatch(JSON.stringify(problems), /s3cret/);
      }
    });
  }
});

Deno.test("checkRegistries() takes what the engines take", async () => {
  await using host = await makeTestHost();
  await host.write({ "ca.pem": ROOT, "key.pem": KEY });
  const at = (name: string) => `${host.home}/${name}`;
  const { runtime } = await machineOf(
    host,
    `runtime: {registries: {docker.io: {mirrors: ["https://m.test:8443/", "http://10.0.0.1/path"]}, ` +
      `"localhost:5000": {insecure: true}, localhost: {}, "[::1]:5000": {}, ` +
      `r.test: {certificates: {ca: ${at("ca.pem")}, cert: ${at("ca.pem")}, key: ${at("key.pem")}}}}}`,
  );
  assert.deepEqual(runtime.registries.map(({ host }) => host), [
    "[::1]:5000",
    "docker.io",
    "localhost",
    "localhost:5000",
    "r.test",
  ]);
  // What dockerd cannot do, containerd can.
  await machineOf(
    host,
    "runtime: {engine: containerd, registries: {r.test: {mirrors: [https://m.test/path]}}}",
  );
});

Deno.test("checkRegistries() refuses a file of the user's in the place of logins", async () => {
  await using host = await makeTestHost();
  const files = "files: [{path: /root/.docker/config.json, content: x}]";
  const problems = await problemsOf(host, `runtime: {registries: {r.test: {credentials: host}}}\n${files}`);
  assert.deepEqual(problems.map(({ path }) => path), ["files[0].path"]);
  assert.match(problems[0]!.message, /gets the logins/);
});
