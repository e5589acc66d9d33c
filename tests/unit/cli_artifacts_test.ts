import assert from "node:assert/strict";
import { join } from "node:path";
import { artifactNamed, CATALOGUE, type Release, releaseOf } from "../../lib/artifacts/catalogue.ts";
import { runArtifacts } from "../../lib/cli/artifacts.ts";
import type { ArtifactsCommand } from "../../lib/cli/command.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import { noise, putRelease, serveMirror } from "./artifacts_fixture.ts";
import { fakeContext, GLOBALS } from "./cli_fixture.ts";
import { withHome } from "./resources_fixture.ts";

const CONTENT = noise(200_000);
const RELEASE = releaseOf(artifactNamed("nerdctl"), { arch: "x86_64" });

const FETCH: ArtifactsCommand = { ...GLOBALS, kind: "artifacts", task: "fetch", words: [], to: undefined };

/** A home with a mirror's folder that holds nerdctl, and a machine file that takes it from there. */
async function withMirror(
  work: (at: { home: string; mirror: string; file: string }) => Promise<void>,
  engine = "containerd",
): Promise<void> {
  await withHome(async (home) => {
    const [mirror, file] = [join(home, "mirror"), join(home, "machine.yaml")];
    await putRelease(mirror, RELEASE, CONTENT);
    await writeFile(file, { mirror, engine });
    await work({ home, mirror, file });
  });
}

async function writeFile(
  file: string,
  { mirror, engine }: { mirror: string; engine: string },
): Promise<void> {
  const machine = { name: "dev", vm: { arch: "x86_64", accel: "tcg" }, mounts: [], runtime: engine };
  await Deno.writeTextFile(file, JSON.stringify({ ...machine, artifacts: { mirror } }));
}

/** Runs the command; gives its exit code and what it wrote. */
async function ran(command: Partial<ArtifactsCommand>, cwd = "/") {
  const { context, written, keyboard } = fakeContext(undefined, { cwd });
  const code = await runArtifacts({ ...FETCH, ...command }, context);
  return { code, ...written, keyboard };
}

Deno.test("machine artifacts list shows what the machines of the file need, and whether it is there", () =>
  withMirror(async ({ file, mirror }) => {
    const list = async () => JSON.parse((await ran({ task: "list", file, output: "json" })).out).artifacts;
    const others = CATALOGUE.filter(({ name }) => name !== "nerdctl");
    const row = ({ name, version, path, checksumPath }: Release) => ({
      name,
      version,
      arch: "x86_64",
      path,
      checksumPath,
      mirror,
      cached: false,
      needed: name === "nerdctl",
    });
    assert.deepEqual(
      await list(),
      [RELEASE, ...others.map((artifact) => releaseOf(artifact, { arch: "x86_64" }))].map(row),
    );
    assert.equal((await ran({ file })).code, EXIT.done);
    assert.equal((await list())[0].cached, true);
    const { out } = await ran({ task: "list", file });
    assert.match(out, /^NAME .*\nnerdctl +\d\S+ +x86_64 +yes +yes +containerd\/nerdctl\/releases\/.*\n/);
  }));

Deno.test("machine artifacts list shows the versions that a machine names", () =>
  withHome(async (home) => {
    const file = join(home, "machine.yaml");
    const cni = { network: "flannel", plugins: { version: "v1.6.0" } };
    const vm = { arch: "x86_64", accel: "tcg" };
    const runtime = { engine: "containerd", containerd: { nerdctl: false } };
    await Deno.writeTextFile(file, JSON.stringify({ name: "dev", vm, mounts: [], runtime, cni }));
    const { out } = await ran({ task: "list", file, output: "json" });
    const rows = JSON.parse(out).artifacts as readonly Record<string, unknown>[];
    assert.deepEqual(rows.map(({ name, version, arch, needed }) => [name, version, arch, needed]), [
      ["nerdctl", artifactNamed("nerdctl").version, "x86_64", false],
      ["cni-plugins", "1.6.0", "x86_64", true],
      ["cni-plugin-flannel", artifactNamed("cni-plugin-flannel").version, "x86_64", true],
    ]);
  }));

