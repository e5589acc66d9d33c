import assert from "node:assert/strict";
import { join } from "node:path";
import { artifactCache } from "../../lib/artifacts/cache.ts";
import { artifactNamed, releaseOf } from "../../lib/artifacts/catalogue.ts";
import { addToMirror, fetchRelease } from "../../lib/artifacts/fetch.ts";
import { isCached, verifyCache, verifyFolder } from "../../lib/artifacts/verify.ts";
import { UserError } from "../../lib/host/errors.ts";
import { hashFile, sha256 } from "../../lib/host/files.ts";
import { fetchOptions, noise, putRelease, serveMirror, sha512, withFolder } from "./artifacts_fixture.ts";

const RELEASE = releaseOf(artifactNamed("cni-plugin-flannel"), { arch: "x86_64" });
const CONTENT = noise(300_000);

/** Runs with a mirror on the network whose folder holds the release, told by SHA-512. */
async function withMirror(
  work: (at: { folder: string; web: string; mirror: ReturnType<typeof serveMirror> }) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const web = join(folder, "web");
    await putRelease(web, RELEASE, CONTENT);
    await using mirror = serveMirror(web);
    await work({ folder, web, mirror });
  });
}

Deno.test("hashFile() hashes by both algorithms", () =>
  withFolder(async (folder) => {
    const path = join(folder, "file");
    await Deno.writeFile(path, CONTENT);
    assert.equal(await hashFile(path, { algorithm: "sha256" }), sha256(CONTENT));
    assert.equal(await hashFile(path, { algorithm: "sha512" }), sha512(CONTENT));
  }));

Deno.test("a release that is told by SHA-512 is fetched, kept by that, and found again", () =>
  withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    const found = await fetchRelease(RELEASE, options);
    assert.equal(found.digest, sha512(CONTENT));
    assert.equal(found.path, join(folder, "cache/artifacts/sha512", sha512(CONTENT)));
    assert.deepEqual(await Deno.readFile(found.path), CONTENT);
    assert.equal(await isCached(RELEASE, options), true);
    const asked = mirror.asked.length;
    assert.equal((await fetchRelease(RELEASE, options)).wasCached, true);
    assert.equal(mirror.asked.length, asked, "nothing is asked of the mirror again");
    assert.deepEqual((await verifyCache(options.cacheDir)).map(({ state }) => state), ["good"]);
  }));

Deno.test("a release that is told by SHA-512 goes on where a mirror has died", () =>
  withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    mirror.manners.breaksAfter = 100_000;
    await assert.rejects(fetchRelease(RELEASE, options), UserError);
    mirror.manners.breaksAfter = undefined;
    const found = await fetchRelease(RELEASE, options);
    assert.deepEqual(await Deno.readFile(found.path), CONTENT);
    assert.equal(mirror.asked.at(-1)!.range, "bytes=100000-");
  }));

Deno.test("a release whose SHA-512 is wrong is not taken, and one that was damaged is fetched again", () =>
  withMirror(async ({ folder, web, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    const found = await fetchRelease(RELEASE, options);
    await Deno.writeFile(found.path, noise(300_000, 2));
    assert.deepEqual((await verifyCache(options.cacheDir)).map(({ state }) => state), ["damaged"]);
    assert.equal((await fetchRelease(RELEASE, options)).wasCached, false);
    assert.deepEqual(await Deno.readFile(found.path), CONTENT);
    await Deno.remove(artifactCache(options.cacheDir).root, { recursive: true });
    await Deno.writeFile(join(web, RELEASE.path), noise(300_000, 2));
    await assert.rejects(fetchRelease(RELEASE, options), (error) => {
      assert.ok(error instanceof UserError);
      assert.ok(error.message.endsWith(`should be ${sha512(CONTENT)}`), error.message);
      assert.ok(error.message.includes(sha512(noise(300_000, 2))), error.message);
      return true;
    });
  }));

Deno.test("addToMirror() and verifyFolder() know releases by SHA-512", () =>
  withMirror(async ({ folder, mirror }) => {
    const copy = join(folder, "copy");
    const found = await fetchRelease(RELEASE, fetchOptions(folder, mirror.url));
    await addToMirror(found, copy);
    const states = async () => (await verifyFolder(copy, [RELEASE])).map(({ state }) => state);
    assert.deepEqual(await states(), ["good"]);
    const file = join(copy, RELEASE.path);
    await Deno.writeFile(file, noise(300_000, 2));
    assert.deepEqual(await states(), ["damaged"]);
    await addToMirror(found, copy);
    assert.deepEqual(await Deno.readFile(file), CONTENT, "of the same length, and yet another one");
    assert.deepEqual(await states(), ["good"]);
  }));
