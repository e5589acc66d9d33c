import assert from "node:assert/strict";
import { isThere, killNow, type MachineFile, type Sandbox } from "./sandbox.ts";
import { filesUnder } from "./traces.ts";

/** Deaths of processes, stop and start, a new system disk: what was put into the machine is still in it. */
export async function losePower(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  await t.step("a volume is filled", async () => {
    await sandbox.docker(["run", "--rm", "-v", "kept:/v", "bb", "sh", "-c", "echo precious >/v/file"]);
  });

  await t.step("a killed agent is told, and started again by the next command that needs it", async () => {
    const { pid } = await sandbox.agent("dev");
    await killNow(pid);
    assert.match((await sandbox.expect(2, ["diff"])).out, /agent +create/);
    assert.match((await sandbox.expect(0, ["status"])).err, /agent of "dev" was gone; it is started again/);
    assert.notEqual((await sandbox.agent("dev")).pid, pid);
    assert.equal(await sandbox.docker(["info", "--format", "{{.Name}}"]), "dev");
    await sandbox.expect(0, ["diff"]);
  });

  await t.step(
    "a killed QEMU is told, and apply brings the machine back with its images and volumes",
    async () => {
      await killNow(await sandbox.qemu("dev"));
      assert.match((await sandbox.expect(2, ["diff"])).out, /nobody stopped it/);
      await sandbox.expect(0, ["apply", "--yes"]);
      await assertKept(sandbox);
      await sandbox.expect(0, ["diff"]);
    },
  );

  await t.step("stop withdraws the context and makes the former one current", async () => {
    await sandbox.expect(0, ["stop"]);
    assert.equal(await sandbox.docker(["context", "show"]), "other");
    assert.doesNotMatch(await sandbox.docker(["context", "ls", "--format", "{{.Name}}"]), /machine-dev/);
    assert.deepEqual(sandbox.processes(), []);
  });

  await t.step("a stopped machine says so, and what starts it", async () => {
    assert.match((await sandbox.expect(0, ["status"])).out, /stopped/);
    assert.match((await sandbox.expect(2, ["diff"])).out, /stopped; apply starts it/);
    for (const command of [["exec", "true"], ["shell"]]) {
      const { code, err } = await sandbox.machine(command);
      assert.equal(code, 1);
      assert.match(err, /does not run/);
      assert.match(err, /machine start dev/);
    }
    assert.match((await sandbox.expect(0, ["stop"])).out, /Done/);
  });

  await t.step("start brings the machine and its context back", async () => {
    await sandbox.expect(0, ["start"]);
    assert.equal(await sandbox.docker(["context", "show"]), "machine-dev");
    await assertKept(sandbox);
    await sandbox.expect(0, ["diff"]);
  });

  await t.step("a smaller system disk is made anew only with --allow recreate; data stays", async () => {
    await sandbox.write({ ...file, vm: { ...file.vm as MachineFile, disk: "5GiB" } });
    const { out } = await sandbox.expect(4, ["apply", "--yes"]);
    assert.match(out, /disk:system +recreate +recreate/);
    await assertKept(sandbox);
    await sandbox.expect(0, ["apply", "--yes", "--allow", "recreate"]);
    await assertKept(sandbox);
    await sandbox.expect(0, ["diff"]);
  });
}

/** The end of a machine, with and without its data. */
export async function deleteAll(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  const yaml = await Deno.readTextFile(sandbox.file);
  const { mtime } = await Deno.stat(sandbox.file);

  await t.step("delete --data does nothing without --allow data-loss", async () => {
    const { out } = await sandbox.expect(4, ["delete", "--data", "--yes"]);
    assert.match(out, /data-loss/);
    await assertKept(sandbox);
  });

  await t.step("delete leaves nothing but the data disk and its record", async () => {
    await sandbox.expect(0, ["delete", "--yes"]);
    assert.deepEqual(sandbox.processes(), []);
    assert.deepEqual(await filesUnder(sandbox.machineHome), ["dev/data.raw", "dev/record.json"]);
    assert.equal(await sandbox.docker(["context", "show"]), "other");
    assert.doesNotMatch(await sandbox.docker(["context", "ls", "--format", "{{.Name}}"]), /machine-dev/);
    assert.deepEqual(await filesUnder(sandbox.home), []);
    assert.equal(await Deno.readTextFile(sandbox.file), yaml);
    assert.deepEqual((await Deno.stat(sandbox.file)).mtime, mtime);
  });

  await t.step("status and exec of it say what it is now", async () => {
    assert.match((await sandbox.expect(0, ["status"])).out, /kept/);
    assert.match((await sandbox.machine(["start"])).err, /machine apply -f FILE/);
  });

  await t.step("the next apply attaches the kept disk, and everything on it is there", async () => {
    const { err } = await sandbox.expect(0, ["apply"]);
    assert.match(err, /Attaches the data disk kept on/);
    await assertKept(sandbox);
    await sandbox.expect(0, ["diff"]);
  });

  await t.step("delete --data --allow data-loss leaves nothing at all", async () => {
    await sandbox.expect(0, ["delete", "--data", "--yes", "--allow", "data-loss"]);
    assert.deepEqual(sandbox.processes(), []);
    assert.equal(await isThere(sandbox.machineHome), false);
    assert.equal(await sandbox.docker(["context", "show"]), "other");
    assert.match((await sandbox.machine(["status", "dev"])).err, /There is no machine "dev"/);
  });
}

async function assertKept(sandbox: Sandbox): Promise<void> {
  assert.match(await sandbox.docker(["images", "--format", "{{.Repository}}"]), /^bb$/m);
  const words = ["run", "--rm", "-v", "kept:/v", "bb", "cat", "/v/file"];
  assert.equal(await sandbox.docker(words), "precious");
}
