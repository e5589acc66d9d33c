import assert from "node:assert/strict";
import { join } from "node:path";
import type { NetworkSettings } from "../../lib/config/types.ts";
import { derBlocks, readCertificate } from "../../lib/host/certificates.ts";
import { type HostProxy, isPlainAddress } from "../../lib/host/proxy.ts";
import {
  authoritiesInForce,
  maskedAddress,
  unusableProxy,
  wantedAuthorities,
  wantedProxy,
  wantedTrust,
} from "../../lib/resources/network_facts.ts";
import { EXPIRED, idOfPem, ISSUING, LEAF, OTHER, ROOT } from "./certificates_fixture.ts";
import { inFolder } from "./folder_fixture.ts";
import { machineOf, platformOf, worldOf } from "./resources_fixture.ts";

const ALWAYS = ["localhost", "127.0.0.0/8", "::1", "192.168.5.0/24"];
const NONE = { http: "", https: "", except: [] };

/** A world whose file says this of the network, on a host with these proxies. */
function world(proxy: Partial<NetworkSettings["proxy"]>, host: HostProxy = NONE) {
  const usual = worldOf();
  const network = { proxy: { inherit: true, except: [], ...proxy }, caCerts: { host: false, files: [] } };
  return worldOf({ machine: machineOf({ network }), host: { ...usual.host, proxy: host } });
}

Deno.test("wantedProxy() is the file's, then the host's where the file inherits", () => {
  const host = { http: "http://h:1", https: "http://h:2", except: [".h.test"] };
  const table = [
    [world({}), NONE],
    [world({}, host), { http: "http://h:1", https: "http://h:2", except: [".h.test", ...ALWAYS] }],
    [world({ inherit: false }, host), NONE],
    [world({ http: "http://f:1" }, host), {
      http: "http://f:1",
      https: "http://h:2",
      except: [".h.test", ...ALWAYS],
    }],
    [world({ http: "", https: "" }, host), NONE],
    [world({ https: "" }, host), { http: "http://h:1", https: "", except: [".h.test", ...ALWAYS] }],
    [world({ inherit: false, http: "http://f:1", except: ["z", "a", "::1"] }, host), {
      http: "http://f:1",
      https: "",
      except: ["a", "z", ...ALWAYS],
    }],
    [world({ except: ["a"] }), NONE],
    [worldOf({ machine: undefined }), NONE],
  ] as const;
  for (const [seen, expected] of table) assert.deepEqual(wantedProxy(seen), expected);
});

Deno.test("wantedProxy() leads what is on the host's loopback through the gateway", () => {
  const table = [
    ["http://127.0.0.1:3128", "http://192.168.5.2:3128"],
    ["http://127.8.9.1:1", "http://192.168.5.2:1"],
    ["http://localhost", "http://192.168.5.2"],
    ["http://ada:p@LOCALHOST:8", "http://ada:p@192.168.5.2:8"],
    ["https://[::1]:3128", "https://192.168.5.2:3128"],
    ["http://proxy.localhost:1", "http://192.168.5.2:1"],
    ["http://localhost.corp.test:1", "http://localhost.corp.test:1"],
    ["http://127.0.0.1.nip.test:1", "http://127.0.0.1.nip.test:1"],
    ["http://10.0.0.1:1", "http://10.0.0.1:1"],
  ] as const;
  for (const [written, expected] of table) {
    assert.equal(wantedProxy(world({ http: written })).http, expected);
    assert.equal(wantedProxy(world({}, { ...NONE, http: written })).http, expected);
  }
});

Deno.test("unusableProxy() names a proxy of the host's that is no http proxy, without its password", () => {
  const host = { ...NONE, http: "socks5://ada:secret@p:1" };
  assert.deepEqual(wantedProxy(world({}, host)), NONE);
  assert.match(unusableProxy(world({}, host))!, /"socks5:\/\/ada:\*\*\*@p:1"/);
  assert.equal(unusableProxy(world({ http: "" }, host)), undefined);
  assert.equal(unusableProxy(world({ inherit: false }, host)), undefined);
  assert.equal(unusableProxy(world({}, { ...NONE, http: "http://p:1" })), undefined);
});

Deno.test("isPlainAddress() takes what every program takes, and nothing that a shell would read", () => {
  for (
    const good of ["http://p", "http://p:1", "https://u@p:1", "http://u:p%40ss@[::1]:80", "http://10.0.0.1:1"]
  ) {
    assert.ok(isPlainAddress(good), good);
  }
  const bad = [
    "p:1",
    "socks5://p",
    "http://p/x",
    'http://a"b@p',
    "http://a`b@p",
    "http://a#b@p",
    "http://u:p@ss@p",
  ];
  for (const address of [...bad, "http://p:99999", "http://a\\b@p", "http://a'b@p", "http://"]) {
    assert.ok(!isPlainAddress(address), address);
  }
});

