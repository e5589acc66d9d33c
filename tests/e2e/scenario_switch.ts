import assert from "node:assert/strict";
import { join } from "node:path";
import { pageInGuest } from "./guest_page.ts";
import { isThere, type MachineFile, type Sandbox } from "./sandbox.ts";
import { assertDockerKept } from "./scenario_docker_use.ts";
import { pullByContainerd } from "./scenario_registry.ts";

const NAME = "eng";
const IMAGE = "docker.io/library/bb:latest";
const UNITS = ["docker.service", "docker.socket", "containerd.service"];
const [ON, OFF] = ["enabled active", "disabled inactive"];

/** Docker, containerd and nothing take turns on a running machine; each finds again what it had. */
export async function switchEngines(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  const archive = join(sandbox.root, "bb.archive");
  await sandbox.docker(["save", "-o", archive, "bb"]);

  await t.step(
    "docker → containerd: the plan names the containers that stop, and waits for a word",
    async () => {
      await writeEngine(sandbox, file, "containerd");
      const { out } = await sandbox.expect(4, ["apply"]);
      assert.match(out, /engine:docker +delete +service/);
      assert.match(out, /interrupts .*\bweb\b/);
      assert.match(out, /engine:containerd +create/);
      await assertDockerKept(sandbox);
    },
  );

  await t.step("with --yes dockerd and its socket go off, containerd stays on, nothing reboots", async () => {
    await switchTo(sandbox, file, "containerd");
    assert.deepEqual(await unitStates(sandbox), [OFF, OFF, ON]);
    assert.equal(await isThere(join(sandbox.folder(NAME).root, "docker.sock")), false);
    assert.doesNotMatch(await sandbox.docker(["context", "ls", "--format", "{{.Name}}"]), /machine-eng/);
    const { mode } = await Deno.stat(join(sandbox.folder(NAME).root, "containerd.sock"));
    assert.equal(mode! & 0o777, 0o600);
  });

  await useContainerd(t, sandbox, { file, archive });

  await t.step("containerd → docker: images, containers and volumes of Docker are there again", async () => {
    await switchTo(sandbox, file, "docker");
    assert.deepEqual(await unitStates(sandbox), [ON, ON, ON]);
    await assertDockerKept(sandbox);
  });

  await t.step("docker → none: every engine is off, and its data stays", async () => {
    await switchTo(sandbox, file, "none");
    assert.deepEqual(await unitStates(sandbox), [OFF, OFF, OFF]);
    assert.notEqual(await sandbox.inGuest(NAME, "ls /var/lib/docker/overlay2 /var/lib/containerd"), "");
  });

  await t.step("none → containerd: its images and containers are there again", async () => {
    await switchTo(sandbox, file, "containerd");
    assert.deepEqual(await unitStates(sandbox), [OFF, OFF, ON]);
    await assertContainerdKept(sandbox);
  });
}

/** containerd without Docker: an image imported and run, its configuration, and a night in between. */
async function useContainerd(
  t: Deno.TestContext,
  sandbox: Sandbox,
  { file, archive }: { readonly file: MachineFile; readonly archive: string },
): Promise<void> {
  const tasks = async () => (await ctr(sandbox, "tasks", "ls")).match(/^kept +\d+ +RUNNING/m)?.[0];

  await t.step("ctr imports an image and runs it; status tells what runs", async () => {
    const tar = await Deno.readFile(archive);
    await sandbox.expect(0, ["ctr", "images", "import", "-"], { stdin: tar });
    const serve = ["busybox", "httpd", "-f", "-p", "8086", "-h", "/bin"];
    await ctr(sandbox, "run", "-d", "--net-host", IMAGE, "kept", ...serve);
    assert.match(await pageInGuest(sandbox, NAME, "127.0.0.1:8086/none"), /404/);
    assert.match((await sandbox.expect(0, ["status"])).out, /containerd[\s\S]*default[\s\S]*kept/);
  });

  await pullByContainerd(t, sandbox, file);

  await t.step(
    "a key of config.toml is in force after containerd restarted; its container goes on",
    async () => {
      const before = await tasks();
      assert.ok(before);
      await writeEngine(sandbox, file, "containerd", { config: { oom_score: -500 } });
      await sandbox.expect(0, ["apply", "--yes"]);
      assert.equal(await tasks(), before);
      const score = "cat /proc/$(systemctl show -p MainPID --value containerd)/oom_score_adj";
      assert.equal(await sandbox.inGuest(NAME, score), "-500");
      await sandbox.expect(0, ["diff"]);
    },
  );

  await t.step(
    "a value that containerd refuses is told in its words; the former one stays in force",
    async () => {
      const config = await sandbox.inGuest(NAME, "cat /etc/containerd/config.toml");
      const before = await tasks();
      await writeEngine(sandbox, file, "containerd", { config: { oom_score: "deafening" } });
      const { code, out, err } = await sandbox.machine(["apply", "--yes"]);
      assert.equal(code, 1, out + err);
      assert.match(out + err, /oom_score|OOMScore/i);
      assert.equal(await sandbox.inGuest(NAME, "cat /etc/containerd/config.toml"), config);
      assert.equal(await tasks(), before);
    },
  );

  await t.step("after stop and start, image and container are there again", async () => {
    await writeEngine(sandbox, file, "containerd");
    await sandbox.expect(0, ["stop"]);
    await sandbox.expect(0, ["apply", "--yes"]);
    await assertContainerdKept(sandbox);
    await ctr(sandbox, "tasks", "start", "-d", "kept");
    assert.match(await pageInGuest(sandbox, NAME, "127.0.0.1:8086/none"), /404/);
  });
}

/** Writes the file with an engine, and without nerdctl, whose release cannot be had everywhere. */
async function writeEngine(
  sandbox: Sandbox,
  file: MachineFile,
  engine: string,
  containerd: MachineFile = {},
): Promise<void> {
  await sandbox.write({ ...file, runtime: { engine, containerd: { nerdctl: false, ...containerd } } });
}

async function switchTo(sandbox: Sandbox, file: MachineFile, engine: string): Promise<void> {
  const boot = await sandbox.bootId(NAME);
  await writeEngine(sandbox, file, engine);
  await sandbox.expect(0, ["apply", "--yes"], { timeoutMs: 600_000 });
  await sandbox.expect(0, ["diff"]);
  assert.equal(await sandbox.bootId(NAME), boot);
}

async function ctr(sandbox: Sandbox, ...words: string[]): Promise<string> {
  return (await sandbox.expect(0, ["ctr", ...words])).out;
}

async function assertContainerdKept(sandbox: Sandbox): Promise<void> {
  assert.match(await ctr(sandbox, "images", "ls", "-q"), new RegExp(`^${IMAGE}$`, "m"));
  assert.match(await ctr(sandbox, "containers", "ls", "-q"), /^kept$/m);
}

/** Of each unit, whether it starts with the guest, and whether it runs. */
async function unitStates(sandbox: Sandbox): Promise<string[]> {
  const script = UNITS.map((unit) => `echo $(systemctl is-enabled ${unit}) $(systemctl is-active ${unit})`);
  return (await sandbox.inGuest(NAME, script.join("\n"))).split("\n");
}
