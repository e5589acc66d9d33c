import assert from "node:assert/strict";
import { debianCodename, fetchOptions } from "../../lib/image/apt.ts";
import { UserError } from "../../lib/host/errors.ts";
import { findKeyring, imageSources, parseListFile, parseSourcesFile } from "../../lib/image/sources.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DEB822 = `# the host's own
Types: deb deb-src
URIs: http://mirror.test/debian
# a comment between fields
Suites: bookworm bookworm-updates bookworm-backports
Components: main
 contrib
Signed-By: ${KEYRING}

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
Signed-By: ${KEYRING}

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://vendor.test/linux/debian
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/vendor.asc
`;

function sourcesOf(host: { lists?: string[]; sources?: string[]; codename?: string }): string[] {
  return imageSources(
    { lists: host.lists ?? [], sources: host.sources ?? [], codename: host.codename },
    KEYRING,
  );
}

Deno.test("imageSources() keeps Debian's own deb822 entries and points them at the image's release", () => {
  assert.deepEqual(sourcesOf({ sources: [DEB822], codename: "bookworm" }), [
    `deb [signed-by=${KEYRING}] http://mirror.test/debian trixie main`,
    `deb [signed-by=${KEYRING}] http://mirror.test/debian trixie-updates main`,
    `deb [signed-by=${KEYRING}] http://mirror.test/debian-security trixie-security main`,
  ]);
});

Deno.test("imageSources() reads one-line entries and leaves vendors' out", () => {
  const list = [
    "deb http://cache.test:3142/debian bookworm main contrib # the mirror",
    "deb-src http://cache.test:3142/debian bookworm main",
    "#deb http://off.test/debian bookworm main",
    "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://vendor.test/linux/debian bookworm stable",
    "deb https://other.test/debian bookworm stable",
    "deb [trusted=yes] cdrom:[Debian]/ bookworm main",
  ].join("\n");
  assert.deepEqual(sourcesOf({ lists: [list], codename: "bookworm" }), [
    `deb [signed-by=${KEYRING}] http://cache.test:3142/debian trixie main`,
  ]);
});

Deno.test("imageSources() refuses a host that is no Debian, and says what to do", () => {
  assert.throws(
    () => sourcesOf({ sources: [DEB822] }),
    (error) => error instanceof UserError && /not Debian/.test(error.message) && error.hint !== undefined,
  );
});

Deno.test("imageSources() refuses a host whose only source is a vendor's", () => {
  const list = "deb [signed-by=/etc/apt/keyrings/v.gpg] https://vendor.test/debian bookworm main";
  assert.throws(() => sourcesOf({ lists: [list], codename: "bookworm" }), /no source for "bookworm"/);
});

Deno.test("parseSourcesFile() takes a key written into the stanza for a key that is not Debian's", () => {
  const text =
    "Types: deb\nURIs: http://v.test/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n";
  const [entry] = parseSourcesFile(text);
  assert.match(entry?.signedBy ?? "", /BEGIN/);
  assert.throws(() => sourcesOf({ sources: [text], codename: "bookworm" }));
});

Deno.test("parseListFile() reads options, components and comments", () => {
  assert.deepEqual(parseListFile("  deb [ signed-by=/k.gpg ] http://m.test/debian sid main contrib # x\n"), [
    { uri: "http://m.test/debian", suite: "sid", components: ["main", "contrib"], signedBy: "/k.gpg" },
  ]);
});

Deno.test("debianCodename() knows Debian and nothing made from it", () => {
  assert.equal(debianCodename('ID=debian\nVERSION_CODENAME="bookworm"\n'), "bookworm");
  assert.equal(debianCodename("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), undefined);
});

Deno.test("fetchOptions() keeps the proxy and leaves out which indexes the host wants", () => {
  const dump = [
    'Acquire "";',
    'Acquire::http::Proxy "http://proxy.test:8080";',
    'Acquire::Check-Valid-Until "false";',
    'Acquire::Languages:: "none";',
    'Acquire::IndexTargets::deb::Packages::MetaKey "x";',
  ].join("\n");
  assert.deepEqual(fetchOptions(dump), [
    'Acquire::http::Proxy "http://proxy.test:8080";',
    'Acquire::Check-Valid-Until "false";',
  ]);
});

Deno.test("findKeyring() names the package when Debian's keyring is missing", async () => {
  assert.equal(
    await findKeyring((path) => Promise.resolve(path.endsWith(".pgp"))),
    KEYRING.replace("gpg", "pgp"),
  );
  await assert.rejects(
    findKeyring(() => Promise.resolve(false)),
    (error) => error instanceof UserError && /debian-archive-keyring/.test(error.hint ?? ""),
  );
});
