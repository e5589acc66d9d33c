import assert from "node:assert/strict";
import { importBusybox } from "./container_image.ts";
import { assertConverged, assertOnlyLooked } from "./converged.ts";
import type { Sandbox } from "./sandbox.ts";
import { changeTimes, guestChangeTimes, guestForks } from "./traces.ts";

/** From nothing to containers, through the host's own docker client. */
export async function useFromNothing(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  await t.step("apply makes a machine from nothing, and needs no word for it", async () => {
    await sandbox.docker(["context", "create", "other", "--docker", "host=unix:///nowhere.sock"]);
    await sandbox.docker(["context", "use", "other"]);
    const before = await Deno.readTextFile(sandbox.file);
    const { out } = await sandbox.expect(0, ["apply"]);
    assert.match(out, /Done: .*\bvm\b.*context:docker/);
    assert.equal(await Deno.readTextFile(sandbox.file), before);
  });

  await t.step("exec runs a command in the guest as its user and gives its exit code", async () => {
    const { out } = await sandbox.expect(0, ["exec", "sh", "-c", 'echo "$(id -u) $PWD $1"', "sh", "a  b"]);
    assert.equal(out, `1000 ${sandbox.work} a  b\n`);
    await sandbox.expect(7, ["exec", "sh", "-c", "exit 7"]);
  });

  await t.step("state is private to its user", async () => {
    const { root, record, dockerSocket, identity } = sandbox.folder("dev");
    assert.equal((await Deno.stat(root)).mode! & 0o777, 0o700);
    for (const file of [record, dockerSocket, identity]) {
      assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600, file);
    }
  });

  await t.step("the docker context is the current one and answers", async () => {
    assert.equal(await sandbox.docker(["context", "show"]), "machine-dev");
    assert.equal(await sandbox.docker(["info", "--format", "{{.Name}}"]), "dev");
  });

  await t.step("docker import and run work, with a folder of the host at the same path", async () => {
    await importBusybox(sandbox);
    await Deno.writeTextFile(`${sandbox.work}/from-host`, "hello");
    const listed = await sandbox.docker(["run", "--rm", "-v", `${sandbox.work}:/w`, "bb", "ls", "/w"]);
    assert.deepEqual(listed.split("\n"), ["from-host", "machine.yaml"]);
    await sandbox.docker(["run", "--rm", "-v", `${sandbox.work}:/w`, "bb", "sh", "-c", "echo hi >/w/out"]);
    assert.equal(await Deno.readTextFile(`${sandbox.work}/out`), "hi\n");
  });

  await t.step("docker run -i takes standard input and ends with it", async () => {
    const words = ["run", "-i", "--rm", "bb", "cat"];
    assert.equal(await sandbox.docker(words, { stdin: "hi\n", timeoutMs: 60_000 }), "hi");
    const long = "0123456789abcdef\n".repeat(50_000);
    assert.equal(await sandbox.docker(words, { stdin: long, timeoutMs: 120_000 }), long.trimEnd());
  });
}

/** What a machine that is as wanted costs. */
export async function leaveAlone(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  await t.step("a second apply changes nothing, writes nothing and opens no connection", async () => {
    const look = async () => ({
      // Not the cache, in which the machines of other tests take their locks.
      host: await changeTimes([sandbox.machineHome, sandbox.home, sandbox.dockerConfig]),
      guest: await guestChangeTimes(sandbox, "dev"),
      connections: (await sandbox.agent("dev")).counts.connections,
    });
    const before = await look();
    const { out, err } = await sandbox.expect(0, ["apply"], { env: { MACHINE_TRACE: "counts" } });
    assert.match(out, /nothing to do/i);
    assert.deepEqual(await look(), before);
    assertOnlyLooked(err);
  });

  await t.step("diff finds nothing in one round trip", async () => {
    await assertConverged(sandbox);
    const { complete, changes } = JSON.parse((await sandbox.expect(0, ["diff", "-o", "json"])).out);
    assert.deepEqual({ complete, changes }, { complete: true, changes: [] });
  });

  await t.step("diff starts at most 8 processes in the guest", async () => {
    const costs: number[] = [];
    const own: number[] = [];
    for (let i = 0; i < 5; i++) {
      const [first, second] = [await guestForks(sandbox, "dev"), await guestForks(sandbox, "dev")];
      own.push(second - first);
      await sandbox.expect(0, ["diff"]);
      costs.push(await guestForks(sandbox, "dev") - second);
    }
    // The guest has work of its own now and then; the smallest of each is what the looks cost.
    const processes = Math.min(...costs) - Math.min(...own);
    assert.ok(
      processes >= 1 && processes <= 8,
      `${processes} processes: ${costs} with a diff, ${own} without`,
    );
  });

  await t.step("status tells what runs, as text and as JSON", async () => {
    const status = JSON.parse((await sandbox.expect(0, ["status", "-o", "json"])).out);
    assert.equal(status.state, "running");
    assert.equal(status.docker.current, true);
    assert.deepEqual(status.mounts.map((mount: { state: string }) => mount.state), ["mounted"]);
    assert.match((await sandbox.expect(0, ["status"])).out, /running/);
  });
}
