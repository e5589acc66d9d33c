import assert from "node:assert/strict";
import { join } from "node:path";
import { isTimezone } from "../../lib/host/timezone.ts";
import { hostFacts } from "../../lib/host/system.ts";
import { line, machineOf, makeTestHost, problemsOf } from "./config_fixture.ts";

/** Text, its one problem as `line:column path message`, and what the remedy must have. */
type Row = readonly [text: string, problem: string | RegExp, remedy: RegExp];

async function checkRows(t: Deno.TestContext, rows: readonly Row[]): Promise<void> {
  await using host = await makeTestHost();
  await host.write({ file: "x" });
  for (const [text, pattern, remedy] of rows) {
    await t.step(text.replaceAll("\n", "⏎"), async () => {
      const problems = await problemsOf(host, text);
      const [found = ""] = problems.map(line);
      assert.equal(problems.length, 1, problems.map(line).join("\n"));
      if (typeof pattern === "string") assert.equal(found, pattern);
      else assert.match(found, pattern);
      assert.match(problems[0]?.remedy ?? "", remedy);
    });
  }
}

Deno.test("checkGuest() refuses what Debian or the kernel would not take", async (t) => {
  await checkRows(t, [
    [
      "user: {name: www-data}",
      '1:14 user.name "www-data" is a user or group of Debian\'s own',
      /another name/,
    ],
    ["user: {name: systemd-oom}", /^1:14 user\.name "systemd-oom" is a user/, /another name/],
    ["user: {name: root}", /^1:14 user\.name "root" is a user/, /another name/],
    ["timezone: Europe/Berln", '1:11 timezone There is no time zone "Europe/Berln"', /"Europe\/Berlin"/],
    ["timezone: europe/berlin", '1:11 timezone There is no time zone "europe/berlin"', /"Europe\/Berlin"/],
    ["timezone: us/eastern", /There is no time zone/, /./],
    ["timezone: berlin", /There is no time zone/, /"Europe\/Berlin"/],
    ["timezone: +01:00", /There is no time zone/, /IANA/],
    ["env: {1A: x}", '1:7 env.1A "1A" is not a name of a variable', /no digit first/],
    ["env: {a-b: x}", '1:7 env.a-b "a-b" is not a name of a variable', /letters/],
    ['env: {A: "a\\nb"}', /^1:10 env\.A A variable holds one line/, /"files"/],
    ['env: {A: "a\\0b"}', /^1:10 env\.A A variable holds one line/, /"files"/],
    [
      'env: {COLOR: "#fff"}',
      /^1:14 env\.COLOR The guest would end this value at its "#"/,
      /profile\.d\/color\.sh/,
    ],
    ["env: {A: a#b}", /^1:10 env\.A The guest would end this value/, /"files"/],
    [
      "packages: {install: [Git]}",
      '1:22 packages.install[0] "Git" is not the name of a Debian package',
      /"git"/,
    ],
    ["packages: {install: [git, jq=1.7]}", /^1:27 packages\.install\[1\] "jq=1\.7" is not/, /"jq"/],
    ["packages: {install: [git-]}", /^1:22 packages\.install\[0\] "git-" is not/, /"git"/],
    ["packages: {install: [-y]}", /^1:22 packages\.install\[0\] "-y" is not/, /lower-case/],
    ["packages: {install: [x]}", /"x" is not the name of a Debian package/, /lower-case/],
    ["sysctl: {vm: 1}", '1:10 sysctl.vm "vm" is not the name of a kernel parameter', /vm\.max_map_count/],
    ["sysctl: {net/ipv4/ip_forward: 1}", /is not the name of a kernel parameter/, /"net\.ipv4\.ip_forward"/],
    ["sysctl: {/proc/sys/vm/swappiness: 1}", /is not the name/, /"vm\.swappiness"/],
    ["sysctl: {vm.x: ''}", '1:16 sysctl["vm.x"] Must not be empty', /\/proc\/sys/],
    ["modules: [br_netfilter.ko]", /^1:11 modules\[0\] "br_netfilter\.ko" is not/, /lsmod/],
    ["modules: ['a b']", /is not the name of a kernel module/, /lsmod/],
    ['provision: [{name: a, run: "a\\0"}]', "1:28 provision[0].run A shell cannot read a NUL", /Remove/],
    [
      "provision: [{name: a, run: a}, {name: b, run: b}, {name: a, run: c}]",
      '1:58 provision[2].name "a" is also the name of another step, at -:1:13',
      /another name/,
    ],
  ]);
});

