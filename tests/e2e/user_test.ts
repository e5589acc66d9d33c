import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./command.ts";
import { importBusybox } from "./container_image.ts";
import { e2eTest } from "./e2e_test_case.ts";
import { denoDir, isThere, Sandbox } from "./sandbox.ts";
import { filesUnder } from "./traces.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SOURCES = ["main.ts", "deno.json", "deno.lock", "lib", "schemas", "profiles"];

await e2eTest("a fresh user without any right makes a machine, uses it and deletes it", async (t) => {
  await using user = await makeUser();
  await using sandbox = await sandboxOf(user);
  await sandbox.write({
    apiVersion: "machine/v1",
    name: "mine",
    vm: { cpus: 2, memory: "1GiB", disk: "6GiB", dataDisk: "4GiB" },
    mounts: [{ source: sandbox.work, writable: true }],
    runtime: "docker",
    ssh: { config: true },
  });
  await giveTo(user, sandbox.file);
  const sshConfig = join(sandbox.home, ".ssh", "config");
  await Deno.mkdir(dirname(sshConfig), { mode: 0o700 });
  await Deno.writeTextFile(sshConfig, "# mine\nHost elsewhere\n  Port 2222\n", { mode: 0o600 });
  await giveTo(user, dirname(sshConfig));

  await t.step("apply builds the image and makes the machine", async () => {
    await sandbox.expect(0, ["apply"], { timeoutMs: 900_000 });
    const { uid } = await Deno.stat(sandbox.folder("mine").disk);
    assert.equal(uid, user.uid);
  });

  await t.step("exec runs as the user of the same name and id", async () => {
    const { out } = await sandbox.expect(0, ["exec", "sh", "-c", "id -un; id -u; echo $HOME"]);
    assert.equal(out, `${user.name}\n${user.uid}\n/home/${user.name}.guest\n`);
  });

  await t.step("ssh finds the machine by name, through the user's own configuration", async () => {
    const ended = await sandbox.run(["ssh", "-F", sshConfig, "-n", "machine-mine", "id", "-un"]);
    assert.equal(ended.out.trim(), user.name, ended.err);
  });

  await t.step("docker run writes into the user's folder as the user", async () => {
    await importBusybox(sandbox);
    await sandbox.docker(["run", "--rm", "-v", `${sandbox.work}:/w`, "bb", "sh", "-c", "echo hi >/w/out"]);
    assert.equal(await Deno.readTextFile(join(sandbox.work, "out")), "hi\n");
    assert.equal((await Deno.stat(join(sandbox.work, "out"))).uid, user.uid);
  });

  await t.step("diff finds nothing", async () => {
    await sandbox.expect(0, ["diff"]);
  });

  await t.step("delete leaves nothing, and the user's ssh configuration as it was", async () => {
    await sandbox.expect(0, ["delete", "--data", "--yes", "--allow", "data-loss"]);
    assert.deepEqual(sandbox.processes(sandbox.machineHome), []);
    assert.equal(await isThere(sandbox.machineHome), false);
    assert.deepEqual(await filesUnder(sandbox.home), [".ssh/config"]);
    assert.equal(await Deno.readTextFile(sshConfig), "# mine\nHost elsewhere\n  Port 2222\n");
  });
}, { lacks: () => Deno.uid() === 0 ? undefined : "only root can make another user" });

/** A user of this computer, for one test. */
interface User extends AsyncDisposable {
  readonly name: string;
  readonly uid: number;
}

async function makeUser(): Promise<User> {
  const name = `mt${crypto.randomUUID().slice(0, 6)}`;
  // useradd(8) gives ordinary users the subordinate ids that building an image without root needs.
  await succeed(["useradd", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", name]);
  const { out } = await run(["id", "-u", name]);
  return {
    name,
    uid: Number(out),
    [Symbol.asyncDispose]: () => succeed(["userdel", name]),
  };
}

/** A sandbox that belongs to a user, with a copy of the program: they cannot look into other homes. */
async function sandboxOf(user: User): Promise<Sandbox> {
  const program = await Deno.makeTempDir({ dir: "/tmp", prefix: "mp-" });
  const at = (name: string) => join(program, name);
  const sandbox = await Sandbox.make({
    program: [at("deno"), "run", "-A", "--no-check", at("main.ts")],
    prefix: ["setpriv", `--reuid=${user.uid}`, `--regid=${user.name}`, "--init-groups", "--"],
    cache: at("cache"),
    env: { USER: user.name, LOGNAME: user.name, DENO_DIR: at("packages") },
    alsoRemove: [program],
  });
  await Deno.copyFile(Deno.execPath(), at("deno"));
  await succeed(["cp", "-r", ...SOURCES.map((name) => join(ROOT, name)), program]);
  await Deno.mkdir(at("packages"));
  await succeed(["cp", "-r", join(denoDir(), "npm"), at("packages")]);
  await giveTo(user, program);
  await giveTo(user, sandbox.root);
  return sandbox;
}

async function giveTo(user: User, path: string): Promise<void> {
  await succeed(["chown", "-R", `${user.name}:`, path]);
}

async function succeed(argv: readonly string[]): Promise<void> {
  const { code, err } = await run(argv);
  assert.equal(code, 0, `${argv.join(" ")}\n${err}`);
}
