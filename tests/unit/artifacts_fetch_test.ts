import assert from "node:assert/strict";
import { join } from "node:path";
import { artifactCache } from "../../lib/artifacts/cache.ts";
import { releaseOf } from "../../lib/artifacts/catalogue.ts";
import { addToMirror, fetchRelease } from "../../lib/artifacts/fetch.ts";
import { isCached, verifyCache, verifyFolder } from "../../lib/artifacts/verify.ts";
import { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import {
  CLUSTER,
  fetchOptions,
  noise,
  putRelease,
  RELEASE,
  serveMirror,
  withFolder,
} from "./artifacts_fixture.ts";

const CONTENT = noise(300_000);
const DIGEST = sha256(CONTENT);

/** Runs with a mirror on the network whose folder holds the release. */
async function withMirror(
  work: (at: { folder: string; mirror: ReturnType<typeof serveMirror> }) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    await putRelease(join(folder, "web"), RELEASE, CONTENT);
    await using mirror = serveMirror(join(folder, "web"));
    await work({ folder, mirror });
  });
}

/** What a fetch fails with. @throws AssertionError when it does not, or not for a user to read */
async function failureOf(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof UserError, String(error));
  return error;
}

Deno.test("fetchRelease() brings a release into the cache by its digest, once", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const said: number[] = [];
    const options = fetchOptions(folder, mirror.url, {
      onProgress: (_text, fraction) => fraction !== undefined && said.push(fraction),
    });
    const first = await fetchRelease(RELEASE, options);
    assert.equal(first.digest, DIGEST);
    assert.equal(first.wasCached, false);
    assert.deepEqual(await Deno.readFile(first.path), CONTENT);
    assert.equal((await Deno.stat(first.path)).mode! & 0o777, 0o600);
    assert.equal(said.at(-1), 1);
    assert.deepEqual(said, said.toSorted((a, b) => a - b));
    const asked = mirror.asked.length;
    const second = await fetchRelease(RELEASE, options);
    assert.deepEqual({ ...second, wasCached: false }, first);
    assert.equal(second.wasCached, true);
    assert.equal(mirror.asked.length, asked, "nothing is asked of the mirror again");
  });
});

Deno.test("fetchRelease() goes on where a mirror has died", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    mirror.manners.breaksAfter = 100_000;
    const error = await failureOf(fetchRelease(RELEASE, options));
    assert.match(error.message, /^The download of http:.* broke off after 0\.1 of 0\.3 MiB: /);
    assert.match(error.hint ?? "", /goes on where this one has stopped/);
    assert.equal(await isCached(RELEASE, options), false);
    mirror.manners.breaksAfter = undefined;
    const found = await fetchRelease(RELEASE, options);
    assert.deepEqual(await Deno.readFile(found.path), CONTENT);
    assert.equal(mirror.asked.at(-1)!.range, "bytes=100000-");
    assert.deepEqual(await leftovers(folder), [DIGEST]);
  });
});

Deno.test("fetchRelease() starts over with a mirror that knows no ranges", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    mirror.manners.breaksAfter = 100_000;
    await failureOf(fetchRelease(RELEASE, options));
    mirror.manners.breaksAfter = undefined;
    mirror.manners.ranges = false;
    const found = await fetchRelease(RELEASE, options);
    assert.deepEqual(await Deno.readFile(found.path), CONTENT);
    assert.deepEqual(await leftovers(folder), [DIGEST]);
  });
});

Deno.test("fetchRelease() starts over when the mirror's file is another one now, or has no tag", async () => {
  for (const tag of ['"two"', undefined]) {
    await withMirror(async ({ folder, mirror }) => {
      const options = fetchOptions(folder, mirror.url);
      if (tag === undefined) mirror.manners.etag = undefined;
      mirror.manners.breaksAfter = 100_000;
      await failureOf(fetchRelease(RELEASE, options));
      mirror.manners.breaksAfter = undefined;
      mirror.manners.etag = tag;
      const found = await fetchRelease(RELEASE, options);
      assert.deepEqual(await Deno.readFile(found.path), CONTENT);
      assert.equal(mirror.asked.at(-1)!.range, tag === undefined ? null : "bytes=100000-");
    });
  }
});

Deno.test("fetchRelease() fetches all of it anew when what it went on with turns out wrong", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    mirror.manners.breaksAfter = 100_000;
    await failureOf(fetchRelease(RELEASE, options));
    mirror.manners.breaksAfter = undefined;
    const part = artifactCache(options.cacheDir).part(DIGEST);
    await Deno.writeFile(part, noise(100_000, 9));
    const found = await fetchRelease(RELEASE, options);
    assert.deepEqual(await Deno.readFile(found.path), CONTENT);
    assert.deepEqual(mirror.asked.slice(-2).map(({ range }) => range), ["bytes=100000-", null]);
  });
});

