import assert from "node:assert/strict";
import { join } from "node:path";
import {
  exists,
  readTextIfPresent,
  removeIfEmpty,
  removeIfPresent,
  renameDurably,
  sha256,
  sha256File,
  statIfPresent,
  truncateNew,
  writeAtomic,
} from "../../lib/host/files.ts";
import { writeThroughLinks } from "../../lib/host/linked_file.ts";
import { namesIn } from "./folder_fixture.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "files-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function modeOf(path: string): Promise<string> {
  return (((await Deno.stat(path)).mode ?? 0) & 0o777).toString(8);
}

Deno.test("writeAtomic() replaces a file with exactly the mode asked for", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "file");
    await writeAtomic(path, "one");
    assert.equal(await modeOf(path), "600");
    await writeAtomic(path, "two", 0o664); // more than the umask lets through
    assert.deepEqual([await Deno.readTextFile(path), await modeOf(path)], ["two", "664"]);
    await writeAtomic(path, new Uint8Array([0, 255]));
    assert.deepEqual([...await Deno.readFile(path)], [0, 255]);
  });
});

Deno.test("writeAtomic() that fails leaves the old content and nothing else", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "folder");
    await Deno.mkdir(join(path, "full"), { recursive: true });
    await assert.rejects(writeAtomic(path, "new"));
    assert.deepEqual(await namesIn(folder), ["folder"]);
    await assert.rejects(writeAtomic(join(folder, "nowhere", "file"), "new"), Deno.errors.NotFound);
  });
});

Deno.test("writeAtomic() shows a reader the old content or the new one, never a half", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "file");
    const [a, b] = ["a".repeat(1 << 20), "b".repeat(1 << 20)];
    await writeAtomic(path, a);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await writeAtomic(path, i % 2 === 0 ? b : a);
      writing = false;
    })();
    while (writing) {
      const text = await Deno.readTextFile(path);
      assert.ok(text === a || text === b, `${text.length} bytes, begins with ${text.slice(0, 5)}`);
    }
    await writer;
  });
});

Deno.test("readTextIfPresent() tells absent from unreadable", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "file"), "x");
    assert.equal(await readTextIfPresent(join(folder, "file")), "x");
    assert.equal(await readTextIfPresent(join(folder, "nowhere")), undefined);
    assert.equal(await readTextIfPresent(join(folder, "file", "below")), undefined);
    await assert.rejects(readTextIfPresent(folder));
  });
});

Deno.test("exists() follows links, statIfPresent() does not", async () => {
  await inFolder(async (folder) => {
    const link = join(folder, "link");
    await Deno.symlink("nowhere", link);
    assert.equal(await exists(link), false);
    assert.equal((await statIfPresent(link))?.isSymlink, true);
    assert.equal(await statIfPresent(join(folder, "nowhere")), undefined);
  });
});

Deno.test("writeThroughLinks() keeps the link and the target's mode", async () => {
  await inFolder(async (folder) => {
    const [target, link] = [join(folder, "dotfiles-config"), join(folder, "config")];
    await Deno.writeTextFile(target, "old");
    await Deno.chmod(target, 0o640);
    await Deno.symlink(target, link);
    await writeThroughLinks(link, "new", 0o600);
    assert.equal((await Deno.lstat(link)).isSymlink, true);
    assert.deepEqual([await Deno.readTextFile(target), await modeOf(target)], ["new", "640"]);
  });
});

Deno.test("writeThroughLinks() makes the file where a link leads to that has none yet", async () => {
  await inFolder(async (folder) => {
    const link = join(folder, "config");
    await Deno.symlink("dotfiles-config", link);
    await writeThroughLinks(link, "new", 0o600);
    assert.equal(await Deno.readLink(link), "dotfiles-config");
    assert.equal(await Deno.readTextFile(join(folder, "dotfiles-config")), "new");
  });
});

Deno.test("removeIfEmpty() removes no folder that holds something", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "a", "b"), { recursive: true });
    assert.equal(await removeIfEmpty(join(folder, "a")), false);
    assert.equal(await removeIfEmpty(join(folder, "a", "b")), true);
    assert.equal(await removeIfEmpty(join(folder, "a")), true);
    assert.equal(await removeIfEmpty(join(folder, "a")), true);
    await removeIfPresent(join(folder, "a"));
  });
});

Deno.test("truncateNew() makes a sparse file and never touches one that is there", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "disk");
    await truncateNew(path, 2 ** 30);
    const stat = await Deno.stat(path);
    assert.deepEqual([stat.size, stat.blocks, await modeOf(path)], [2 ** 30, 0, "600"]);
    await assert.rejects(truncateNew(path, 1), Deno.errors.AlreadyExists);
    await renameDurably(path, join(folder, "moved"), 0o400);
    assert.equal(await modeOf(join(folder, "moved")), "400");
  });
});

Deno.test("sha256File() gives what sha256() gives of the content", async () => {
  await inFolder(async (folder) => {
    const bytes = new Uint8Array(3 * 2 ** 20 + 17).map((_, index) => index % 251);
    await Deno.writeFile(join(folder, "file"), bytes);
    assert.equal(await sha256File(join(folder, "file")), sha256(bytes));
    assert.equal(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });
});

Deno.test("removeIfEmpty() removes an empty folder, and neither a full one nor a link to one", async () => {
  const root = await Deno.makeTempDir({ prefix: "files-" });
  try {
    for (const name of ["empty", "full", "behind"]) await Deno.mkdir(join(root, name));
    await Deno.writeTextFile(join(root, "full/file"), "");
    await Deno.symlink(join(root, "behind"), join(root, "link"));
    const gone = await Promise.all(
      ["empty", "full", "link", "absent"].map((name) => removeIfEmpty(join(root, name))),
    );
    assert.deepEqual(gone, [true, false, false, true]);
    assert.deepEqual((await namesIn(root)).sort(), ["behind", "full", "link"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
