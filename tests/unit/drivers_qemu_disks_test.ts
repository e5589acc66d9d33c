import assert from "node:assert/strict";
import { join } from "node:path";
import {
  furtherDiskLabel,
  growOverlay,
  growRawDisk,
  makeDataDisk,
  makeOverlay,
  makeRawDisk,
  readOverlay,
  readRawDisk,
} from "../../lib/drivers/qemu/disks.ts";
import { run, runOrThrow } from "../../lib/host/process.ts";
import { namesIn } from "./folder_fixture.ts";

const UUID = "0b9a6c1e-7d8f-4a2b-9c3d-123456789abc";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "disks, with 'odd' name-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("makeDataDisk() makes a sparse ext4 disk whose UUID readRawDisk() reads back", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "data.raw");
    assert.equal(await readRawDisk(path), undefined);
    await makeDataDisk(path, 20 * 1024, UUID);
    const disk = await readRawDisk(path);
    assert.ok(disk);
    assert.equal(disk.sizeMiB, 20 * 1024);
    assert.equal(disk.filesystemMiB, 20 * 1024);
    assert.equal(disk.uuid, UUID);
    assert.ok(disk.usedMiB < 100, `${disk.usedMiB} MiB of 20 GiB are taken`);
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    assert.match(await runOrThrow(["/sbin/tune2fs", "-l", path]), new RegExp(`UUID: +${UUID}`));
    assert.deepEqual(await namesIn(folder), ["data.raw"]);
  });
});

Deno.test("makeRawDisk() labels a further disk by as much of its name as ext4 keeps", async () => {
  await inFolder(async (folder) => {
    for (
      const [name, label] of [["scratch", "machine-scratch"], ["scratch-space", "machine-scratch-"]] as const
    ) {
      const path = join(folder, `${name}.raw`);
      await makeRawDisk(path, { sizeMiB: 256, uuid: UUID, label: furtherDiskLabel(name) });
      assert.equal((await runOrThrow(["/sbin/e2label", path])).trim(), label);
      assert.equal((await readRawDisk(path))?.uuid, UUID);
    }
  });
});

Deno.test("makeDataDisk() replaces what a crash left of a former try", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "data.raw");
    await Deno.writeTextFile(`${path}.part`, "half");
    await makeDataDisk(path, 256, UUID);
    assert.deepEqual(await namesIn(folder), ["data.raw"]);
  });
});

Deno.test("growRawDisk() grows disk and filesystem and keeps the UUID", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "data.raw");
    await makeDataDisk(path, 256, UUID);
    await growRawDisk(path, 1024);
    const disk = await readRawDisk(path);
    assert.deepEqual([disk?.sizeMiB, disk?.filesystemMiB, disk?.uuid], [1024, 1024, UUID]);
    assert.equal((await run(["/sbin/e2fsck", "-f", "-n", path])).code, 0);
  });
});

Deno.test("readRawDisk() tells a filesystem that did not grow with its disk, and growRawDisk() finishes it", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "data.raw");
    await makeDataDisk(path, 256, UUID);
    await Deno.truncate(path, 1024 * 2 ** 20); // as far as a killed command came
    const cut = await readRawDisk(path);
    assert.deepEqual([cut?.sizeMiB, cut?.filesystemMiB], [1024, 256]);
    await growRawDisk(path, 1024);
    assert.equal((await readRawDisk(path))?.filesystemMiB, 1024);
  });
});

Deno.test("readRawDisk() refuses a file that holds no ext4, rather than making it anew", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "data.raw");
    await Deno.writeFile(path, new Uint8Array(4096));
    await assert.rejects(readRawDisk(path), /holds no ext4 filesystem/);
    await Deno.writeTextFile(path, "short");
    await assert.rejects(readRawDisk(path), /holds no ext4 filesystem/);
  });
});

Deno.test("makeOverlay() makes a qcow2 on its base, which growOverlay() enlarges", async () => {
  await inFolder(async (folder) => {
    const [base, path] = [join(folder, "base.qcow2"), join(folder, "disk.qcow2")];
    await runOrThrow(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"]);
    assert.equal(await readOverlay(path), undefined);
    await makeOverlay(path, base, 2048);
    assert.deepEqual(await readOverlay(path), { sizeMiB: 2048, backing: base });
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    await growOverlay(path, 4096);
    assert.deepEqual(await readOverlay(path), { sizeMiB: 4096, backing: base });
    await Deno.remove(base);
    assert.equal(
      (await readOverlay(path))?.backing,
      base,
      "readable without its base, to say that it is gone",
    );
    assert.deepEqual(await namesIn(folder), ["disk.qcow2"]);
  });
});

Deno.test("makeOverlay() leaves nothing in place when it fails", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "disk.qcow2");
    await assert.rejects(makeOverlay(path, join(folder, "nowhere"), 2048), /qemu-img failed/);
    assert.equal(await readOverlay(path), undefined);
  });
});