Deno.test("fetchRelease() gives a silent mirror up", async () => {
  await withMirror(async ({ folder, mirror }) => {
    mirror.manners.hangsAfter = 50_000;
    const error = await failureOf(fetchRelease(RELEASE, fetchOptions(folder, mirror.url, { stallMs: 100 })));
    assert.match(error.message, /broke off after 0\.0 of 0\.3 MiB: nothing came for 0\.1 s$/);
  });
});

Deno.test("fetchRelease() ends with the signal's reason and keeps what has come", async () => {
  await withMirror(async ({ folder, mirror }) => {
    mirror.manners.hangsAfter = 50_000;
    const stop = new AbortController();
    const options = fetchOptions(folder, mirror.url, {
      signal: stop.signal,
      onProgress: (_text, fraction) => fraction !== undefined && stop.abort(new Error("enough")),
    });
    await assert.rejects(fetchRelease(RELEASE, options), /^Error: enough$/);
    const part = artifactCache(options.cacheDir).part(DIGEST);
    assert.ok((await Deno.stat(part)).size > 0);
    mirror.manners.hangsAfter = undefined;
    const { onProgress: _none, signal: _gone, ...again } = options;
    await fetchRelease(RELEASE, again);
    assert.match(mirror.asked.at(-1)!.range ?? "", /^bytes=[1-9]\d*-$/);
  });
});

Deno.test("fetchRelease() takes nothing whose checksum is wrong", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    await Deno.writeFile(join(folder, "web", RELEASE.path), noise(300_000, 2));
    const error = await failureOf(fetchRelease(RELEASE, options));
    assert.match(
      error.message,
      new RegExp(`^The checksum of http:.* is wrong: it is .*should be ${DIGEST}$`),
    );
    assert.match(error.hint ?? "", /artifacts\.mirror/);
    assert.deepEqual(await leftovers(folder), []);
  });
});

Deno.test("fetchRelease() takes nothing without a checksum, and does not even ask for it", async () => {
  for (const text of [undefined, `${DIGEST}  another-file\n${DIGEST}  third\n`, "no list at all\n"]) {
    await withMirror(async ({ folder, mirror }) => {
      const list = join(folder, "web", RELEASE.checksumPath);
      if (text === undefined) await Deno.remove(list);
      else await Deno.writeTextFile(list, text);
      const error = await failureOf(fetchRelease(RELEASE, fetchOptions(folder, mirror.url)));
      assert.match(
        error.message,
        text === undefined ? /SHA256SUMS does not exist$/ : /has no checksum of tool-1/,
      );
      assert.deepEqual(mirror.asked.map(({ path }) => path), [`/${RELEASE.checksumPath}`]);
    });
  }
});

Deno.test("fetchRelease() says which address is missing, and that nobody answers", async () => {
  await withMirror(async ({ folder, mirror }) => {
    await Deno.remove(join(folder, "web", RELEASE.path));
    const missing = await failureOf(fetchRelease(RELEASE, fetchOptions(folder, mirror.url)));
    assert.match(missing.message, /tool-1\.2\.3-linux-amd64\.tar\.gz answers 404 Not Found$/);
    await mirror[Symbol.asyncDispose]();
    const nobody = await failureOf(fetchRelease(RELEASE, fetchOptions(folder, `${mirror.url}/`)));
    assert.match(nobody.message, /SHA256SUMS cannot be reached: .*refused/i);
    assert.match(nobody.hint ?? "", /HTTPS_PROXY/);
  });
});

Deno.test("fetchRelease() fetches again what was damaged in the cache", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    const { path } = await fetchRelease(RELEASE, options);
    await Deno.writeFile(path, noise(300_000, 3));
    assert.equal((await verifyCache(options.cacheDir))[0]!.state, "damaged");
    const again = await fetchRelease(RELEASE, options);
    assert.equal(again.wasCached, false);
    assert.deepEqual(await Deno.readFile(path), CONTENT);
    assert.equal((await verifyCache(options.cacheDir))[0]!.state, "good");
  });
});

Deno.test("fetchRelease() uses a mirror's own login, and names it in no message and no file", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const address = mirror.url.replace("http://", "http://ada:s%40cret@");
    await fetchRelease(RELEASE, fetchOptions(folder, address));
    assert.equal(mirror.asked.at(-1)!.login, `Basic ${btoa("ada:s@cret")}`);
    await Deno.remove(join(folder, "web", RELEASE.checksumPath));
    await Deno.remove(join(folder, "cache", "artifacts", "sha256", DIGEST));
    const error = await failureOf(fetchRelease(RELEASE, fetchOptions(folder, address)));
    assert.doesNotMatch(error.message, /cret/);
    for await (const { name } of Deno.readDir(join(folder, "cache", "artifacts", "receipts"))) {
      assert.doesNotMatch(
        await Deno.readTextFile(join(folder, "cache", "artifacts", "receipts", name)),
        /cret/,
      );
    }
  });
});

