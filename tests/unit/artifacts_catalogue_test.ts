import assert from "node:assert/strict";
import { join } from "node:path";
import {
  artifactNamed,
  CATALOGUE,
  neededBy,
  neededOf,
  type Needs,
  releaseOf,
} from "../../lib/artifacts/catalogue.ts";
import { algorithmOf, checksumOf } from "../../lib/artifacts/checksums.ts";
import { mirrorName, mirrorOf, placeIn } from "../../lib/artifacts/mirror.ts";
import { unpack } from "../../lib/artifacts/unpack.ts";
import type { Arch } from "../../lib/config/types.ts";
import { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import { archiveOf, CLUSTER, noise, TOOL, withFolder } from "./artifacts_fixture.ts";

const HEX = "a".repeat(64);
const OTHER = "B".repeat(64);
const LONG = "c".repeat(128);

Deno.test("releaseOf() fills in version and architecture", () => {
  assert.deepEqual(releaseOf(TOOL, { arch: "aarch64", version: "v2.0.0" }), {
    name: "tool",
    version: "2.0.0",
    arch: "aarch64",
    fileName: "tool-2.0.0-linux-arm64.tar.gz",
    path: "corp/tool/releases/download/v2.0.0/tool-2.0.0-linux-arm64.tar.gz",
    checksumPath: "corp/tool/releases/download/v2.0.0/SHA256SUMS",
  });
});

Deno.test("releaseOf() refuses an architecture without a release", () => {
  assert.throws(() => releaseOf(CLUSTER, { arch: "aarch64" }), /There is no release of cluster for aarch64/);
});

Deno.test("nerdctl is where its releases are", () => {
  const { path, checksumPath } = releaseOf(artifactNamed("nerdctl"), { arch: "x86_64", version: "2.2.2" });
  assert.equal(path, "containerd/nerdctl/releases/download/v2.2.2/nerdctl-full-2.2.2-linux-amd64.tar.gz");
  assert.equal(checksumPath, "containerd/nerdctl/releases/download/v2.2.2/SHA256SUMS");
});

Deno.test("artifactNamed() names what there is", () => {
  assert.throws(
    () => artifactNamed("nerdctll"),
    (error) =>
      error instanceof UserError &&
      error.hint === `There is: ${CATALOGUE.map(({ name }) => name).join(", ")}`,
  );
});

const CNI_ROWS: readonly (readonly [name: string, arch: Arch, path: string, checksums: string])[] = [
  [
    "cni-plugins",
    "x86_64",
    "containernetworking/plugins/releases/download/v1.7.1/cni-plugins-linux-amd64-v1.7.1.tgz",
    ".sha256",
  ],
  [
    "cni-plugins",
    "aarch64",
    "containernetworking/plugins/releases/download/v1.7.1/cni-plugins-linux-arm64-v1.7.1.tgz",
    ".sha256",
  ],
  [
    "cni-plugin-flannel",
    "x86_64",
    "flannel-io/cni-plugin/releases/download/v1.9.1-flannel1/cni-plugin-flannel-linux-amd64-v1.9.1.tgz",
    ".sha512",
  ],
  [
    "cni-plugin-flannel",
    "aarch64",
    "flannel-io/cni-plugin/releases/download/v1.9.1-flannel1/cni-plugin-flannel-linux-arm64-v1.9.1.tgz",
    ".sha512",
  ],
];
for (const [name, arch, path, ending] of CNI_ROWS) {
  Deno.test(`${name} is where its releases for ${arch} are`, () => {
    const version = name === "cni-plugins" ? "1.7.1" : "1.9.1-flannel1";
    const release = releaseOf(artifactNamed(name), { arch, version });
    assert.deepEqual([release.path, release.checksumPath], [path, `${path}${ending}`]);
  });
}

/** A machine as its needs say it. */
function needs(parts: {
  readonly engine?: string;
  readonly nerdctl?: boolean;
  readonly network?: string;
  readonly plugins?: Needs["cni"]["plugins"];
  readonly arch?: Arch;
} = {}): Needs {
  const { engine = "containerd", nerdctl = false, network = "bridge", arch = "x86_64" } = parts;
  const plugins = parts.plugins ?? { source: "package" };
  return {
    vm: { arch },
    runtime: { engine, containerd: { nerdctl } },
    cni: { network: { kind: network }, plugins },
  };
}

Deno.test("neededBy() wants nothing but with containerd, and of that what is switched on", () => {
  const names = (of: Needs) => neededBy(of).map(({ name }) => name);
  assert.deepEqual(names(needs()), []);
  assert.deepEqual(names(needs({ nerdctl: true })), ["nerdctl"]);
  const plugins = { source: "release" };
  assert.deepEqual(names(needs({ plugins })), ["cni-plugins"]);
  const all = { nerdctl: true, network: "flannel", plugins };
  assert.deepEqual(names(needs(all)), ["nerdctl", "cni-plugins", "cni-plugin-flannel"]);
  for (const engine of ["docker", "none"]) assert.deepEqual(names(needs({ ...all, engine })), []);
});

Deno.test("neededBy() takes the version that is wanted, for the machine's own architecture", () => {
  const plugins = { source: "release", version: "1.6.0" };
  const found = neededBy(needs({ nerdctl: true, network: "flannel", plugins, arch: "aarch64" }));
  assert.deepEqual(found.map(({ name, version, arch }) => `${name} ${version} ${arch}`), [
    `nerdctl ${artifactNamed("nerdctl").version} aarch64`,
    "cni-plugins 1.6.0 aarch64",
    `cni-plugin-flannel ${artifactNamed("cni-plugin-flannel").version} aarch64`,
  ]);
});

Deno.test("neededOf() gives the release of one artifact, and none where it is not needed", () => {
  const plugins = { source: "release", version: "1.6.0" };
  assert.equal(neededOf("cni-plugins", needs({ plugins }))?.version, "1.6.0");
  assert.equal(neededOf("cni-plugin-flannel", needs({ plugins })), undefined);
  assert.equal(neededOf("nerdctl", needs({ plugins })), undefined);
});

Deno.test("checksumOf() reads the lists that releases have", () => {
  const cases: readonly (readonly [text: string, hex: string | undefined])[] = [
    [`${HEX}  file\n${OTHER}  file.asc\n`, HEX],
    [`${OTHER} *dist/file\n`, OTHER.toLowerCase()],
    [`${HEX}  file\r\n`, HEX],
    [`${OTHER}\n`, OTHER.toLowerCase()],
    [`${LONG}  file\n`, LONG],
    [`${OTHER}${OTHER} *./file\n`, `${OTHER}${OTHER}`.toLowerCase()],
    [`${HEX}  other\n${LONG}  file\n`, LONG],
    [`${LONG}\n`, LONG],
    [`${LONG}  another\n`, undefined],
    [`${"a".repeat(96)}  file\n`, undefined],
    [`${"a".repeat(40)}\n`, undefined],
    [`${HEX}  another\n`, undefined],
    [`${HEX}\n${OTHER}\n`, undefined],
    [`${HEX.slice(1)}  file\n`, undefined],
    ["<html>Not found</html>", undefined],
    ["", undefined],
  ];
  for (const [text, hex] of cases) assert.equal(checksumOf("file", text), hex, text);
});

Deno.test("algorithmOf() knows digests by their length", () => {
  assert.equal(algorithmOf(OTHER), "sha256");
  assert.equal(algorithmOf(LONG), "sha512");
  for (const none of ["", HEX.slice(1), `${HEX}a`, "g".repeat(64), "a".repeat(96)]) {
    assert.equal(algorithmOf(none), undefined, none);
  }
});

Deno.test("mirrorOf() tells folders from addresses and takes the login out of one", () => {
  assert.deepEqual(mirrorOf({ mirror: "/srv/mirror", offline: false }), {
    kind: "folder",
    folder: "/srv/mirror",
  });
  assert.deepEqual(mirrorOf({ mirror: "https://mirror.test/a/", offline: false }), {
    kind: "web",
    base: "https://mirror.test/a",
  });
  const secret = mirrorOf({ mirror: "https://ada:pw@mirror.test", offline: false });
  assert.equal(mirrorName(secret), "https://mirror.test");
  assert.equal(placeIn(secret, "a+b/c d"), "https://mirror.test/a%2Bb/c%20d");
  assert.equal(placeIn(mirrorOf({ mirror: "/srv", offline: true }), "a+b/c"), "/srv/a+b/c");
});

Deno.test("unpack() takes the named files out of an archive, and removes them afterwards", async () => {
  await withFolder(async (folder) => {
    const big = noise(700_000);
    const small = new TextEncoder().encode("small\n");
    const archive = join(folder, "a.tar.gz");
    await Deno.writeFile(
      archive,
      await archiveOf({ "bin/other": noise(9000, 2), "./bin/big": big, "bin/small": small }),
    );
    let paths: string[] = [];
    {
      await using unpacked = await unpack(archive, ["bin/small", "bin/big"]);
      assert.deepEqual(
        unpacked.members.map(({ name, sizeBytes, digest }) => [name, sizeBytes, digest]),
        [["bin/big", big.length, sha256(big)], ["bin/small", small.length, sha256(small)]],
      );
      paths = unpacked.members.map(({ path }) => path);
      assert.deepEqual(await Deno.readFile(paths[0]!), big);
    }
    for (const path of paths) await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("unpack() says what an archive lacks, and that it is none", async () => {
  await withFolder(async (folder) => {
    const archive = join(folder, "a.tar.gz");
    const whole = await archiveOf({ "bin/big": noise(200_000) });
    await Deno.writeFile(archive, whole);
    await assert.rejects(unpack(archive, ["bin/big", "bin/none"]), /a\.tar\.gz has no bin\/none$/);
    await Deno.writeFile(archive, whole.subarray(0, 100_000));
    await assert.rejects(unpack(archive, ["bin/big"]), /is no archive that can be read: /);
    await Deno.writeFile(archive, noise(5000));
    await assert.rejects(unpack(archive, ["bin/big"]), /is no archive that can be read: /);
  });
});
