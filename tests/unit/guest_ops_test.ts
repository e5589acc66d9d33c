import assert from "node:assert/strict";
import { join } from "node:path";
import type { GuestFileContent, GuestOp } from "../../lib/guest/ops.ts";
import { keptPath, opsScript, sysctlPath } from "../../lib/guest/op_script.ts";
import { run } from "../../lib/host/process.ts";
import { namesIn } from "./folder_fixture.ts";
import { type FolderGuest, inFolderGuest, modeOf, textOf } from "./guest_folder_fixture.ts";

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

/** Does operations and expects them to succeed. */
async function done({ control }: FolderGuest, ...ops: readonly GuestOp[]): Promise<string> {
  const result = await control.perform(ops);
  assert.deepEqual([result.ok, result.code], [true, 0], result.output);
  return result.output;
}

function file(path: string, content: string | Uint8Array, mode = "0644"): GuestFileContent {
  return { path, content, mode, ...(Deno.uid() === 0 ? {} : { owner: `${Deno.uid()}:${Deno.gid()}` }) };
}

function write(...files: readonly GuestFileContent[]): GuestOp {
  return { op: "write", files };
}

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

/** Writes a script and runs it as the provision kind does. */
async function ranFile(guest: FolderGuest, script: string, name = "step"): Promise<{
  readonly code: number;
  readonly output: string;
  readonly log: string | undefined;
}> {
  const [path, log] = [guest.path(name), guest.path(`${name}.log`)];
  const { code, output } = await guest.control.perform([
    write(file(path, script, "0700")),
    { op: "run-file", file: path, log, as: undefined },
  ]);
  return { code, output, log: await textOf(log) };
}

Deno.test("run-file: its output comes back and is kept, both streams in order; it reads nothing", () =>
  inFolderGuest(async (guest) => {
    const script =
      "#!/bin/sh -e\necho one\necho two >&2\nif read line; then echo got $line; fi\necho three\n";
    const { code, output, log } = await ranFile(guest, script, "it's a step");
    assert.deepEqual([code, output, log], [0, "one\ntwo\nthree", "one\ntwo\nthree\n"]);
  }));

for (
  const [how, script, code] of [["exit 7", "echo said; exit 7", 7], [
    "false",
    "echo said\nfalse\necho on",
    1,
  ]] as const
) {
  Deno.test(`run-file: a file that ends by ${how} fails with its code, and still says what it said`, () =>
    inFolderGuest(async (guest) => {
      const result = await ranFile(guest, `#!/bin/sh -e\n${script}\n`);
      assert.deepEqual(result, { code, output: "said", log: "said\n" });
    }));
}

Deno.test("run-check: silent when it succeeds, and told when it fails", () =>
  inFolderGuest(async (guest) => {
    const check = async (script: string) => {
      const path = guest.path("a check");
      const { ok, output } = await guest.control.perform([
        write(file(path, `#!/bin/sh -e\n${script}\n`, "0700")),
        { op: "run-check", file: path, as: undefined },
      ]);
      return [ok, output];
    };
    assert.deepEqual(await check("echo loud; echo louder >&2"), [true, ""]);
    assert.deepEqual(await check("echo loud; false"), [false, "Its check still fails after it ran"]);
  }));