Deno.test("checkGuest() allows what is right", async () => {
  await using host = await makeTestHost();
  const machine = await machineOf(
    host,
    [
      "timezone: Asia/Kolkata",
      "env: {_a1: '', PATH: /bin, LONG: 'a\"b $x \\\\ ü; !'}",
      "packages: {install: [g++, libc6:i386, 0ad, docker.io, libstdc++6]}",
      "sysctl: {net.ipv4.conf.eth0/100.rp_filter: 1, kernel.core_pattern: '|/bin/false'}",
      "modules: [nf_conntrack, 8021q]",
    ].join("\n"),
  );
  assert.equal(machine.timezone, "Asia/Kolkata");
  assert.deepEqual(machine.packages.install, ["0ad", "docker.io", "g++", "libc6:i386", "libstdc++6"]);
});

Deno.test("checkFiles() refuses paths that are not a file's own", async (t) => {
  const file = (path: string) => `files: [{path: "${path}", content: x}]`;
  await checkRows(t, [
    [file("etc/motd"), '1:16 files[0].path Must be an absolute path, but is "etc/motd"', /"\/etc\/motd"/],
    [file("~/.bashrc"), /Must be an absolute path/, /"\/home\/ada\.guest\/\.bashrc"/],
    [file("/etc/../x"), /is not in its shortest form/, /"\/x"/],
    [file("/etc//motd"), /is not in its shortest form/, /"\/etc\/motd"/],
    [file("/etc/"), /is a folder/, /name of the file/],
    [file("/a\\tb"), /holds a control character/, /Remove/],
    [file("/etc"), '1:16 files[0].path "/etc" is a folder of the guest', /name of the file/],
    [file("/home"), /is a folder of the guest/, /name/],
    [file("/home/ada.guest"), /is a folder of the guest/, /name/],
    [file("/var/lib"), /is a folder of the guest/, /name/],
    [file("/run/x"), '1:16 files[0].path "/run/x" would be gone at the next start', /disk/],
    [file("/proc/sys/vm/swappiness"), /would be gone/, /disk/],
    [file("/var/lib/machine/x"), /among machine's own notes/, /another path/],
    [file("/etc/hostname"), '1:16 files[0].path "/etc/hostname" is written by machine itself', /"hostname"/],
    [
      file("/etc/cni/net.d/05-machine.conflist"),
      '1:16 files[0].path "/etc/cni/net.d/05-machine.conflist" is written by machine itself',
      /"cni\.network"/,
    ],
    [file("/etc/environment"), /written by machine/, /"env"/],
    [file("/etc/profile.d/machine.sh"), /written by machine/, /"env"/],
    [file("/etc/localtime"), /written by machine/, /"timezone"/],
    [file("/etc/timezone"), /written by machine/, /"timezone"/],
    [file("/etc/docker/daemon.json"), /written by machine/, /"runtime\.docker\.daemon"/],
    [file("/etc/sysctl.d/90-machine-x.conf"), /written by machine/, /"sysctl"/],
    [file("/etc/modules-load.d/machine-a.conf"), /written by machine/, /"modules"/],
    [file("/etc/sudoers.d/machine"), /written by machine/, /"user\.sudo"/],
    [file("/etc/ssh/authorized_keys.d/root"), /written by machine/, /"ssh"/],
    [file("/etc/systemd/system/home.mount"), /written by machine/, /"vm\.dataDisk"/],
    [file("/etc/systemd/system/var-lib-docker.mount"), /written by machine/, /"vm\.dataDisk"/],
    [file("/etc/systemd/system/var-lib-machine-data.mount"), /written by machine/, /"vm\.dataDisk"/],
    [
      `mounts: [{source: /tmp, target: /my-src/ä}]\n${
        file("/etc/systemd/system/my\\\\x2dsrc-\\\\xc3\\\\xa4.mount")
      }`,
      /written by machine/,
      /"mounts"/,
    ],
    [
      "vm: {disks: [{name: a, size: 1GiB, target: /mnt/a.b}]}\n" + file("/etc/systemd/system/mnt-a.b.mount"),
      /written by machine/,
      /"vm\.disks"/,
    ],
    [
      "mounts: [{source: /tmp, target: /src}]\nfiles: [{path: /src/a, content: x}]",
      '2:16 files[0].path "/src" is a folder of this computer',
      /Write the file there, in "\/tmp"/,
    ],
    [
      "mounts: [{source: /tmp, target: /src}]\nfiles: [{path: /src, content: x}]",
      /is a folder of the guest/,
      /name/,
    ],
    [
      "files: [{path: /a, content: x}, {path: /a, content: y}]",
      '1:40 files[1].path "/a" is also the path of another file, at -:1:9',
      /another path/,
    ],
    [
      "files: [{path: /a/b/c, content: x}, {path: /a, content: y}]",
      '1:16 files[0].path "/a" is a file too, at -:1:37, and no folder',
      /another path/,
    ],
    [
      "files: [{path: /a, content: x, owner: root}]",
      /^1:39 files\[0\]\.owner Must be a user and a group/,
      /^$/,
    ],
    ["files: [{path: /a, content: x, mode: '9'}]", /^1:38 files\[0\]\.mode Must be octal digits/, /^$/],
    ["files: [{path: /a}]", '1:9 files[0] Must have either "content" or "source"', /^$/],
    ["files: [{path: /a, content: x, source: ~/file}]", /Must have either/, /^$/],
    [
      "files: [{path: /a, source: ./nope}]",
      /^1:28 files\[0\]\.source The file ".*\/nope" does not exist/,
      /content/,
    ],
    ["files: [{path: /a, source: ~/src}]", /files\[0\]\.source ".*\/src" is not a regular file/, /"mounts"/],
    ["files: [{path: /a, source: /dev/null}]", /is not a regular file/, /file with content/],
  ]);
});

Deno.test("checkFiles() allows files beside what machine writes, and on the data disk", async () => {
  await using host = await makeTestHost();
  await host.write({ file: "x" });
  const paths =
    "/etc/motd /etc/hostname.d /srv/a /home/ada.guest/.gitconfig /etc/sysctl.d/10-own.conf /etc/ssh/x"
      .split(" ");
  const entries = paths.map((path) => `{path: ${path}, source: ~/file, owner: "ada:ada"}`);
  const { files } = await machineOf(host, `files: [${entries.join(", ")}]`);
  assert.deepEqual(files.map(({ path }) => path), paths.toSorted());
  assert.deepEqual(files[0]?.source, join(host.home, "file"));
});

Deno.test("checkFiles() holds a source to 16 MiB", async () => {
  await using host = await makeTestHost();
  const path = join(host.home, "large");
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, 16 * 2 ** 20);
  assert.equal((await machineOf(host, "files: [{path: /a, source: ~/large}]")).files.length, 1);
  await Deno.truncate(path, 16 * 2 ** 20 + 1);
  const problems = await problemsOf(host, "files: [{path: /a, source: ~/large}]");
  assert.match(problems.map(line).join("\n"), /^1:28 files\[0\]\.source ".*" is larger than 16MiB$/);
});

