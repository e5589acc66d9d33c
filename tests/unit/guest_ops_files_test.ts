import assert from "node:assert/strict";
import { keptPath } from "../../lib/guest/op_script.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import { namesIn } from "./folder_fixture.ts";
import {
  counting,
  done,
  file,
  inFolderGuest,
  modeOf,
  startedPrograms,
  textOf,
  write,
} from "./guest_folder_fixture.ts";

const CONTENTS: readonly string[] = [
  "",
  "no end of line",
  'it\'s\n"quoted" $HOME `id` $(id) \\ \\n %s %% \t\n',
  "grüße\r\n",
  "-n",
  "'\n'",
  "@@machine-files\n",
  "EOF\n@@machine-files",
  "x".repeat(200_000),
];

const NAMES: readonly string[] = [
  "plain",
  "with space",
  "it's",
  "\"both'",
  "new\nline",
  "grüße-日本",
  "$HOME `id`",
  "-dash",
  "back\\slash",
  "per%cent",
  "*",
];

for (const content of CONTENTS) {
  Deno.test(`write: writes exactly ${JSON.stringify(content.slice(0, 60))}`, () =>
    inFolderGuest(async (guest) => {
      const path = guest.path("new folder/it's a file.conf");
      await done(guest, write(file(path, content, "0640")));
      assert.equal(await textOf(path), content);
      assert.equal(await modeOf(path), 0o640);
      assert.deepEqual(await namesIn(guest.path("new folder")), ["it's a file.conf"]);
    }));
}

for (const name of NAMES) {
  Deno.test(`write, keep, put-back and remove: a path called ${JSON.stringify(name)}`, () =>
    inFolderGuest(async (guest) => {
      const path = guest.path(`folder ${name}/${name}`);
      await Deno.mkdir(guest.path(`folder ${name}`));
      await Deno.writeTextFile(path, "before");
      await done(guest, { op: "keep", path }, write(file(path, "ours")));
      assert.equal(await textOf(path), "ours");
      await done(guest, { op: "put-back", path });
      assert.equal(await textOf(path), "before");
      await done(guest, { op: "drop-kept", path }, { op: "remove", path });
      assert.deepEqual(await namesIn(guest.path(`folder ${name}`)), []);
      assert.deepEqual(await namesIn(guest.own("before")), []);
    }));
}

Deno.test("write: bytes that are no text arrive as they are", () =>
  inFolderGuest(async (guest) => {
    const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
    await done(guest, write(file(guest.path("binary"), bytes)));
    assert.deepEqual(await Deno.readFile(guest.path("binary")), bytes);
  }));

Deno.test("write: 500 files in one go, by one process", () =>
  inFolderGuest(async (guest) => {
    const files = Array.from(
      { length: 500 },
      (_, index) => file(guest.path(`many/f${index % 10}/x${index}`), `${index}\n`),
    );
    guest.programs = await counting(guest, ["perl", "chmod", "chown", "mv", "cp"]);
    await done(guest, write(...files));
    for (const { path, content } of files) assert.equal(await textOf(path), content);
    assert.deepEqual(await startedPrograms(guest), ["perl"]);
  }));

Deno.test("write: one bad file among many is named, and those beside it are written", () =>
  inFolderGuest(async ({ path, control }) => {
    await Deno.mkdir(path("folder in the way"));
    const { ok, output } = await control.perform([
      write(
        file(path("a"), "a"),
        file(path("folder in the way"), "x"),
        { ...file(path("b"), "b"), owner: "nobody-of-that-name:root" },
        { ...file(path("c"), "c"), owner: "root:no-such-group" },
        file(path("d"), "d"),
      ),
      { op: "remove", path: path("a") },
    ]);
    assert.equal(ok, false);
    assert.deepEqual(output.split("\n"), [
      `${path("folder in the way")}: a folder stands there`,
      `${path("b")}: the guest has no user nobody-of-that-name`,
      `${path("c")}: the guest has no group no-such-group`,
    ]);
    assert.deepEqual(
      [await textOf(path("a")), await textOf(path("d"))],
      ["a", "d"],
      "the removal did not run",
    );
    assert.deepEqual(await namesIn(path("folder in the way")), []);
    assert.deepEqual(
      (await namesIn(path("."))).filter((name) => name.endsWith("part") || name === "b" || name === "c"),
      [],
    );
  }));