Deno.test("a script ends at its first operation that fails", async (t) => {
  const failing: readonly (readonly [string, (guest: FolderGuest) => GuestOp])[] = [
    ["write", ({ path }) => write(file(path("folder"), "x"))],
    ["put-back", ({ path }) => ({ op: "put-back", path: path("folder") })],
    ["remove", ({ path }) => ({ op: "remove", path: path("folder") })],
    ["make-folder", ({ path }) => ({ op: "make-folder", path: path("file/below") })],
    ["make-folder with remember", ({ path }) => ({ op: "make-folder", path: path("file"), remember: true })],
    ["systemctl", () => ({ op: "systemctl", args: ["start", "x"] })],
    ["systemctl with journal", () => ({ op: "systemctl", args: ["start", "x"], journal: "x" })],
    ["want-units", () => ({ op: "want-units", target: "a.target", units: ["x.service"] })],
    ["timezone", () => ({ op: "timezone", zone: "No/Where" })],
    ["login", () => ({ op: "login", login: { name: "x", uid: 1, shell: "/no/shell", home: "/nowhere" } })],
    ["join-group", () => ({ op: "join-group", user: "nobody-of-that-name", group: "none" })],
    ["set-sysctl", () => ({ op: "set-sysctl", key: "no.such.parameter", value: "1" })],
    ["find-module", () => ({ op: "find-module", name: "x" })],
    ["load-module", () => ({ op: "load-module", name: "x" })],
    ["grow-filesystem", () => ({ op: "grow-filesystem", device: "/dev/x" })],
    ["run-file", ({ path }) => ({ op: "run-file", file: path("none"), log: path("log"), as: undefined })],
    ["run-check", ({ path }) => ({ op: "run-check", file: path("none"), as: undefined })],
    ["check-dockerd", () => ({ op: "check-dockerd", path: "/x" })],
    ["journal", () => ({ op: "journal", unit: "x" })],
    ["install-packages", () => ({ op: "install-packages", names: ["x"] })],
    ["check-packages", () => ({ op: "check-packages", names: ["x"] })],
  ];
  for (const [name, make] of failing) {
    await t.step(name, () =>
      inFolderGuest(async (guest) => {
        await Deno.mkdir(guest.path("folder"));
        await Deno.writeTextFile(guest.path("folder/x"), "");
        await Deno.writeTextFile(guest.path("file"), "");
        await Deno.mkdir(guest.own("."), { recursive: true });
        guest.programs = await failingPrograms(guest);
        const { ok } = await guest.control.perform([make(guest), write(file(guest.path("after"), "x"))]);
        assert.equal(ok, false);
        assert.equal(await textOf(guest.path("after")), undefined);
      }));
  }
});

Deno.test("operations that may fail do not end the script", () =>
  inFolderGuest(async (guest) => {
    guest.programs = await failingPrograms(guest);
    await done(
      guest,
      { op: "systemctl", args: ["reset-failed", "x"], lenient: true },
      { op: "retire-unit", unit: "x.service" },
      { op: "unload-module", name: "x" },
      { op: "remove", path: guest.path("none") },
      { op: "remove-folder", path: guest.path("none") },
      { op: "drop-kept", path: guest.path("none") },
      { op: "keep", path: guest.path("none") },
      { op: "remove-login", name: "nobody-of-that-name" },
      write(file(guest.path("after"), "x")),
    );
    assert.equal(await textOf(guest.path("after")), "x");
  }));