Deno.test("checkDisks() refuses disks that cannot be", async (t) => {
  const disk = (target: string) => `vm: {disks: [{name: a, size: 1GiB, target: ${target}}]}`;
  const two = (one: string, other: string) =>
    `vm:\n  disks:\n    - {name: a, size: 1GiB, target: ${one}}\n    - {name: b, size: 1GiB, target: ${other}}\n`;
  await checkRows(t, [
    [disk("mnt"), '1:44 vm.disks[0].target Must be an absolute path, but is "mnt"', /"\/mnt"/],
    [disk("/mnt/../x"), /shortest form/, /"\/x"/],
    [disk("/"), /A disk at "\/" would hide what is in/, /"\/mnt\/a"/],
    [disk("/etc/x"), /would hide what is in "\/etc"/, /"\/mnt\/a"/],
    [disk("/home"), /would hide what is in "\/home"/, /"\/mnt\/a"/],
    [disk("/home/ada.guest/x"), /would hide what is in "\/home"/, /"\/mnt\/a"/],
    [disk("/var/lib/docker"), /would hide what is in "\/var\/lib\/docker"/, /"\/mnt\/a"/],
    [disk("/var/lib/containerd/x"), /would hide/, /"\/mnt\/a"/],
    [disk("/var/lib"), /would hide/, /"\/mnt\/a"/],
    [
      `mounts: [{source: /tmp, target: /x}]\n${disk("/x")}`,
      /"\/x" is also the target of a mount/,
      /"\/mnt\/a"/,
    ],
    [`mounts: [{source: /tmp, target: /x/y}]\n${disk("/x")}`, /one inside of the other/, /"\/mnt\/a"/],
    [`mounts: [{source: /tmp, target: /x}]\n${disk("/x/y")}`, /one inside of the other/, /"\/mnt\/a"/],
    [
      two("/x", "/x"),
      '4:37 vm.disks[1].target "/x" is also the target of another disk, at -:3:7',
      /another target/,
    ],
    [two("/x", "/x/y"), /are one inside of the other/, /another target/],
    [
      "vm: {disks: [{name: data, size: 1GiB, target: /x}]}",
      '1:21 vm.disks[0].name "data" is a disk that every machine has',
      /vm\.dataDisk/,
    ],
    ["vm: {disks: [{name: a, size: 1MiB, target: /x}]}", /1MiB is too small for this disk/, /at least 16MiB/],
    ["vm: {disks: [{name: a, size: 65TiB, target: /x}]}", /more than a disk can hold/, /64TiB/],
    ["vm: {disks: [{name: a, target: /x}]}", /^1:14 vm\.disks\[0\]\.size Is missing/, /Add "size"/],
    [
      "vm: {disks: [{name: a, size: 1GiB, target: /x}, {name: a, size: 1GiB, target: /y}]}",
      '1:56 vm.disks[1].name "a" is also the name of another disk, at -:1:14',
      /another name/,
    ],
    [
      `vm:\n  disks:\n${
        Array.from({ length: 9 }, (_, i) => `    - {name: d${i}, size: 1GiB, target: /d${i}}\n`).join("")
      }`,
      "11:7 vm.disks[8] A machine has at most 8 further disks, but this is one more",
      /Take one out/,
    ],
  ]);
});