Deno.test("fetchRelease() takes from a folder, also offline, and says what a folder lacks", async () => {
  await withFolder(async (folder) => {
    const mirror = join(folder, "mirror");
    const options = {
      ...fetchOptions(folder, mirror),
      settings: { mirror, offline: true },
    };
    const gone = await failureOf(fetchRelease(RELEASE, options));
    assert.match(gone.message, /^The folder of artifacts\.mirror does not exist: /);
    await putRelease(mirror, RELEASE, CONTENT);
    const found = await fetchRelease(RELEASE, options);
    assert.equal(found.digest, DIGEST);
    await Deno.remove(join(mirror, RELEASE.path));
    assert.equal((await fetchRelease(RELEASE, options)).wasCached, true);
    await Deno.remove(found.path);
    const lacking = await failureOf(fetchRelease(RELEASE, options));
    assert.match(lacking.message, /^tool-1\.2\.3-linux-amd64\.tar\.gz is not in the mirror: /);
  });
});

Deno.test("fetchRelease() takes nothing damaged from a folder", async () => {
  await withFolder(async (folder) => {
    await putRelease(folder, RELEASE, CONTENT);
    await Deno.writeFile(join(folder, RELEASE.path), CONTENT.subarray(1));
    const error = await failureOf(fetchRelease(RELEASE, fetchOptions(folder, folder)));
    assert.match(error.message, /^The checksum of .* is wrong/);
  });
});

Deno.test("fetchRelease() offline asks no network, and takes what was fetched before", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const online = fetchOptions(folder, mirror.url);
    const offline = { ...online, settings: { mirror: mirror.url, offline: true } };
    const error = await failureOf(fetchRelease(RELEASE, offline));
    assert.match(error.message, /is not in the cache, and artifacts\.offline forbids/);
    assert.match(error.hint ?? "", /machine artifacts fetch tool/);
    assert.deepEqual(mirror.asked, []);
    await fetchRelease(RELEASE, online);
    const asked = mirror.asked.length;
    assert.equal((await fetchRelease(RELEASE, offline)).wasCached, true);
    assert.equal(mirror.asked.length, asked);
  });
});

Deno.test("two fetches of one release at once fetch it once", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const options = fetchOptions(folder, mirror.url);
    const found = await Promise.all([fetchRelease(RELEASE, options), fetchRelease(RELEASE, options)]);
    assert.deepEqual(found.map(({ wasCached }) => wasCached).sort(), [false, true]);
    assert.equal(mirror.asked.filter(({ path }) => path === `/${RELEASE.path}`).length, 1);
  });
});

Deno.test("a release with a plus in its version is asked for by an encoded address", async () => {
  await withFolder(async (folder) => {
    const release = releaseOf(CLUSTER, { arch: "x86_64" });
    await putRelease(join(folder, "web"), release, CONTENT);
    await using mirror = serveMirror(join(folder, "web"));
    await fetchRelease(release, fetchOptions(folder, mirror.url));
    assert.deepEqual(mirror.asked.map(({ path }) => path), [
      "/corp/cluster/releases/download/v1.33.4+k3s1/sha256sum-amd64.txt",
      "/corp/cluster/releases/download/v1.33.4+k3s1/cluster",
    ]);
  });
});

Deno.test("addToMirror() makes a folder that is a mirror itself", async () => {
  await withMirror(async ({ folder, mirror }) => {
    const copy = join(folder, "copy");
    const found = await fetchRelease(RELEASE, fetchOptions(folder, mirror.url));
    assert.equal(await addToMirror(found, copy), join(copy, RELEASE.path));
    assert.equal((await verifyFolder(copy, [RELEASE]))[0]!.state, "good");
    const other = await fetchRelease(RELEASE, {
      settings: { mirror: copy, offline: true },
      cacheDir: join(folder, "other"),
    });
    assert.deepEqual(await Deno.readFile(other.path), CONTENT);
    await Deno.writeFile(join(copy, RELEASE.path), noise(300_000, 4));
    assert.equal((await verifyFolder(copy, [RELEASE]))[0]!.state, "damaged");
    await addToMirror(found, copy);
    assert.equal((await verifyFolder(copy, [RELEASE]))[0]!.state, "good");
    await Deno.writeTextFile(join(copy, RELEASE.checksumPath), "");
    assert.equal((await verifyFolder(copy, [RELEASE]))[0]!.state, "no checksum");
    await Deno.remove(join(copy, RELEASE.path));
    assert.equal((await verifyFolder(copy, [RELEASE]))[0]!.state, "absent");
  });
});

/** What lies in the cache's folder of contents. */
async function leftovers(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(join(folder, "cache", "artifacts", "sha256"))) names.push(name);
  return names.sort();
}