/** Every operation in its forms; one that is missing here does not compile. */
const EVERY: { readonly [K in GuestOp["op"]]: readonly Extract<GuestOp, { readonly op: K }>[] } = {
  "write": [{ op: "write", files: [file("/tmp/a'b", "x")] }],
  "keep": [{ op: "keep", path: "/a b" }],
  "put-back": [{ op: "put-back", path: "/a b" }],
  "drop-kept": [{ op: "drop-kept", path: "/a b" }],
  "remove": [{ op: "remove", path: "/a b" }],
  "make-folder": [
    { op: "make-folder", path: "/a b/c", mode: "0755" },
    { op: "make-folder", path: "/a b/c", remember: true },
  ],
  "remove-folder": [{ op: "remove-folder", path: "/a b/c" }],
  "systemctl": [
    { op: "systemctl", args: ["start", "a b"], journal: "a b" },
    { op: "systemctl", args: ["start"], lenient: true },
  ],
  "retire-unit": [{ op: "retire-unit", unit: "a b" }],
  "want-units": [{ op: "want-units", target: "t", units: ["a", "b"] }],
  "hostname": [{ op: "hostname", name: "dev" }],
  "timezone": [{ op: "timezone", zone: "Europe/Berlin" }],
  "login": [{ op: "login", login: { name: "ada", uid: 1000, shell: "/bin/bash", home: "/home/ada.guest" } }],
  "remove-login": [{ op: "remove-login", name: "ada" }],
  "join-group": [{ op: "join-group", user: "ada", group: "docker" }],
  "set-sysctl": [{ op: "set-sysctl", key: "vm.swappiness", value: "1" }],
  "find-module": [{ op: "find-module", name: "x" }],
  "load-module": [{ op: "load-module", name: "x" }],
  "unload-module": [{ op: "unload-module", name: "x" }],
  "install-packages": [{ op: "install-packages", names: ["a", "b"] }],
  "check-packages": [{ op: "check-packages", names: ["a", "b"] }],
  "remove-packages": [{ op: "remove-packages", names: ["a", "b"] }],
  "grow-filesystem": [{ op: "grow-filesystem", device: "/dev/x" }],
  "run-file": [{ op: "run-file", file: "/a b", log: "/l", as: "ada" }],
  "run-check": [{ op: "run-check", file: "/a b", as: "ada" }],
  "check-dockerd": [{ op: "check-dockerd", path: "/x" }],
  "journal": [{ op: "journal", unit: "x" }],
  "clock": [{ op: "clock" }],
};

for (const shell of ["/bin/sh", "/bin/bash"]) {
  Deno.test(`opsScript() of every operation is understood by ${shell}`, async () => {
    for (const op of Object.values(EVERY).flat()) {
      const { code, stderr } = await run([shell, "-n"], { stdin: opsScript([op, op]) });
      assert.deepEqual([code, stderr], [0, ""], op.op);
    }
  });
}

Deno.test("set-sysctl: the names of systemd's files, with slashes for dots within a part", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["vm.max_map_count", "/proc/sys/vm/max_map_count"],
    ["net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"],
    ["fs.nfs.nlm_udpport", "/proc/sys/fs/nfs/nlm_udpport"],
  ];
  for (const [key, path] of rows) assert.equal(sysctlPath(key), path);
});

Deno.test("retire-unit: leaves one alone that systemd does not know, and stops the others unless told otherwise", () =>
  inFolderGuest(async (guest) => {
    guest.programs = await programs(guest, {
      systemctl: 'echo "$*" >>"$0.told"; case "$*" in "cat -- unknown.service") exit 1;; esac',
    });
    await done(
      guest,
      { op: "retire-unit", unit: "unknown.service" },
      { op: "retire-unit", unit: "a.service" },
      { op: "retire-unit", unit: "b.service", keepRunning: true },
    );
    assert.deepEqual((await textOf(guest.path("bin/systemctl.told")))?.trim().split("\n"), [
      "cat -- unknown.service",
      "cat -- a.service",
      "disable -q --no-reload --now a.service",
      "cat -- b.service",
      "disable -q --no-reload b.service",
    ]);
  }));

Deno.test("systemctl: a unit that does not start tells its last words", () =>
  inFolderGuest(async (guest) => {
    guest.programs = await programs(guest, {
      systemctl: "exit 3",
      journalctl: 'echo "the last words of $8"; echo "$*" >>"$0.told"',
    });
    const { ok, output } = await guest.control.perform([
      { op: "systemctl", args: ["start", "x.service"], journal: "x.service" },
    ]);
    assert.equal(ok, false);
    assert.match(output, /the last words of x\.service|the last words of -u/);
    assert.match(await textOf(guest.path("bin/journalctl.told")) ?? "", /-u x\.service$/m);
  }));

