import assert from "node:assert/strict";
import { join } from "node:path";
import { agentGuest } from "../../lib/agent/client.ts";
import { keptPath } from "../../lib/guest/op_script.ts";
import { parseAnswer, queryScript } from "../../lib/guest/query.ts";
import { connectSsh } from "../../lib/guest/ssh.ts";
import { sha256 } from "../../lib/host/files.ts";
import { run } from "../../lib/host/process.ts";
import { agentTest, untilStatus } from "./agent_fixture.ts";
import { noise } from "./artifacts_fixture.ts";
import { namesIn } from "./folder_fixture.ts";
import { inFolderGuest, modeOf } from "./guest_folder_fixture.ts";
import { sshdTest } from "./sshd_fixture.ts";

const CONTENT = noise(3_000_000);
const AS_ROOT = Deno.uid() === 0;

sshdTest(
  "exec() streams a file of the host to a program's input, after what stands before it",
  async (sshd) => {
    await using connection = await connectSsh(sshd.target);
    const stdinFile = join(sshd.folder, "big");
    await Deno.writeFile(stdinFile, CONTENT);
    const { stdout } = await connection.exec("head -c 5 >/dev/null; sha256sum", {
      stdin: "first",
      stdinFile,
    });
    assert.equal(stdout.split(" ")[0], sha256(CONTENT));
    assert.equal((await connection.exec("exit 4", { stdinFile })).code, 4);
    await assert.rejects(connection.exec("cat", { stdinFile: `${stdinFile}-none` }), Deno.errors.NotFound);
    assert.equal((await connection.exec("echo on")).stdout, "on\n");
  },
);

agentTest("agentGuest() has the agent stream a file that only its path is told of", async (agent) => {
  const { folder, start, sshd } = agent;
  await start();
  await untilStatus(folder, ({ guest }) => guest.state === "connected");
  const stdinFile = join(sshd.folder, "big");
  await Deno.writeFile(stdinFile, CONTENT);
  await using guest = agentGuest(folder.agentSocket);
  const { stdout } = await guest.run("sha256sum", { stdinFile });
  assert.equal(stdout.split(" ")[0], sha256(CONTENT));
});

Deno.test({
  name: `copyIn() and move-in put a file of the host in its place${AS_ROOT ? "" : " (skipped: needs root)"}`,
  ignore: !AS_ROOT,
  fn: () =>
    inFolderGuest(async (guest) => {
      const source = guest.path("source");
      await Deno.writeFile(source, CONTENT);
      const file = { source, name: "it's a tool", digest: sha256(CONTENT) };
      assert.deepEqual(await guest.control.copyIn(file), { ok: true, code: 0, output: "" });
      const path = guest.path("new folder/bin/it's a tool");
      const moved = await guest.control.perform([{ op: "move-in", name: file.name, path, mode: "0755" }]);
      assert.deepEqual(moved, { ok: true, code: 0, output: "" });
      assert.deepEqual(await Deno.readFile(path), CONTENT);
      assert.equal(await modeOf(path), 0o755);
      assert.deepEqual(await namesIn(guest.own("arrivals")), []);
      await guest.control.perform([{ op: "put-back", path }]);
      assert.deepEqual(await namesIn(guest.root), ["source", "var"]);
    }),
});

Deno.test("copyIn() leaves nothing of a file that did not arrive whole", () =>
  inFolderGuest(async (guest) => {
    const source = guest.path("source");
    await Deno.writeFile(source, CONTENT);
    const result = await guest.control.copyIn({ source, name: "tool", digest: sha256("another") });
    assert.deepEqual([result.ok, result.output], [false, "It did not arrive as it was sent"]);
    assert.deepEqual(await namesIn(guest.own("arrivals")), []);
  }));

Deno.test("move-in refuses a folder in its place, and a file that never came", () =>
  inFolderGuest(async (guest) => {
    const path = guest.path("there");
    await Deno.mkdir(path);
    const onFolder = await guest.control.perform([{ op: "move-in", name: "tool", path, mode: "0755" }]);
    assert.match(onFolder.output, /a folder stands there/);
    const none = await guest.control.perform([{ op: "move-in", name: "t", path: `${path}/t`, mode: "0755" }]);
    assert.equal(none.ok, false);
  }));

Deno.test({
  name: `a file that arrives becomes ours, and what stood there comes back${
    AS_ROOT ? "" : " (skipped: needs root)"
  }`,
  ignore: !AS_ROOT,
  fn: () =>
    inFolderGuest(async (guest) => {
      const [source, path] = [guest.path("source"), guest.path("tool")];
      await Deno.writeTextFile(source, "ours");
      await Deno.writeTextFile(path, "before");
      await guest.control.copyIn({ source, name: "tool", digest: sha256("ours") });
      const op = { op: "own-arrived", path, name: "tool", mode: "0755", digest: sha256("ours") } as const;
      await guest.store().run({ what: "Putting it in", ops: [op] });
      assert.equal(await Deno.readTextFile(path), "ours");
      assert.deepEqual((await guest.list()).files, { [path]: sha256("ours") });
      assert.equal((await namesIn(guest.own("before"))).length, 1, keptPath(path));
      await guest.store().run({ what: "Taking it away", ops: [{ op: "disown", path }] });
      assert.equal(await Deno.readTextFile(path), "before");
      assert.deepEqual((await guest.list()).files, {});
    }),
});

Deno.test("a stamp tells a changed file from one that is as it was, without reading it", () =>
  inFolderGuest(async ({ path }) => {
    const stampOf = async (name: string) => {
      const { stdout } = await run(["/bin/sh", "-c", queryScript({ stamps: [name] })]);
      return parseAnswer(stdout).stamp(name);
    };
    const file = path("it's|a tool: big");
    await Deno.writeTextFile(file, "content", { mode: 0o700 });
    const [first, second] = [await stampOf(file), await stampOf(file)];
    assert.ok(first.state === "present");
    assert.deepEqual(first, second);
    assert.deepEqual([first.value.mode, first.value.sizeBytes], ["700", 7]);
    const { mtime } = await Deno.stat(file);
    await Deno.writeTextFile(file, "CONTENT");
    await Deno.utime(file, mtime!, mtime!); // as somebody does who hides it
    const changed = await stampOf(file);
    assert.ok(changed.state === "present");
    assert.notEqual(changed.value.changed, first.value.changed);
    assert.deepEqual(await stampOf(path("none")), { state: "absent" });
    assert.equal(parseAnswer("").stamp(file).state, "unknown");
  }));