Deno.test("loadMachines() gives a machine for each document, with places in its own", async () => {
  await using host = await makeTestHost();
  const result = await host.loadAll("# first\n---\nname: a\n---\n---\nname: b\nvm: {cpus: 3}\n...\n");
  assert.ok(result.ok, JSON.stringify(result));
  const found = result.machines.map(({ machine, origin, positionOf }) => {
    const at = positionOf("vm.cpus");
    return [machine.name, machine.hostname, origin, machine.vm.cpus, at && `${at.line}:${at.column}`];
  });
  assert.deepEqual(found, [["a", "a", "-", 4, undefined], ["b", "b", "-", 3, "7:6"]]);
});

Deno.test("loadMachines() counts the values of all documents together", async () => {
  await using host = await makeTestHost();
  const one = `env: {${Array.from({ length: 60 }, (_, i) => `A${i}: x`).join(", ")}}\n`;
  const result = await host.loadAll(
    Array.from({ length: 200 }, (_, i) => `name: m${i}\n${one}`).join("---\n"),
  );
  assert.ok(!result.ok);
  assert.match(result.problems[0]?.message ?? "", /more than 10000 values/);
});

Deno.test("loadMachines() reads 500 files, 200 packages and 100 steps in no time", async () => {
  await using host = await makeTestHost();
  await host.write({ file: "x" });
  const list = (length: number, entry: (i: number) => string) =>
    Array.from({ length }, (_, i) => entry(i)).join("");
  await host.write({
    "base.yaml": `files:\n${list(500, (i) => `  - {path: /srv/${i}, source: ~/file, mode: "0600"}\n`)}`,
  });
  const text =
    `extends: ["~/base.yaml"]\nfiles:\n${list(500, (i) => `  - {path: /srv/${i}, content: a}\n`)}` +
    `packages:\n  install:\n${list(200, (i) => `    - p${i}\n`)}` +
    `provision:\n${list(100, (i) => `  - {name: s${i}, run: "true"}\n`)}`;
  const begin = performance.now();
  const machine = await machineOf(host, text);
  const ms = performance.now() - begin;
  assert.deepEqual([machine.files.length, machine.packages.install.length, machine.provision.length], [
    500,
    200,
    100,
  ]);
  assert.ok(ms < 2000, `took ${ms} ms`);
});

Deno.test("hostFacts() names a time zone that there is", async () => {
  const before = Deno.env.get("TZ");
  const zoneWith = async (tz: string) => {
    Deno.env.set("TZ", tz);
    return (await hostFacts()).timezone;
  };
  try {
    assert.equal(await zoneWith("Europe/Berlin"), "Europe/Berlin");
    assert.equal(await zoneWith(":/usr/share/zoneinfo/posix/America/New_York"), "America/New_York");
    const usual = await zoneWith("CET-1CEST,M3.5.0,M10.5.0/3");
    assert.ok(isTimezone(usual), usual);
    assert.notEqual(usual, "CET-1CEST,M3.5.0,M10.5.0/3");
  } finally {
    if (before === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", before);
  }
});

Deno.test("checkFiles() allows mount units that are not the machine's own", async (t) => {
  await using host = await makeTestHost();
  for (const [vm, unit] of [["{}", "srv"], ["{}", "home-ada"], ["{dataDisk: none}", "var-lib-docker"]]) {
    await t.step(`${unit}, vm: ${vm}`, async () => {
      const path = `/etc/systemd/system/${unit}.mount`;
      const machine = await machineOf(host, `vm: ${vm}\nfiles: [{path: ${path}, content: x}]\n`);
      assert.deepEqual(machine.files.map((file) => file.path), [path]);
    });
  }
});