Deno.test("install-packages: fetches the lists when apt cannot do without, and shows the end of its log", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.own("."), { recursive: true });
    const told = () => textOf(guest.path("bin/apt-get.told"));
    const apt = (rest: string) => `echo "$*" >>"$0.told"; case "$*" in ${rest} esac`;
    guest.programs = await programs(guest, { "apt-get": apt("") });
    await done(guest, { op: "install-packages", names: ["git", "g++"] });
    assert.equal((await told())?.match(/install -y git g\+\+$/gm)?.length, 1);
    assert.doesNotMatch(await told() ?? "", /update/);
    // The first try finds no list, the second one finds them.
    await Deno.remove(guest.path("bin/apt-get.told"));
    const lists = guest.path("lists");
    guest.programs = await programs(guest, {
      "apt-get": apt(`*update) : >${lists};; *install*) [ -e ${lists} ] || { echo no lists; exit 100; };;`),
    });
    await done(guest, { op: "install-packages", names: ["git"] });
    assert.deepEqual((await told())?.match(/update|install/g), ["install", "update", "install"]);
    guest.programs = await programs(guest, {
      "apt-get": apt("*install*) echo E: no such package; exit 100;;"),
    });
    const { ok, output } = await guest.control.perform([{ op: "install-packages", names: ["nothing"] }]);
    assert.equal(ok, false);
    assert.match(output, /E: no such package/);
  }));

Deno.test("check-packages: installs nothing, fetches the lists once, and shows what apt says", () =>
  inFolderGuest(async (guest) => {
    const lists = guest.path("lists");
    const apt = `echo "$*" >>"$0.told"; case "$*" in *update) : >${lists};;` +
      ` *"install known") [ -e ${lists} ];; *install*) echo E: no such package; exit 100;; esac`;
    guest.programs = await programs(guest, { "apt-get": apt });
    await done(guest, { op: "check-packages", names: ["known"] });
    const { ok, output } = await guest.control.perform([{
      op: "check-packages",
      names: ["known", "nothing"],
    }]);
    assert.deepEqual([ok, output], [false, "E: no such package"]);
    const told = (await textOf(guest.path("bin/apt-get.told")))?.trim().split("\n") ?? [];
    assert.ok(
      told.filter((line) => line.includes("install")).every((line) => / -s install /.test(line)),
      told.join(),
    );
  }));

Deno.test("remove-packages: takes what apt can spare now and could not before", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.own("."), { recursive: true });
    const auto = guest.path("auto");
    // "old" was superfluous before us; "tool" becomes so, and brings "libtool" along; "base" is needed by others.
    guest.programs = await programs(guest, {
      "apt-mark": `: >${auto}`,
      "apt-get": `echo "$*" >>"$0.told"; case "$*" in "-s autoremove")` +
        ` echo "Reading lists..."; echo "Remv old [1]"; [ ! -e ${auto} ] ||` +
        ` { echo "Remv tool [1.0]"; echo "Remv libtool [1.0] [tool:amd64 ]"; };; esac`,
    });
    await done(guest, { op: "remove-packages", names: ["tool", "base"] });
    const lines = (await textOf(guest.path("bin/apt-get.told")))?.trim().split("\n") ?? [];
    assert.deepEqual(lines.at(-1)?.split(" ").slice(-2).sort(), ["libtool", "tool"]);
    assert.match(lines.at(-1) ?? "", / purge -y /);
  }));

Deno.test("remove-packages: purges nothing when everything is still needed", () =>
  inFolderGuest(async (guest) => {
    guest.programs = await programs(guest, {
      "apt-mark": "exit 0",
      "apt-get": 'echo "$*" >>"$0.told"; echo "Remv old [1]"',
    });
    await done(guest, { op: "remove-packages", names: ["base"] });
    assert.doesNotMatch(await textOf(guest.path("bin/apt-get.told")) ?? "", /purge/);
  }));

