import assert from "node:assert/strict";
import { join } from "node:path";
import { difference, MountLooker } from "../../lib/agent/mounts.ts";
import { connectSsh } from "../../lib/guest/ssh.ts";
import { type Sshd, sshdTest } from "./sshd_fixture.ts";

const MOUNT = { source: "/host", target: "/guest" };

Deno.test("difference() accepts equal folders in any order", () => {
  const host = { mtimeSeconds: 5, names: ["a", "b"] };
  assert.equal(difference(MOUNT, host, { mtimeSeconds: 5, names: ["b", "a"] }), undefined);
});

Deno.test("difference() names what one side does not see", () => {
  const host = { mtimeSeconds: 5, names: ["a", "b"] };
  assert.match(difference(MOUNT, host, { mtimeSeconds: 5, names: ["a"] }) ?? "", /does not see "b"/);
  assert.match(difference(MOUNT, host, { mtimeSeconds: 5, names: ["a", "b", "c"] }) ?? "", /sees "c"/);
  assert.match(difference(MOUNT, host, { mtimeSeconds: 6, names: ["a", "b"] }) ?? "", /time of change/);
  assert.match(difference(MOUNT, undefined, host) ?? "", /host's folder \/host does not exist/);
  assert.match(difference(MOUNT, host, undefined) ?? "", /no folder \/guest/);
});

Deno.test("difference() leaves out names that are no UTF-8", () => {
  const host = { mtimeSeconds: 5, names: ["a"] };
  assert.equal(difference(MOUNT, host, { mtimeSeconds: 5, names: ["a", "bad\ufffd"] }), undefined);
});

sshdTest("MountLooker compares only part of a folder with 3000 files", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const [large, copy] = await folders(sshd, ["large", "copy"]);
  for (let index = 0; index < 3000; index++) {
    for (const folder of [large, copy]) await Deno.writeTextFile(join(folder, `file-${index}`), "");
  }
  for (const folder of [large, copy]) await Deno.utime(folder, 1000, 1000);
  const looker = new MountLooker(() => connection);
  const look = async () => (await looker.look([{ source: large, target: copy }], 5000))[0]?.state;
  assert.equal(await look(), "same");
  for (let index = 0; index < 3000; index++) {
    await Deno.rename(join(copy, `file-${index}`), join(copy, `other-${index}`));
  }
  await Deno.utime(copy, 1000, 1000);
  assert.equal(await look(), "differs");
});

sshdTest("MountLooker looks again at a folder that changes meanwhile", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const [folder] = await folders(sshd, ["busy"]);
  const looker = new MountLooker(() => connection);
  await looker.warm([{ source: folder, target: folder }]);
  let writing = true;
  const writer = (async () => {
    for (let index = 0; writing; index++) await Deno.writeTextFile(join(folder, `file-${index % 50}`), "");
  })();
  const looks = [];
  for (let index = 0; index < 5; index++) {
    looks.push(...await looker.look([{ source: folder, target: folder }], 5000));
  }
  writing = false;
  await writer;
  assert.deepEqual(new Set(looks.map((look) => look.state)), new Set(["same"]));
});

sshdTest("MountLooker gives up a folder that hangs, and only that one", async (sshd) => {
  await using connection = await connectSsh(sshd.target);
  const [folder] = await folders(sshd, ["alive"]);
  const looker = new MountLooker(() => connection);
  const dead = { source: folder, target: `${folder}/.` };
  const alive = { source: folder, target: folder };
  await looker.warm([dead]);
  // What a dead mount does to the session that asks for it: its server answers no more.
  const [server] = sshd.processes("sftp-server");
  assert.ok(server !== undefined);
  await looker.warm([dead, alive]);
  Deno.kill(server, "SIGSTOP");
  const [first, second] = await looker.look([dead, alive], 2000);
  assert.equal(first?.state, "unknown");
  assert.match(first.reason, /no answer in 2000 ms/);
  assert.equal(second?.state, "same");
  const again = await looker.look([dead], 5000); // over a new session, while the old one still hangs
  Deno.kill(server, "SIGKILL");
  assert.equal(again[0]?.state, "same");
});

sshdTest("MountLooker says unknown while there is no connection", async (sshd) => {
  const looker = new MountLooker(() => undefined);
  const [look] = await looker.look([{ source: sshd.folder, target: sshd.folder }], 1000);
  assert.deepEqual([look?.state, look?.state === "unknown" && look.reason], [
    "unknown",
    "There is no connection to the guest",
  ]);
});

sshdTest("MountLooker opens its sessions anew on a new connection", async (sshd) => {
  const [folder] = await folders(sshd, ["folder"]);
  let connection = await connectSsh(sshd.target);
  const looker = new MountLooker(() => connection);
  const state = async () => (await looker.look([{ source: folder, target: folder }], 5000))[0]?.state;
  assert.equal(await state(), "same");
  await connection[Symbol.asyncDispose]();
  connection = await connectSsh(sshd.target);
  assert.equal(await state(), "same");
  await connection[Symbol.asyncDispose]();
});

async function folders<const T extends readonly string[]>(
  sshd: Sshd,
  names: T,
): Promise<{ readonly [K in keyof T]: string }> {
  for (const name of names) await Deno.mkdir(join(sshd.folder, name));
  return names.map((name) => join(sshd.folder, name)) as { readonly [K in keyof T]: string };
}
