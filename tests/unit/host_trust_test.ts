import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import { derBlocks, holdsPrivateKey, readCertificate } from "../../lib/host/certificates.ts";
import { trustFromKeychains, trustOfLinux } from "../../lib/host/trust.ts";
import { EXPIRED, ISSUING, LEAF, OTHER, ROOT } from "./certificates_fixture.ts";
import { inFolder } from "./folder_fixture.ts";

/** What a host with these files trusts beyond its distribution's set. */
async function trustOf(files: Readonly<Record<string, string | Uint8Array>>) {
  return await inFolder("trust-", async (root) => {
    for (const [path, content] of Object.entries(files)) {
      await Deno.mkdir(dirname(root + path), { recursive: true });
      await Deno.writeFile(
        root + path,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    }
    const { authorities, leftOut, unreadable } = await trustOfLinux({ root });
    return {
      names: authorities.map(({ subject }) => subject).sort(),
      leftOut: leftOut.map(({ subject, reason }) => `${subject}: ${reason}`),
      unreadable: unreadable.map(({ source }) => source.slice(root.length)),
    };
  });
}

const NOTHING_ELSE = { leftOut: [], unreadable: [] };

Deno.test("trustOfLinux() finds what Debian's bundle has beyond Debian's set", async () => {
  const found = await trustOf({
    "/usr/share/ca-certificates/mozilla/Other.crt": OTHER,
    "/etc/ssl/certs/ca-certificates.crt": `# comment\n${OTHER}${ROOT}`,
  });
  assert.deepEqual(found, { names: ["Corp Root CA"], ...NOTHING_ELSE });
});

Deno.test("trustOfLinux() takes a bundle for nobody's own where there is no set to hold it against", async () => {
  assert.deepEqual(await trustOf({ "/etc/ssl/certs/ca-certificates.crt": ROOT }), {
    names: [],
    ...NOTHING_ELSE,
  });
});

Deno.test("trustOfLinux() reads the administrator's folder of every distribution, once each", async () => {
  const folders = [
    "/usr/local/share/ca-certificates/sub",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
    "/etc/ca-certificates/trust-source/anchors",
  ];
  for (const folder of folders) {
    assert.deepEqual(
      (await trustOf({ [`${folder}/a.crt`]: ROOT, [`${folder}/b.pem`]: ROOT + OTHER })).names,
      [
        "Corp Root CA",
        "Other CA",
      ],
    );
  }
});

Deno.test("trustOfLinux() reads DER, and OpenSSL's trusted form", async () => {
  const [der] = derBlocks(new TextEncoder().encode(ROOT));
  const trusted = Buffer.concat([derBlocks(new TextEncoder().encode(OTHER))[0]!, Buffer.from([0x30, 0])]);
  const found = await trustOf({
    "/etc/pki/trust/anchors/a.der": der!,
    "/etc/pki/trust/anchors/b.pem": `-----BEGIN TRUSTED CERTIFICATE-----\n${
      trusted.toString("base64")
    }\n-----END TRUSTED CERTIFICATE-----\n`,
  });
  assert.deepEqual(found, { names: ["Corp Root CA", "Other CA"], ...NOTHING_ELSE });
});

Deno.test("trustOfLinux() leaves out what has expired and what is no authority, and says so", async () => {
  const found = await trustOf({
    "/usr/local/share/ca-certificates/a.crt": EXPIRED,
    "/usr/local/share/ca-certificates/b.crt": LEAF,
    "/usr/local/share/ca-certificates/c.crt": ROOT,
  });
  assert.deepEqual(found, {
    names: ["Corp Root CA"],
    leftOut: ["Old CA: it expired on 2021-01-01", "leaf.corp.test: it is no authority"],
    unreadable: [],
  });
});

Deno.test("trustOfLinux() tells what could not be read from what is not there", async () => {
  const found = await trustOf({
    "/usr/local/share/ca-certificates/a.crt": "-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n",
    "/etc/pki/trust/anchors": "a file where a folder belongs",
  });
  assert.deepEqual(found.names, []);
  assert.deepEqual(found.unreadable.sort(), [
    "/etc/pki/trust/anchors",
    "/usr/local/share/ca-certificates/a.crt",
  ]);
});

Deno.test("trustFromKeychains() takes the roots alone", () => {
  const { authorities, leftOut } = trustFromKeychains(ROOT + ISSUING, ROOT + EXPIRED);
  assert.deepEqual(authorities.map(({ subject }) => subject), ["Corp Root CA"]);
  assert.deepEqual(leftOut.map(({ subject }) => subject), ["Old CA"]);
});

Deno.test("readCertificate() gives the text that OpenSSL gives", () => {
  for (const pem of [ROOT, OTHER, ISSUING, LEAF, EXPIRED]) {
    assert.equal(readCertificate(derBlocks(new TextEncoder().encode(pem))[0]!).pem, pem);
  }
});

Deno.test("holdsPrivateKey() knows a key by its mark", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.ok(holdsPrivateKey(bytes("-----BEGIN PRIVATE KEY-----\n")));
  assert.ok(holdsPrivateKey(bytes(`${ROOT}-----BEGIN EC PRIVATE KEY-----\n`)));
  assert.ok(!holdsPrivateKey(bytes(ROOT)));
});