/** Does operations that name paths of the whole system below a folder. */
async function doneBelow({ root }: FolderGuest, ...ops: readonly GuestOp[]): Promise<void> {
  const script = opsScript(ops).replaceAll(/(?<![\w/])\/(etc|proc)\//g, `${root}/$1/`);
  const { code, stderr } = await run(["/bin/sh", "-c", script]);
  assert.deepEqual([code, stderr], [0, ""]);
}

for (
  const [how, before, after] of [
    ["none", undefined, "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 dev\n"],
    [
      "another name, and lines of others",
      "127.0.0.1 localhost\n127.0.1.1\told old.local\n10.0.0.1 127.0.1.1\n",
      "127.0.0.1 localhost\n10.0.0.1 127.0.1.1\n127.0.1.1 dev\n",
    ],
    ["empty", "", "127.0.1.1 dev\n"],
  ] as const
) {
  Deno.test(`hostname: in force, written, and resolved with an /etc/hosts of ${how}`, () =>
    inFolderGuest(async (guest) => {
      await Deno.mkdir(guest.path("etc"));
      await Deno.mkdir(guest.path("proc/sys/kernel"), { recursive: true });
      if (before !== undefined) await Deno.writeTextFile(guest.path("etc/hosts"), before);
      await doneBelow(guest, { op: "hostname", name: "dev" });
      assert.equal(await textOf(guest.path("etc/hostname")), "dev\n");
      assert.equal(await textOf(guest.path("proc/sys/kernel/hostname")), "dev");
      assert.equal(await textOf(guest.path("etc/hosts")), after);
      assert.equal(await modeOf(guest.path("etc/hosts")), 0o644);
      assert.deepEqual(await namesIn(guest.path("etc")), ["hostname", "hosts"]);
    }));
}

Deno.test("timezone: a link and a name, over what stood there, and nothing else", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.path("etc"));
    await Deno.writeTextFile(guest.path("etc/localtime"), "a copy");
    for (const zone of ["Etc/UTC", "Etc/GMT+1"]) {
      await doneBelow(guest, { op: "timezone", zone });
      assert.equal(await Deno.readLink(guest.path("etc/localtime")), `/usr/share/zoneinfo/${zone}`);
      assert.equal(await textOf(guest.path("etc/timezone")), `${zone}\n`);
    }
    assert.deepEqual(await namesIn(guest.path("etc")), ["localtime", "timezone"]);
  }));

Deno.test("set-sysctl: writes the value into the parameter's file", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.path("proc/sys/net/eth0.1"), { recursive: true });
    await Deno.writeTextFile(guest.path("proc/sys/net/eth0.1/ports"), "");
    await doneBelow(guest, { op: "set-sysctl", key: "net.eth0/1.ports", value: "1 2" });
    assert.equal(await textOf(guest.path("proc/sys/net/eth0.1/ports")), "1 2\n");
  }));

/** Programs of the test's own that stand before this computer's. */
async function programs(guest: FolderGuest, texts: Readonly<Record<string, string>>): Promise<string> {
  const folder = guest.path("bin");
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  return folder;
}

/** What changes a computer, each replaced by a program that fails. */
function failingPrograms(guest: FolderGuest): Promise<string> {
  const names = ["systemctl", "journalctl", "usermod", "useradd", "groupadd", "userdel", "loginctl", "pkill"];
  const others = ["modprobe", "modinfo", "resize2fs", "dockerd", "apt-get", "apt-mark", "runuser"];
  return programs(guest, Object.fromEntries([...names, ...others].map((name) => [name, "exit 1"])));
}

/** This computer's programs, each noting that it was started. */
async function counting(guest: FolderGuest, names: readonly string[]): Promise<string> {
  const log = guest.path("started");
  const texts = await Promise.all(names.map(async (name) => {
    const { stdout } = await run(["/bin/sh", "-c", `command -v ${name}`]);
    return [name, `echo ${name} >>'${log}'; exec ${stdout.trim()} "$@"`] as const;
  }));
  return await programs(guest, Object.fromEntries(texts));
}

async function startedPrograms(guest: FolderGuest): Promise<readonly string[]> {
  return (await textOf(guest.path("started")))?.trim().split("\n") ?? [];
}
