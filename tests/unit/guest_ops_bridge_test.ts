import assert from "node:assert/strict";
import { opsScript } from "../../lib/guest/op_script.ts";
import { run } from "../../lib/host/process.ts";
import { type FolderGuest, inFolderGuest, programs, textOf } from "./guest_folder_fixture.ts";

/** Drops a bridge of a kernel whose network links are folders; gives what `ip` was told. */
async function dropped(guest: FolderGuest, name: string) {
  const bin = await programs(guest, { ip: 'echo "$*" >>"$0.told"' });
  const script = opsScript([{ op: "drop-bridge", name }]).replaceAll("/sys/class/net", guest.path("net"));
  const { code, stdout, stderr } = await run(["/bin/sh", "-c", script], {
    env: { PATH: `${bin}:/usr/bin:/bin` },
  });
  return { code, said: stdout + stderr, told: await textOf(guest.path("bin/ip.told")) };
}

Deno.test("drop-bridge: does nothing where there is no such bridge", () =>
  inFolderGuest(async (guest) => {
    const nothing = { code: 0, said: "", told: undefined };
    assert.deepEqual(await dropped(guest, "machine0"), nothing, "no links at all");
    await Deno.mkdir(guest.path("net/machine0x/brif"), { recursive: true });
    await Deno.mkdir(guest.path("net/machine0/queues"), { recursive: true });
    assert.deepEqual(await dropped(guest, "machine0"), nothing, "a link of another kind");
  }));

Deno.test("drop-bridge: does nothing where there is none in this computer's own kernel", async () => {
  const { code, stdout, stderr } = await run([
    "/bin/sh",
    "-c",
    opsScript([{ op: "drop-bridge", name: "no-such-bridge" }]),
  ]);
  assert.deepEqual([code, stdout, stderr], [0, "", ""]);
});

Deno.test("drop-bridge: leaves one alone that a container is connected to", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.path("net/machine0/brif/veth1"), { recursive: true });
    assert.deepEqual(await dropped(guest, "machine0"), { code: 0, said: "", told: undefined });
  }));

Deno.test("drop-bridge: removes one that nothing is connected to", () =>
  inFolderGuest(async (guest) => {
    await Deno.mkdir(guest.path("net/machine0/brif"), { recursive: true });
    assert.equal((await dropped(guest, "machine0")).told, "link delete machine0\n");
  }));