Deno.test("machine artifacts fetch brings what is needed, and says where it is", () =>
  withMirror(async ({ file, home }) => {
    const first = await ran({ file });
    assert.equal(first.out, `~/.cache/machine/artifacts/sha256/${sha256(CONTENT)}\n`);
    assert.match(first.err, /✓ nerdctl {2}fetched/);
    const second = await ran({ file, output: "json" });
    assert.match(second.err, /✓ nerdctl {2}was in the cache/);
    assert.deepEqual(JSON.parse(second.out).artifacts, [{
      name: "nerdctl",
      version: RELEASE.version,
      arch: "x86_64",
      file: join(home, ".cache/machine/artifacts/sha256", sha256(CONTENT)),
      digest: sha256(CONTENT),
      sizeBytes: CONTENT.length,
      wasCached: true,
    }]);
    assert.equal((await ran({ file, quiet: true })).err, "");
  }));

Deno.test("machine artifacts fetch brings nothing that no machine needs, unless it is named", () =>
  withMirror(async ({ file }) => {
    const none = await ran({ file });
    assert.deepEqual([none.code, none.out, none.err], [EXIT.done, "", "No artifact is needed\n"]);
    assert.match((await ran({ file, words: ["nerdctl"] })).out, /sha256/);
    await assert.rejects(
      ran({ file, words: ["nerdctll"] }),
      (error) =>
        error instanceof UserError && error.exitCode === EXIT.invalid && /"nerdctll"/.test(error.message),
    );
  }, "docker"));

Deno.test("machine artifacts fetch --to makes a mirror, which verify finds good until it is damaged", () =>
  withMirror(async ({ file, home }) => {
    const { out } = await ran({ file, to: "copy" }, home);
    assert.equal(out, `~/copy/${RELEASE.path}\n`);
    assert.equal((await ran({ task: "verify", words: ["copy"] }, home)).code, EXIT.done);
    await Deno.writeFile(join(home, "copy", RELEASE.path), noise(10));
    const bad = await ran({ task: "verify", words: ["copy"], output: "json" }, home);
    assert.equal(bad.code, EXIT.failed);
    assert.deepEqual(JSON.parse(bad.out).artifacts.map(({ state }: { state: string }) => state), ["damaged"]);
    const text = await ran({ task: "verify", words: ["copy"] }, home);
    assert.match(text.out, /^damaged +~\/copy +containerd/m);
    assert.match(text.err, /^1 of 1 cannot be used: machine artifacts fetch/);
    await assert.rejects(ran({ task: "verify", words: ["mirror/containerd"] }, home), /holds no release/);
  }));

Deno.test("machine artifacts verify compares the cache with its checksums", () =>
  withMirror(async ({ file, home }) => {
    assert.equal((await ran({ task: "verify" })).out, "Nothing was fetched yet.\n");
    await ran({ file });
    assert.equal((await ran({ task: "verify" })).code, EXIT.done);
    await Deno.writeFile(join(home, ".cache/machine/artifacts/sha256", sha256(CONTENT)), noise(10));
    assert.equal((await ran({ task: "verify" })).code, EXIT.failed);
    assert.match((await ran({ file })).err, /fetched/);
    assert.equal((await ran({ task: "verify" })).code, EXIT.done);
  }));

Deno.test("machine artifacts fetch ends at Ctrl-C, and goes on the next time", () =>
  withMirror(async ({ file, mirror }) => {
    await using web = serveMirror(mirror);
    await writeFile(file, { mirror: web.url, engine: "containerd" });
    web.manners.hangsAfter = 50_000;
    const { context, written, keyboard } = fakeContext();
    const press = { ...context, err: { ...context.err, write: (text: string) => pressAt(text) } };
    function pressAt(text: string): void {
      written.err += text;
      if (/%/.test(text)) keyboard.press();
    }
    const watch = setInterval(() => web.asked.length > 1 && keyboard.press(), 20);
    try {
      await assert.rejects(runArtifacts({ ...FETCH, file }, press), /^AbortError: Interrupted$/);
    } finally {
      clearInterval(watch);
    }
    assert.equal(keyboard.isTaken(), false);
    web.manners.hangsAfter = undefined;
    assert.equal((await ran({ file })).code, EXIT.done);
  }));
