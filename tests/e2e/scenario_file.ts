import assert from "node:assert/strict";
import { join } from "node:path";
import type { Draft } from "./change_row.ts";
import type { Sandbox } from "./sandbox.ts";
import { assertConverged } from "./converged.ts";
import { changeTimes } from "./traces.ts";

/** A machine file as a dotfiles manager leaves it: read-only, and a link into a store whose target is exchanged. */
export async function useLinkedFile(t: Deno.TestContext, sandbox: Sandbox, plain: Draft): Promise<void> {
  const store = join(sandbox.root, "store");
  const put = async (version: string, file: Draft) => {
    const folder = join(store, version);
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(join(folder, "machine.yaml"), JSON.stringify(file), { mode: 0o444 });
    await Deno.chmod(folder, 0o555);
    await Deno.remove(sandbox.file);
    await Deno.symlink(join(folder, "machine.yaml"), sandbox.file);
  };
  const origin = async () => JSON.parse(await Deno.readTextFile(sandbox.folder("full").record)).origin;

  await t.step("a link to a read-only file is read, and remembered by its own path", async () => {
    await put("one", { ...plain, env: { VERSION: "one" } });
    const before = await changeTimes([store, sandbox.work]);
    await sandbox.expect(2, ["diff"]);
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal((await sandbox.expect(0, ["exec", "printenv", "VERSION"])).out, "one\n");
    assert.equal(await origin(), sandbox.file);
    assert.deepEqual(await changeTimes([store, sandbox.work]), before);
  });

  await t.step("the link exchanged is an edit of the same file, and nothing asks to take over", async () => {
    await put("two", { ...plain, env: { VERSION: "two" } });
    const before = await changeTimes([store, sandbox.work]);
    const { out, err } = await sandbox.expect(2, ["diff"]);
    assert.match(out, /env\.VERSION +one → two/);
    assert.doesNotMatch(out + err, /take-over|changed outside/);
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal((await sandbox.expect(0, ["exec", "printenv", "VERSION"])).out, "two\n");
    assert.equal(await origin(), sandbox.file);
    await assertConverged(sandbox);
    assert.deepEqual(await changeTimes([store, sandbox.work]), before);
  });

  await t.step("an own file in its place again", async () => {
    await Deno.remove(sandbox.file);
    await sandbox.write({ ...plain });
    await sandbox.expect(0, ["apply", "--yes"]);
    for (const version of ["one", "two"]) await Deno.chmod(join(store, version), 0o755);
  });
}
