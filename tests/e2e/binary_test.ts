import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { importBusybox } from "./container_image.ts";
import { e2eTest } from "./e2e_test_case.ts";
import { isThere, Sandbox } from "./sandbox.ts";

const BINARY = fileURLToPath(new URL("../../dist/machine", import.meta.url));
const SOURCES = ["../../lib", "../../schemas", "../../profiles", "../../main.ts", "../../deno.json"];

await e2eTest("the compiled binary makes a machine, and is its agent", async (t) => {
  await using sandbox = await Sandbox.make({ program: [BINARY] });
  await sandbox.write({
    apiVersion: "machine/v1",
    name: "bin",
    vm: { cpus: 2, memory: "1GiB", disk: "6GiB", dataDisk: "none" },
    mounts: [],
    runtime: "docker",
  });

  await t.step("apply makes the machine", async () => {
    await sandbox.expect(0, ["apply"], { timeoutMs: 900_000 });
  });

  await t.step("the agent is the binary itself", async () => {
    const { pid } = await sandbox.agent("bin");
    assert.equal(await Deno.readLink(`/proc/${pid}/exe`), BINARY);
  });

  await t.step("docker run -i takes standard input and ends with it", async () => {
    await importBusybox(sandbox);
    const words = ["run", "-i", "--rm", "bb", "cat"];
    assert.equal(await sandbox.docker(words, { stdin: "hi\n", timeoutMs: 60_000 }), "hi");
    const long = "0123456789abcdef\n".repeat(50_000);
    assert.equal(await sandbox.docker(words, { stdin: long, timeoutMs: 120_000 }), long.trimEnd());
  });

  await t.step("exec and diff work", async () => {
    assert.equal((await sandbox.expect(0, ["exec", "echo", "a  b"])).out, "a  b\n");
    assert.match((await sandbox.expect(0, ["diff"])).out, /No differences/);
  });

  await t.step("the schema is in it", async () => {
    const { $schema } = JSON.parse((await sandbox.expect(0, ["schema"])).out);
    assert.match($schema, /json-schema/);
  });

  await t.step("delete leaves nothing", async () => {
    await sandbox.expect(0, ["delete", "--yes"]);
    assert.deepEqual(sandbox.processes(), []);
    assert.equal(await isThere(sandbox.machineHome), false);
  });
}, { lacks: whatTheBinaryLacks });

/** An old binary would prove nothing of this source. */
async function whatTheBinaryLacks(): Promise<string | undefined> {
  if (!await isThere(BINARY)) return "dist/machine is not there: deno task compile";
  const newest = Math.max(
    ...await Promise.all(SOURCES.map((path) => newestChange(new URL(path, import.meta.url)))),
  );
  const { mtime } = await Deno.stat(BINARY);
  return mtime!.getTime() > newest ? undefined : "dist/machine is older than the source: deno task compile";
}

async function newestChange(path: URL): Promise<number> {
  const { isDirectory, mtime } = await Deno.stat(path);
  if (!isDirectory) return mtime!.getTime();
  const folder = new URL(`${path}/`);
  const times = [];
  for await (const { name } of Deno.readDir(folder)) times.push(await newestChange(new URL(name, folder)));
  return Math.max(0, ...times);
}