Deno.test("maskedAddress() hides the password alone", () => {
  assert.equal(maskedAddress("http://ada:s3cret@p.test:1"), "http://ada:***@p.test:1");
  assert.equal(maskedAddress("http://ada:s@cr:et@p.test"), "http://ada:***@p.test");
  assert.equal(maskedAddress("http://:only@p"), "http://:***@p");
  for (const plain of ["http://ada@p:1", "http://p:1", ""]) assert.equal(maskedAddress(plain), plain);
});

/** What the host trusts, of these certificates. */
function trusting(...pems: readonly string[]) {
  const authorities = pems.map((pem) => readCertificate(derBlocks(new TextEncoder().encode(pem))[0]!));
  return platformOf({ trust: () => Promise.resolve({ authorities, leftOut: [], unreadable: [] }) });
}

function worldWith(caCerts: NetworkSettings["caCerts"], ...host: readonly string[]) {
  const network = { proxy: { inherit: false, except: [] }, caCerts };
  return worldOf({ machine: machineOf({ network }), platform: trusting(...host) });
}

Deno.test("wantedAuthorities() are the host's and those of the files, each once, by their ids", async () => {
  await inFolder("trust-", async (folder) => {
    const file = join(folder, "corp.pem");
    await Deno.writeTextFile(file, `Corp\n${ROOT}${ISSUING}`);
    const both = await wantedAuthorities(worldWith({ host: true, files: [file] }, OTHER, ROOT));
    assert.deepEqual(both.map(({ id }) => id), [ROOT, ISSUING, OTHER].map(idOfPem).sort());
    assert.equal(both.find(({ subject }) => subject === "Corp Root CA")?.pem, ROOT);
    assert.deepEqual(await wantedAuthorities(worldWith({ host: false, files: [] }, OTHER)), []);
    assert.deepEqual(await wantedAuthorities(worldOf({ machine: undefined, platform: trusting(OTHER) })), []);
  });
});

Deno.test("wantedTrust() leaves out of a file what is no use, and says what it could not read", async () => {
  await inFolder("trust-", async (folder) => {
    const [mixed, useless, missing] = ["mixed.pem", "old.pem", "none.pem"].map((name) => join(folder, name));
    await Deno.writeTextFile(mixed!, ROOT + EXPIRED + LEAF);
    await Deno.writeTextFile(useless!, EXPIRED);
    const trust = await wantedTrust(worldWith({ host: false, files: [mixed!, useless!, missing!] }));
    assert.deepEqual(trust.authorities.map(({ subject }) => subject), ["Corp Root CA"]);
    assert.deepEqual(trust.leftOut.map(({ subject }) => subject), ["Old CA", "leaf.corp.test"]);
    assert.deepEqual(trust.unreadable.map(({ source }) => source), [useless, missing]);
  });
});

Deno.test("authoritiesInForce() believes its note of the same run, and the times of any other", () => {
  const [a, b] = [{ id: "a" }, { id: "b" }];
  const unit = { invocationId: "run1", startedMs: 2000 };
  const noted = (...ids: readonly string[]) => ({ invocationId: "run1", ids });
  const before = { invocationId: "run0", ids: ["a"] };
  const table = [
    ["nothing wanted, nothing loaded", [], { loaded: undefined, bundleMs: 9000 }, true],
    ["nothing wanted, nothing noted", [], { loaded: noted(), bundleMs: 9000 }, true],
    ["taken away since", [], { loaded: noted("a"), bundleMs: 1000 }, false],
    ["the same run has it", [a], { loaded: noted("a"), bundleMs: 9000 }, true],
    ["in any order", [b, a], { loaded: noted("a", "b"), bundleMs: 9000 }, true],
    ["the same run has it not", [a, b], { loaded: noted("a"), bundleMs: 1000 }, false],
    ["another run, later", [a], { loaded: before, bundleMs: 1000 }, true],
    ["another run, earlier", [a], { loaded: before, bundleMs: 3000 }, false],
    ["never ours, later", [a], { loaded: undefined, bundleMs: 1000 }, true],
    ["never ours, earlier", [a], { loaded: undefined, bundleMs: 3000 }, false],
    ["another run than that with what is gone, later", [], { loaded: before, bundleMs: 1000 }, true],
    ["another run than that with what is gone, earlier", [], { loaded: before, bundleMs: 3000 }, false],
  ] as const;
  for (const [name, wanted, seen, expected] of table) {
    assert.equal(authoritiesInForce(wanted, { unit, ...seen }), expected, name);
  }
});
