import assert from "node:assert/strict";
import { opsScript, sysctlPath } from "../../lib/guest/op_script.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import { run } from "../../lib/host/process.ts";
import { namesIn } from "./folder_fixture.ts";
import {
  done,
  file,
  type FolderGuest,
  inFolderGuest,
  modeOf,
  programs,
  textOf,
  write,
} from "./guest_folder_fixture.ts";

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
  "move-in": [{ op: "move-in", name: "a'b", path: "/a b/c", mode: "0755" }],
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
  "leave-group": [{ op: "leave-group", user: "ada", group: "docker" }],
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
  "refresh-authorities": [{ op: "refresh-authorities" }],
  "check-dockerd": [{ op: "check-dockerd", path: "/x" }],
  "check-containerd": [{ op: "check-containerd", path: "/a b" }],
  "check-plugin": [{ op: "check-plugin", id: "cri" }],
  "drop-bridge": [{ op: "drop-bridge", name: "a'b c" }],
  "list-tasks": [{ op: "list-tasks" }],
  "end-tasks": [{ op: "end-tasks", only: "moby" }, { op: "end-tasks", except: "moby" }, { op: "end-tasks" }],
  "resume-tasks": [{ op: "resume-tasks" }],
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

/** Answers that every package is installed. */
const INSTALLED = 'shift 3; for name; do echo "$name installed"; done';

Deno.test("remove-packages: what apt cannot reckon, or mark, is a failure and not nothing", async (t) => {
  const remove = { op: "remove-packages", names: ["tool"] } as const;
  const apt = { "apt-get": "exit 0", "apt-mark": "exit 0", "dpkg-query": INSTALLED };
  for (const broken of ["apt-get", "apt-mark"] as const) {
    await t.step(broken, () =>
      inFolderGuest(async (guest) => {
        guest.programs = await programs(guest, { ...apt, [broken]: "echo E: broken; exit 100" });
        const { ok, output } = await guest.control.perform([remove]);
        assert.deepEqual([ok, output], [false, "E: broken"]);
      }));
  }
});

Deno.test("remove-packages: takes what apt can spare now and could not before", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.own("."), { recursive: true });
    const auto = guest.path("auto");
    // "old" was superfluous before us; "tool" becomes so, and brings "libtool" along; "base" is needed by others.
    guest.programs = await programs(guest, {
      "apt-mark": `: >${auto}`,
      "dpkg-query": INSTALLED,
      "apt-get": `echo "$*" >>"$0.told"; case "$*" in "-q -s autoremove")` +
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
      "dpkg-query": INSTALLED,
      "apt-get": 'echo "$*" >>"$0.told"; echo "Remv old [1]"',
    });
    await done(guest, { op: "remove-packages", names: ["base"] });
    assert.doesNotMatch(await textOf(guest.path("bin/apt-get.told")) ?? "", /purge/);
  }));

Deno.test("remove-packages: cut off anywhere, the next one still takes what it would have taken", () =>
  inFolderGuest(async (guest) => {
    const [auto, gone] = [guest.path("auto"), guest.path("gone")];
    // "base" was in the image; it is superfluous only since "tool", which needed it, is to go.
    guest.programs = await programs(guest, {
      "apt-mark": `: >${auto}`,
      "dpkg-query": INSTALLED,
      "apt-get":
        `case "$*" in "-q -s autoremove") echo "Remv old [1]"; [ ! -e ${auto} ] || [ -e ${gone} ] ||` +
        ` echo "Remv tool [1.0]\nRemv libtool [1.0]\nRemv base [1]";; *purge*) echo "$*" >>${gone};; esac`,
    });
    const remove = { op: "remove-packages", names: ["tool"] } as const;
    for (let lines = 1; lines < opsScript([remove]).split("\n").length; lines++) {
      for (const path of [auto, gone, guest.own(".")]) {
        await Deno.remove(path, { recursive: true }).catch(() => {});
      }
      await Deno.mkdir(guest.own("."), { recursive: true });
      await Deno.writeTextFile(guest.own("packages-before"), "old\nbase\n");
      guest.lines = lines;
      await assert.rejects(guest.control.perform([remove]), /The guest died/);
      guest.lines = Infinity;
      await done(guest, remove);
      assert.match(
        await textOf(gone) ?? "",
        / purge -y tool libtool$|purge -y libtool tool$/m,
        `cut off after ${lines}`,
      );
      assert.doesNotMatch(await textOf(gone) ?? "", /old|base/);
      assert.equal(await textOf(guest.own("superfluous")), undefined);
    }
  }));

Deno.test("install-packages: what was there before the first one is noted, and stays noted", () =>
  inFolderGuest(async (guest) => {
    guest.programs = await programs(guest, { "apt-get": "exit 0", "dpkg-query": "echo base; echo old" });
    await done(guest, { op: "install-packages", names: ["tool"] });
    guest.programs = await programs(guest, { "apt-get": "exit 0", "dpkg-query": "echo base; echo tool" });
    await done(guest, { op: "install-packages", names: ["other"] });
    assert.equal(await textOf(guest.own("packages-before")), "base\nold\n");
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

/** What changes a computer, each replaced by a program that fails. */
function failingPrograms(guest: FolderGuest): Promise<string> {
  const names = ["systemctl", "journalctl", "usermod", "useradd", "groupadd", "userdel", "loginctl", "pkill"];
  const others = ["modprobe", "modinfo", "resize2fs", "dockerd", "apt-get", "apt-mark", "runuser"];
  return programs(guest, Object.fromEntries([...names, ...others].map((name) => [name, "exit 1"])));
}

Deno.test("leave-group: takes a login out of a group that it is in, and leaves every other one alone", () =>
  inFolderGuest(async (guest) => {
    guest.programs = await programs(guest, {
      id: 'case $2 in ada) echo "ada docker-users docker";; bob) echo "bob docker-users";; *) exit 1;; esac',
      gpasswd: 'echo "$*" >>"$0.told"',
    });
    for (const user of ["ada", "bob", "nobody-of-that-name"]) {
      await done(guest, { op: "leave-group", user, group: "docker" });
    }
    assert.equal(await textOf(guest.path("bin/gpasswd.told")), "-d ada docker\n");
  }));
