import assert from "node:assert/strict";
import type { MachineFile, Sandbox } from "./sandbox.ts";

const DAEMON_JSON = "/etc/docker/daemon.json";

/** Edits of dockerd's configuration, in the guest and in the file, under a running container. */
export async function configureDocker(
  t: Deno.TestContext,
  sandbox: Sandbox,
  file: MachineFile,
): Promise<void> {
  const withDaemon = (daemon: MachineFile) =>
    sandbox.write({ ...file, runtime: { engine: "docker", docker: { daemon } } });
  const started = () =>
    sandbox.docker(["inspect", "--format", "{{.State.StartedAt}} {{.State.Running}}", "web"]);
  const mirrors = () => sandbox.docker(["info", "--format", "{{json .RegistryConfig.Mirrors}}"]);

  await sandbox.docker(["run", "-d", "--name", "web", "bb", "sleep", "100000"]);
  const container = await started();
  const before = await runs(sandbox);

  await t.step("an edit of daemon.json in the guest is told as a change from outside", async () => {
    await sandbox.inGuest("dev", `echo '{"debug": true}' >${DAEMON_JSON}`);
    const { out } = await sandbox.expect(2, ["diff"]);
    assert.match(out, /engine:docker +update +live/);
    assert.match(out, /daemon\.debug +true → .*changed outside/);
  });

  await t.step("apply puts it back and restarts neither dockerd nor the VM, as the plan said", async () => {
    await sandbox.expect(0, ["apply"]);
    assert.equal(await sandbox.inGuest("dev", `cat ${DAEMON_JSON} 2>/dev/null || echo none`), "none");
    assert.deepEqual(await runs(sandbox), before);
    await sandbox.expect(0, ["diff"]);
  });

  for (
    const [what, daemon, expected] of [
      ["added", { "registry-mirrors": ["https://a.example"] }, '["https://a.example/"]'],
      ["changed", { "registry-mirrors": ["https://b.example"] }, '["https://b.example/"]'],
      ["removed", {}, "[]"],
    ] as const
  ) {
    await t.step(`a mirror ${what} in the file is in force at once, the container goes on`, async () => {
      await withDaemon(daemon);
      await sandbox.expect(2, ["diff"]);
      await sandbox.expect(0, ["apply"]);
      assert.equal((await mirrors()).replace("null", "[]"), expected);
      assert.equal(await started(), container);
      assert.deepEqual(await runs(sandbox), before);
      await sandbox.expect(0, ["diff"]);
    });
  }

  await t.step("a key that needs a restart of dockerd needs --yes, and names the containers", async () => {
    await withDaemon({ "log-opts": { "max-size": "7m" } });
    const { out } = await sandbox.expect(4, ["apply"]);
    assert.match(out, /engine:docker +update +service/);
    assert.match(out, /interrupts web/);
    assert.deepEqual(await runs(sandbox), before);
    assert.equal(await started(), container);
  });

  await t.step("with --yes dockerd restarts, the VM does not, and the key is in force", async () => {
    await sandbox.expect(0, ["apply", "--yes"]);
    const after = await runs(sandbox);
    assert.equal(after.bootId, before.bootId);
    assert.notEqual(after.dockerd, before.dockerd);
    await sandbox.docker(["create", "--name", "later", "bb", "true"]);
    assert.equal(
      await sandbox.docker(["inspect", "--format", "{{json .HostConfig.LogConfig.Config}}", "later"]),
      '{"max-size":"7m"}',
    );
    await sandbox.expect(0, ["diff"]);
  });

  for (
    const [what, bad, words] of [
      ["its own check refuses", { "log-level": "deafening" }, /deafening/],
      ["only its start refuses", { "storage-driver": "papyrus" }, /papyrus/],
    ] as const
  ) {
    await t.step(
      `a value that ${what} is told in dockerd's words; the former one stays in force`,
      async () => {
        const former = await sandbox.inGuest("dev", `cat ${DAEMON_JSON}`);
        await withDaemon({ "log-opts": { "max-size": "7m" }, ...bad });
        const { code, out, err } = await sandbox.machine(["apply", "--yes"]);
        assert.ok(code === 1 || code === 5, `exit code ${code}\n${out}${err}`);
        assert.match(`${out}${err}`, words);
        assert.equal(await sandbox.inGuest("dev", `cat ${DAEMON_JSON}`), former);
        assert.equal(await sandbox.docker(["info", "--format", "{{.Name}}"]), "dev");
      },
    );
  }

  await t.step("the file put right again brings it all back", async () => {
    await sandbox.write(file);
    await sandbox.expect(0, ["apply", "--yes"]);
    await sandbox.expect(0, ["diff"]);
    await sandbox.docker(["rm", "-f", "web", "later"]);
  });
}

/** Which run of the guest and of dockerd this is. */
async function runs(sandbox: Sandbox): Promise<{ readonly bootId: string; readonly dockerd: string }> {
  return {
    bootId: await sandbox.bootId("dev"),
    dockerd: await sandbox.inGuest("dev", "systemctl show -p InvocationID --value docker.service"),
  };
}
