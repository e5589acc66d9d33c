import assert from "node:assert/strict";
import { join } from "node:path";
import { pageInGuest } from "./guest_page.ts";
import type { MachineFile, Sandbox } from "./sandbox.ts";

const NAME = "eng";

/**
 * The same day's work with nerdctl, whose release comes from a folder that MACHINE_TEST_MIRROR names, made by
 * `machine artifacts fetch --to FOLDER`. An image "bb" is in containerd already, and a Dockerfile upon it in `app`.
 */
export async function useNerdctl(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  const mirror = Deno.env.get("MACHINE_TEST_MIRROR");
  const folder = join(sandbox.work, "app");
  const nerdctl = async (...words: string[]) =>
    (await sandbox.expect(0, ["nerdctl", "-m", NAME, ...words], { cwd: folder })).out.trim();
  await t.step({
    name: `nerdctl builds from a mounted folder, runs, publishes a port, and finds all after stop and start${
      mirror === undefined ? " (skipped: MACHINE_TEST_MIRROR names no folder with its release)" : ""
    }`,
    ignore: mirror === undefined,
    fn: async () => {
      const keys = { artifacts: { mirror, offline: true }, runtime: { engine: "containerd" } };
      await sandbox.write({ ...file, ...keys });
      await sandbox.expect(0, ["apply", "--yes"]);
      await nerdctl("build", "-t", "built", ".");
      await nerdctl("run", "-d", "--name", "served", "-p", "8087:80", "-v", "stored:/data", "built");
      const page = await pageInGuest(sandbox, NAME, "127.0.0.1:8087/copy");
      assert.equal(page, await Deno.readTextFile(join(folder, "page")));
      await nerdctl("exec", "served", "sh", "-c", "echo precious >/data/file");
      await sandbox.expect(0, ["stop"]);
      await sandbox.expect(0, ["start"]);
      assert.match(await nerdctl("images", "--format", "{{.Repository}}"), /^built$/m);
      await nerdctl("start", "served");
      assert.equal(await pageInGuest(sandbox, NAME, "127.0.0.1:8087/copy"), page);
      assert.equal(await nerdctl("exec", "served", "cat", "/data/file"), "precious");
      await sandbox.expect(0, ["diff"]);
    },
  });
}
