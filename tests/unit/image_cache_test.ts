import assert from "node:assert/strict";
import { join } from "node:path";
import { findBaseImage, IMAGE_FILE_NAMES, imagesDir, readBaseImage } from "../../lib/image/cache.ts";
import { ensureBaseImage } from "../../lib/image/ensure.ts";
import { packagesFor } from "../../lib/image/packages.ts";
import { imageKey } from "../../lib/image/recipe.ts";
import type { Recipe } from "../../lib/image/types.ts";
import { listNames } from "../../lib/host/folders.ts";
import { lock } from "../../lib/host/lock.ts";

const RECIPE: Recipe = { name: "debian-13", arch: "x86_64", packages: packagesFor("docker") };

async function withCache(test: (cacheDir: string) => Promise<void>): Promise<void> {
  const cacheDir = await Deno.makeTempDir();
  try {
    await test(cacheDir);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
}

/** Puts a small image of the recipe into a cache. */
async function putImage(cacheDir: string): Promise<string> {
  const key = imageKey(RECIPE);
  const folder = join(imagesDir(cacheDir), key);
  await Deno.mkdir(folder, { recursive: true });
  for (const part of ["disk", "kernel", "initrd"] as const) {
    await Deno.writeTextFile(join(folder, IMAGE_FILE_NAMES[part]), "1234");
  }
  const meta = {
    formatVersion: 1,
    key,
    name: "debian-13",
    arch: "x86_64",
    digest: "d",
    commandLine: "rw",
    sizeMiB: 4096,
    builtAt: "2026-01-01T00:00:00Z",
    sizes: { disk: 4, kernel: 4, initrd: 4 },
    packages: { systemd: "257" },
  };
  await Deno.writeTextFile(join(folder, IMAGE_FILE_NAMES.meta), JSON.stringify(meta));
  return folder;
}

function ensure(cacheDir: string, lockTimeoutMs: number, texts: string[] = []) {
  return ensureBaseImage(RECIPE, { cacheDir, lockTimeoutMs, onProgress: (text) => texts.push(text) });
}

Deno.test("findBaseImage() finds nothing in an empty cache and writes nothing", () =>
  withCache(async (cacheDir) => {
    assert.equal(await findBaseImage(RECIPE, { cacheDir }), undefined);
    assert.deepEqual(await listNames(cacheDir), []);
  }));

Deno.test("findBaseImage() gives an image whose files have the recorded sizes", () =>
  withCache(async (cacheDir) => {
    const folder = await putImage(cacheDir);
    assert.deepEqual(await findBaseImage(RECIPE, { cacheDir }), {
      key: imageKey(RECIPE),
      name: "debian-13",
      arch: "x86_64",
      digest: "d",
      disk: join(folder, "disk.qcow2"),
      kernel: join(folder, "vmlinuz"),
      initrd: join(folder, "initrd"),
      commandLine: "rw",
      sizeMiB: 4096,
      builtAt: "2026-01-01T00:00:00Z",
    });
  }));

for (const part of ["disk", "kernel", "initrd"] as const) {
  Deno.test(`readBaseImage() does not take an image whose ${part} was cut short or is gone`, () =>
    withCache(async (cacheDir) => {
      const folder = await putImage(cacheDir);
      await Deno.writeTextFile(join(folder, IMAGE_FILE_NAMES[part]), "123");
      assert.equal(await readBaseImage(folder), undefined);
      await Deno.remove(join(folder, IMAGE_FILE_NAMES[part]));
      assert.equal(await readBaseImage(folder), undefined);
    }));
}

Deno.test("readBaseImage() does not take an image whose meta.json is half written", () =>
  withCache(async (cacheDir) => {
    const folder = await putImage(cacheDir);
    await Deno.writeTextFile(join(folder, IMAGE_FILE_NAMES.meta), '{"formatVersion": 1,');
    assert.equal(await readBaseImage(folder), undefined);
  }));

Deno.test("ensureBaseImage() takes no lock when the image is there", () =>
  withCache(async (cacheDir) => {
    await putImage(cacheDir);
    await Deno.writeTextFile(join(imagesDir(cacheDir), "lock"), "");
    using _other = await lock(join(imagesDir(cacheDir), "lock"), { command: "other", timeoutMs: 0 });
    assert.equal((await ensure(cacheDir, 0)).key, imageKey(RECIPE));
  }));

Deno.test("ensureBaseImage() waits for another builder and takes what it built", () =>
  withCache(async (cacheDir) => {
    await Deno.mkdir(imagesDir(cacheDir), { recursive: true });
    const other = await lock(join(imagesDir(cacheDir), "lock"), { command: "other", timeoutMs: 0 });
    const told = Promise.withResolvers<void>();
    const waiting = ensureBaseImage(RECIPE, {
      cacheDir,
      lockTimeoutMs: 20_000,
      onProgress: (text) => /Waiting for process \d+/.test(text) && told.resolve(),
    });
    await told.promise;
    await putImage(cacheDir);
    other[Symbol.dispose]();
    assert.equal((await waiting).key, imageKey(RECIPE));
  }));

Deno.test("ensureBaseImage() gives up with exit code 75 when another builder takes too long", () =>
  withCache(async (cacheDir) => {
    await Deno.mkdir(imagesDir(cacheDir), { recursive: true });
    using _other = await lock(join(imagesDir(cacheDir), "lock"), { command: "other", timeoutMs: 0 });
    await assert.rejects(ensure(cacheDir, 0), (error: { exitCode?: number }) => error.exitCode === 75);
  }));

Deno.test("imageKey() does not depend on the order of packages, and changes with each of them", () => {
  const key = imageKey(RECIPE);
  assert.equal(imageKey({ ...RECIPE, packages: [...RECIPE.packages].reverse() }), key);
  assert.notEqual(imageKey({ ...RECIPE, packages: RECIPE.packages.slice(1) }), key);
  assert.notEqual(imageKey({ ...RECIPE, arch: "aarch64" }), key);
  assert.match(key, /^debian-13-x86_64-[0-9a-f]{16}$/);
});
