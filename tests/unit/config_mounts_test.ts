import assert from "node:assert/strict";
import { line, machineOf, makeTestHost, problemsOf } from "./config_fixture.ts";

Deno.test("checkMounts() refuses targets that the guest needs for itself", async (t) => {
  await using host = await makeTestHost();
  const refused = [
    ..."/ /etc /etc/x /usr /usr/local/src /proc /sys/fs /dev/shm /run /run/x /boot /bin /lib64 /var /var/lib /var/run"
      .split(" "),
    ..."/var/lib/docker /var/lib/docker/volumes /var/lib/containerd /var/lib/rancher/k3s /var/lib/machine"
      .split(" "),
    ..."/home /home/ada.guest /home/ada.guest/x".split(" "),
  ];
  for (const target of refused) {
    await t.step(target, async () => {
      const problems = await problemsOf(host, `mounts: [{source: /tmp, target: ${target}}]`);
      assert.deepEqual(problems.map((it) => `${it.at.line}:${it.at.column} ${it.path}`), [
        "1:33 mounts[0].target",
      ]);
      assert.match(problems[0]?.message ?? "", /^Mounting on ".*" would hide/);
      assert.match(problems[0]?.remedy ?? "", /\/mnt\/tmp/);
    });
  }
});

Deno.test("checkMounts() allows every other target", async () => {
  await using host = await makeTestHost();
  const targets = [
    "/home/ada",
    "/home/ada.guests",
    "/root",
    "/etcetera",
    "/srv/x",
    "/var/www",
    "/mnt/my files",
  ];
  const entries = targets.map((target) => `{source: /tmp, target: "${target}"}`);
  const { mounts } = await machineOf(host, `mounts: [${entries.join(", ")}]`);
  assert.deepEqual(mounts.map((it) => it.target), targets.toSorted());
});

Deno.test("checkMounts() wants targets absolute and in their shortest form", async (t) => {
  await using host = await makeTestHost();
  const rows: readonly (readonly [string, RegExp, RegExp])[] = [
    ["src", /absolute/, /"\/src"/],
    ["./src", /absolute/, /"\/src"/],
    ["~/src", /absolute/, /Leave "target" out/],
    ["/a/../etc", /shortest/, /"\/etc"/],
    ["/a//b", /shortest/, /"\/a\/b"/],
    ['"/a\\tb"', /control/, /Remove/],
  ];
  for (const [target, message, remedy] of rows) {
    await t.step(target, async () => {
      const problems = await problemsOf(host, `mounts: [{source: /tmp, target: ${target}}]`);
      assert.equal(problems.length, 1);
      assert.match(problems[0]?.message ?? "", message);
      assert.match(problems[0]?.remedy ?? "", remedy);
    });
  }
});

Deno.test("checkMounts() points at the source when the target is left out", async () => {
  await using host = await makeTestHost();
  const problems = await problemsOf(host, "mounts: [{source: /usr/share}]");
  assert.match(
    problems.map(line).join("\n"),
    /^1:19 mounts\[0\]\.source Mounting on "\/usr\/share" would hide/,
  );
  assert.match(problems[0]?.remedy ?? "", /^Give another target, e\.g\. "\/mnt\/share"/);
});

Deno.test("checkMounts() refuses two folders in one place and names both", async () => {
  await using host = await makeTestHost();
  const text =
    "mounts:\n  - {source: /tmp, target: /x}\n  - {source: ~/src, target: /x}\n  - {source: /tmp, target: /x}\n";
  const problems = await problemsOf(host, text);
  assert.deepEqual(problems.map(line), [
    '3:29 mounts[1].target "/x" is also the target of another mount, at -:2:5',
  ]);
});

Deno.test("checkMounts() takes differing rights for one folder as a contradiction", async () => {
  await using host = await makeTestHost();
  const problems = await problemsOf(host, "mounts: [{source: /tmp}, {source: /tmp, writable: true}]");
  assert.deepEqual(problems.map((it) => it.path), ["mounts[1].source"]);
});

Deno.test("checkMounts() goes on without an optional source, but not with a file", async () => {
  await using host = await makeTestHost();
  const machine = await machineOf(host, "mounts: [{source: /nope/x, optional: true}]");
  assert.deepEqual(machine.mounts.map((it) => [it.source, it.optional]), [["/nope/x", true]]);
  const problems = await problemsOf(host, "mounts: [{source: /etc/passwd, target: /p, optional: true}]");
  assert.match(problems[0]?.message ?? "", /is not a folder/);
});

Deno.test("checkMounts() says why a source cannot be looked at", async () => {
  await using host = await makeTestHost();
  await Deno.symlink(`${host.home}/loop`, `${host.home}/loop`);
  const problems = await problemsOf(host, 'mounts: [{source: "~/loop", optional: true}]');
  assert.match(problems.map(line).join("\n"), /^1:19 mounts\[0\]\.source Cannot look at ".*\/loop": \S/);
});

Deno.test("checkMounts() knows the options of 9p", async (t) => {
  await using host = await makeTestHost();
  const good = "{cache: loose, msize: 131072}";
  assert.deepEqual((await machineOf(host, `mounts: [{source: /tmp, options: ${good}}]`)).mounts[0]?.options, {
    cache: "loose",
    msize: "131072",
  });
  const rows: readonly (readonly [string, RegExp])[] = [
    ["{cach: mmap}", /^1:35 mounts\[0\]\.options\.cach Unknown option "cach" of a 9p mount$/],
    ["{cache: fast}", /^1:42 mounts\[0\]\.options\.cache Must be one of "none", .*, but is "fast"$/],
    ["{msize: 1048576}", /^1:42 mounts\[0\]\.options\.msize Must be a number of bytes from 4096 to 512000/],
    ["{msize: 64KiB}", /msize Must be a number of bytes/],
    [
      "{cache: [a]}",
      /^1:42 mounts\[0\]\.options\.cache Must be a text or a number or true or false, but is a list$/,
    ],
  ];
  for (const [options, pattern] of rows) {
    await t.step(options, async () => {
      const problems = await problemsOf(host, `mounts: [{source: /tmp, options: ${options}}]`);
      assert.equal(problems.length, 1);
      assert.match(problems.map(line).join("\n"), pattern);
    });
  }
});
