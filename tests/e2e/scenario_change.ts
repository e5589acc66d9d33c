import assert from "node:assert/strict";
import { join } from "node:path";
import type { MachineFile, Sandbox } from "./sandbox.ts";
import { filesUnder } from "./traces.ts";

/** Changes of the host name, of mounts and of the docker context: in the file, in the guest and on the host. */
export async function changeThings(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  await t.step("a host name changes in the running guest", async () => {
    const boot = await sandbox.bootId("dev");
    await sandbox.write({ ...file, hostname: "renamed" });
    await sandbox.expect(0, ["apply"]);
    assert.equal((await sandbox.expect(0, ["exec", "hostname"])).out, "renamed\n");
    assert.equal(await sandbox.bootId("dev"), boot);
    await sandbox.write(file);
    await sandbox.expect(0, ["apply"]);
  });

  await changeMounts(t, sandbox, file);
  await changeContext(t, sandbox, file);
}

async function changeMounts(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  const extra = join(sandbox.root, "extra  folder, with % and ä");
  await Deno.mkdir(extra);
  await Deno.writeTextFile(join(extra, "inside"), "x");
  const mounts = [...file.mounts as readonly unknown[], { source: extra, target: "/mnt/extra  ä" }];
  const list = () => sandbox.machine(["exec", "ls", "/mnt/extra  ä"]);

  await t.step("a mount added to a running machine restarts it, and needs --yes for that", async () => {
    await sandbox.write({ ...file, mounts });
    const { out } = await sandbox.expect(4, ["apply"]);
    assert.match(out, /vm +update +restart/);
  });

  await t.step("two applies at once: one works, one names it and gives up, one waits", async () => {
    const first = sandbox.start(["apply", "--yes", "-o", "json"]);
    assert.ok(await first.until((line) => line.includes('"step-start"') && line.includes('"vm"')));
    const impatient = await sandbox.expect(75, ["apply", "--yes", "--lock-timeout", "1s"]);
    assert.match(impatient.err, new RegExp(`machine apply --yes -o json.*process ${first.pid}\\b`));
    const patient = sandbox.start(["apply", "--yes"]);
    const [one, other] = await Promise.all([first.ended, patient.ended]);
    assert.equal(one.code, 0, one.out + one.err);
    assert.equal(other.code, 0, other.out + other.err);
    assert.match(other.err, /waiting for "machine apply/);
  });

  await t.step("the new mount shows the host's folder, read-only", async () => {
    assert.equal((await list()).out, "inside\n");
    const { code } = await sandbox.machine(["exec", "sudo", "touch", "/mnt/extra  ä/new"]);
    assert.notEqual(code, 0);
    assert.deepEqual(await filesUnder(extra), ["inside"]);
  });

  await t.step("a mount that was unmounted in the guest is told, and mounted again", async () => {
    const boot = await sandbox.bootId("dev");
    await sandbox.inGuest("dev", "umount '/mnt/extra  ä'");
    const { out } = await sandbox.expect(2, ["diff"]);
    assert.match(out, /mount:\/mnt\/extra {2}ä +update +live/);
    await sandbox.expect(0, ["apply"]);
    assert.equal((await list()).out, "inside\n");
    assert.equal(await sandbox.bootId("dev"), boot);
  });

  await t.step("a mount taken out of the file goes from the running guest, its folder too", async () => {
    const boot = await sandbox.bootId("dev");
    await sandbox.write(file);
    await sandbox.expect(0, ["apply"]);
    assert.equal(await sandbox.bootId("dev"), boot);
    assert.equal(await sandbox.inGuest("dev", "[ -e '/mnt/extra  ä' ] && echo there || echo gone"), "gone");
    await sandbox.expect(0, ["diff"]);
  });
}

async function changeContext(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  await t.step("a context that leads elsewhere is told, and led back", async () => {
    await sandbox.docker(["context", "update", "machine-dev", "--docker", "host=unix:///nowhere.sock"]);
    const { out } = await sandbox.expect(2, ["diff"]);
    assert.match(out, /context:docker/);
    await sandbox.expect(0, ["apply"]);
    assert.equal(await sandbox.docker(["info", "--format", "{{.Name}}"]), "dev");
  });

  await t.step(
    "a context of the wanted name that is somebody else's stays as it is; all else is done",
    async () => {
      await sandbox.docker(["context", "create", "theirs", "--docker", "host=unix:///theirs.sock"]);
      const runtime = { engine: "docker", docker: { context: { name: "theirs" } } };
      await sandbox.write({ ...file, hostname: "beside", runtime });
      assert.match((await sandbox.expect(2, ["diff"])).out, /context:docker +blocked/);
      const { out } = await sandbox.expect(5, ["apply", "--yes"]);
      assert.match(out, /"theirs".*not ours/);
      assert.match(out, /docker context rm theirs/);
      assert.equal((await sandbox.expect(0, ["exec", "hostname"])).out, "beside\n");
      const endpoint = ["context", "inspect", "theirs", "--format", "{{.Endpoints.docker.Host}}"];
      assert.equal(await sandbox.docker(endpoint), "unix:///theirs.sock");
      await sandbox.docker(["context", "rm", "theirs"]);
      await sandbox.write(file);
      await sandbox.expect(0, ["apply", "--yes"]);
    },
  );
}
