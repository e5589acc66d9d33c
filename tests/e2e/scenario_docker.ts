import assert from "node:assert/strict";
import type { MachineFile, Sandbox } from "./sandbox.ts";

const DAEMON_JSON = "/etc/docker/daemon.json";

/** Keys that dockerd reloads and `docker info` shows, and what they are where nobody sets them. */
const NONE_OF_THEM = {
  "registry-mirrors": [],
  "insecure-registries": [],
  "labels": [],
  "debug": false,
  "live-restore": false,
};
const FIRST = {
  "registry-mirrors": ["https://a.example/"],
  "insecure-registries": ["10.1.0.0/16"],
  "labels": ["place=here"],
  "debug": true,
  "live-restore": true,
};
const SECOND = {
  "registry-mirrors": ["https://b.example/"],
  "insecure-registries": ["10.2.0.0/16"],
  "labels": ["place=there"],
};

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

  await sandbox.docker(["run", "-d", "--name", "web", "bb", "sleep", "100000"]);
  const container = await started();
  const before = await runs(sandbox);
  const daemonJson = () => sandbox.inGuest("dev", `cat ${DAEMON_JSON} 2>/dev/null || echo none`);
  const unedited = await daemonJson();

  await t.step("an edit of daemon.json in the guest is told as a change from outside", async () => {
    const edited = { ...(unedited === "none" ? {} : JSON.parse(unedited)), debug: true };
    await sandbox.inGuest("dev", `echo '${JSON.stringify(edited)}' >${DAEMON_JSON}`);
    const { out } = await sandbox.expect(2, ["diff"]);
    assert.match(out, /engine:docker +update +live/);
    assert.match(out, /daemon\.debug +true → .*changed outside/);
  });

  await t.step("apply puts it back and restarts neither dockerd nor the VM, as the plan said", async () => {
    await sandbox.expect(0, ["apply"]);
    assert.equal(await daemonJson(), unedited);
    assert.deepEqual(await runs(sandbox), before);
    await sandbox.expect(0, ["diff"]);
  });

  for (const [what, daemon] of [["added", FIRST], ["changed", SECOND], ["removed", {}]] as const) {
    await t.step(`keys that dockerd reloads, ${what}: in force at once, the container goes on`, async () => {
      await withDaemon(daemon);
      await sandbox.expect(2, ["diff"]);
      await sandbox.expect(0, ["apply"]);
      assert.deepEqual(await reloadable(sandbox), { ...NONE_OF_THEM, ...daemon });
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
        const containers = () => sandbox.docker(["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
        const [former, those] = [await daemonJson(), await containers()];
        await withDaemon({ "log-opts": { "max-size": "7m" }, ...bad });
        const { out, err } = await sandbox.expect(1, ["apply", "--yes"]);
        assert.match(`${out}${err}`, words);
        assert.equal(await daemonJson(), former);
        assert.equal(await containers(), those);
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

/** What the running dockerd has in force of {@link NONE_OF_THEM}. */
async function reloadable(sandbox: Sandbox): Promise<Readonly<Record<string, unknown>>> {
  const info = JSON.parse(await sandbox.docker(["info", "--format", "{{json .}}"]));
  const networks: readonly string[] = info.RegistryConfig.InsecureRegistryCIDRs;
  return {
    "registry-mirrors": info.RegistryConfig.Mirrors ?? [],
    // Its own loopback is always among them.
    "insecure-registries": networks.filter((it) => it.startsWith("10.")),
    "labels": info.Labels ?? [],
    "debug": info.Debug,
    "live-restore": info.LiveRestoreEnabled,
  };
}

/** Which run of the guest and of dockerd this is. */
async function runs(sandbox: Sandbox): Promise<{ readonly bootId: string; readonly dockerd: string }> {
  return {
    bootId: await sandbox.bootId("dev"),
    dockerd: await sandbox.inGuest("dev", "systemctl show -p InvocationID --value docker.service"),
  };
}