Deno.test("write: replaces a link, not what it leads to, and takes what a killed writer left", () =>
  inFolderGuest(async (guest) => {
    const { path } = guest;
    await Deno.writeTextFile(path("target"), "theirs");
    await Deno.symlink(path("target"), path("link"));
    await Deno.mkdir(path("folder"));
    await Deno.symlink(path("folder"), path("link to a folder"));
    await Deno.writeTextFile(path("link.machine-part"), "half of a longer text");
    await done(guest, write(file(path("link"), "ours"), file(path("link to a folder"), "ours")));
    assert.equal((await Deno.lstat(path("link"))).isSymlink, false);
    assert.deepEqual([await textOf(path("link")), await textOf(path("target"))], ["ours", "theirs"]);
    assert.equal(await textOf(path("link to a folder")), "ours");
    assert.equal(await textOf(path("link.machine-part")), undefined);
  }));

Deno.test({
  name: "write: owner by name and by number, and set-id bits, whatever the umask",
  ignore: Deno.uid() !== 0, // only root gives files away
  fn: () =>
    inFolderGuest(async (guest) => {
      const [named, numbered] = [guest.path("named"), guest.path("numbered")];
      await done(
        guest,
        write(
          { path: named, content: "x", mode: "4755", owner: "daemon:mail" },
          { path: numbered, content: "x", mode: "0666", owner: "12345:54321" },
        ),
      );
      const ids = async (path: string) => [(await Deno.stat(path)).uid, (await Deno.stat(path)).gid];
      assert.deepEqual(await ids(named), [1, 8]);
      assert.deepEqual(await ids(numbered), [12345, 54321]);
      assert.deepEqual([await modeOf(named), await modeOf(numbered)], [0o4755, 0o666]);
    }),
});

Deno.test("write: folders that it made go with put-back, those that were there stay", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.path("there"));
    const [one, two] = [guest.path("there/new/deep/one"), guest.path("there/new/two")];
    await done(guest, write(file(one, "1"), file(two, "2")));
    await done(guest, { op: "put-back", path: one });
    assert.deepEqual(await namesIn(guest.path("there/new")), ["two"], "another file of ours is in it");
    await done(guest, { op: "put-back", path: two });
    assert.deepEqual(await namesIn(guest.path("there")), []);
    assert.deepEqual(await namesIn(guest.own("made")), []);
  }));

Deno.test("write: a folder that it made and somebody uses stays", () =>
  inFolderGuest(async (guest) => {
    const path = guest.path("new/ours");
    await done(guest, write(file(path, "1")));
    await Deno.writeTextFile(guest.path("new/theirs"), "");
    await done(guest, { op: "put-back", path });
    assert.deepEqual(await namesIn(guest.path("new")), ["theirs"]);
  }));

Deno.test("keep: keeps the first that stood there, once; a link as a link, and nothing for nothing", () =>
  inFolderGuest(async (guest) => {
    const [path, link, none] = [guest.path("file"), guest.path("link"), guest.path("none")];
    await Deno.writeTextFile(path, "first");
    await Deno.chmod(path, 0o604);
    await Deno.utime(path, 1000, 1000);
    await Deno.symlink("nowhere", link);
    for (const [index, content] of ["ours", "ours too"].entries()) {
      await done(guest, ...[path, link, none].map((it): GuestOp => ({ op: "keep", path: it })));
      await done(guest, write(...[path, link, none].map((it) => file(it, `${content} ${index}`))));
      // From the second time on, what stands there is ours: whoever calls this does not keep it again.
      if (index === 0) await Deno.remove(none);
    }
    await done(guest, ...[path, link].map((it): GuestOp => ({ op: "put-back", path: it })));
    assert.equal(await textOf(path), "first");
    assert.equal(await modeOf(path), 0o604);
    assert.equal((await Deno.stat(path)).mtime?.getTime(), 1_000_000);
    assert.equal(await Deno.readLink(link), "nowhere");
    assert.equal(await modeOf(guest.own("before")), 0o700);
  }));

