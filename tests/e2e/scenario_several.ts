import assert from "node:assert/strict";
import type { MachineFile, Sandbox } from "./sandbox.ts";
import { filesUnder } from "./traces.ts";

/** A second machine in the same file: both at once, one of them, and one that leaves the file. */
export async function declareSeveral(
  t: Deno.TestContext,
  sandbox: Sandbox,
  file: MachineFile,
): Promise<void> {
  const second = {
    apiVersion: "machine/v1",
    name: "second",
    vm: { cpus: 1, memory: "512MiB", disk: "5GiB", dataDisk: "3GiB" },
    mounts: [],
    hostname: "other",
    runtime: { engine: "docker", docker: { context: { current: false } } },
  };
  const name = (context: string) => sandbox.docker(["--context", context, "info", "--format", "{{.Name}}"]);

  await t.step("a second document is a second machine, and the first is left alone", async () => {
    const boot = await sandbox.bootId("dev");
    await sandbox.write(file, second);
    const { out } = await sandbox.expect(0, ["apply"]);
    assert.match(out, /nothing to do/i);
    assert.equal(await sandbox.bootId("dev"), boot);
    assert.equal(await name("machine-dev"), "dev");
    assert.equal(await name("machine-second"), "other");
    assert.equal(await sandbox.docker(["context", "show"]), "machine-dev");
    await sandbox.expect(0, ["diff"]);
  });

  await t.step("a command is about both, one by its name, or one thing of one", async () => {
    await sandbox.inGuest("second", "echo theirs >/proc/sys/kernel/hostname");
    await sandbox.inGuest("dev", "echo theirs >/proc/sys/kernel/hostname");
    const both = JSON.parse((await sandbox.expect(2, ["diff", "-o", "json"])).out) as {
      plans: { machine: string; changes: { address: string }[] }[];
    };
    assert.deepEqual(
      both.plans.map(({ machine, changes }) => [machine, changes.map(({ address }) => address)]),
      [["dev", ["hostname"]], ["second", ["hostname"]]],
    );
    await sandbox.expect(0, ["apply", "--target", "second/hostname"]);
    assert.equal((await sandbox.expect(0, ["exec", "-m", "second", "hostname"])).out, "other\n");
    assert.equal((await sandbox.expect(0, ["exec", "-m", "dev", "hostname"])).out, "theirs\n");
    await sandbox.expect(0, ["diff", "-m", "second"]);
    await sandbox.expect(0, ["apply", "-m", "dev"]);
    await sandbox.expect(0, ["diff"]);
  });

  await t.step(
    "a machine that left the file is named, and deleted only by --prune, but for its data",
    async () => {
      await sandbox.write(file);
      assert.match((await sandbox.expect(0, ["diff"])).err, /"second" is no longer in this file.*--prune/);
      await sandbox.expect(0, ["apply"]);
      await sandbox.qemu("second");
      await sandbox.expect(4, ["apply", "--prune"]);
      await sandbox.qemu("second");
      await sandbox.expect(0, ["apply", "--prune", "--yes"]);
      assert.deepEqual(await filesUnder(sandbox.folder("second").root), ["data.raw", "record.json"]);
      assert.deepEqual(sandbox.processes(sandbox.folder("second").root), []);
      assert.equal(await name("machine-dev"), "dev");
      assert.doesNotMatch((await sandbox.expect(0, ["diff"])).err, /second/);
      await sandbox.expect(0, ["delete", "second", "--data", "--yes", "--allow", "data-loss"]);
    },
  );
}