Deno.test("put-back: without anything kept the path becomes absent, twice the same as once", () =>
  inFolderGuest(async (guest) => {
    const path = guest.path("a b");
    await done(guest, write(file(path, "ours")));
    for (const _ of [1, 2]) {
      await done(guest, { op: "put-back", path });
      assert.equal(await textOf(path), undefined);
    }
    await done(guest, { op: "drop-kept", path });
  }));

Deno.test("drop-kept: forgets one and not its neighbour", () =>
  inFolderGuest(async (guest) => {
    const [one, two] = [guest.path("one"), guest.path("two")];
    for (const path of [one, two]) {
      await Deno.writeTextFile(path, path);
      await done(guest, { op: "keep", path });
    }
    await done(guest, { op: "drop-kept", path: one }, write(file(two, "ours")), {
      op: "put-back",
      path: two,
    });
    assert.equal(await textOf(two), two);
    assert.equal((await namesIn(guest.own("before"))).length, 1);
  }));

Deno.test("keptPath() is another one for every path", () => {
  const paths = ["/etc/motd", "/etc/motd ", "/etc/mot", "/etc//motd"];
  assert.equal(new Set(paths.map(keptPath)).size, paths.length);
});

for (const name of NAMES) {
  Deno.test(`make-folder and remove-folder: a folder called ${JSON.stringify(name)}`, () =>
    inFolderGuest(async (guest) => {
      const path = guest.path(`there/${name}/x`);
      await Deno.mkdir(guest.path("there"));
      for (const _ of [1, 2]) await done(guest, { op: "make-folder", path, remember: true });
      assert.ok((await Deno.stat(path)).isDirectory);
      for (const _ of [1, 2]) await done(guest, { op: "remove-folder", path });
      assert.deepEqual(await namesIn(guest.path("there")), []);
    }));
}

Deno.test("remove-folder: leaves what was there before us, what is not empty, and what was not remembered", () =>
  inFolderGuest(async (guest) => {
    const { path } = guest;
    await Deno.mkdir(path("before"));
    await done(
      guest,
      { op: "make-folder", path: path("before"), remember: true },
      { op: "make-folder", path: path("used"), remember: true },
      { op: "make-folder", path: path("plain"), mode: "0710" },
    );
    await Deno.writeTextFile(path("used/file"), "");
    for (const name of ["before", "used", "plain"]) {
      await done(guest, { op: "remove-folder", path: path(name) });
    }
    assert.deepEqual(await namesIn(guest.root), ["before", "plain", "used", "var"]);
    assert.equal(await modeOf(path("plain")), 0o710);
    await Deno.remove(path("used/file"));
    await done(guest, { op: "remove-folder", path: path("used") });
    assert.deepEqual(await namesIn(guest.root), ["before", "plain", "var"], "it was still known to be ours");
  }));

Deno.test("make-folder: a file in its place fails and stays", () =>
  inFolderGuest(async ({ control, path }) => {
    await Deno.writeTextFile(path("file"), "theirs");
    for (const remember of [{ remember: true } as const, {}]) {
      const { ok } = await control.perform([{ op: "make-folder", path: path("file"), ...remember }]);
      assert.equal(ok, false);
    }
    assert.equal(await textOf(path("file")), "theirs");
  }));
