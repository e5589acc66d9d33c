import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { importBusybox } from "./container_image.ts";
import { e2eTest } from "./e2e_test_case.ts";
import { isThere, Sandbox } from "./sandbox.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROFILE = join(ROOT, "profiles", "docker.yaml");

await e2eTest(
  "the task up makes a machine that sees the home folder and the folder it is called in",
  async (t) => {
    await using sandbox = await Sandbox.make();
    const here = { cwd: join(ROOT, "docs") };

    await t.step("up ends with a docker context that answers, and says what to try", async () => {
      const up = [Deno.execPath(), "task", "up"];
      const { code, out, err } = await sandbox.run(up, { ...here, timeoutMs: 900_000 });
      assert.equal(code, 0, out + err);
      assert.match(out, /Next:/);
      assert.equal(await sandbox.docker(["context", "show"]), "machine-docker");
      assert.equal(await sandbox.docker(["info", "--format", "{{.Name}}"]), "docker");
    });

    await t.step("both folders are there at the same paths", async () => {
      await importBusybox(sandbox);
      await Deno.writeTextFile(join(sandbox.home, "mine"), "x");
      for (const [folder, name] of [[here.cwd, "architecture.md"], [sandbox.home, "mine"]] as const) {
        const listed = await sandbox.docker(["run", "--rm", "-v", `${folder}:/w`, "bb", "ls", "/w"]);
        assert.ok(listed.split("\n").includes(name), listed);
      }
    });

    await t.step("a second up changes nothing", async () => {
      await sandbox.expect(0, ["diff", "-f", PROFILE], here);
      assert.match((await sandbox.expect(0, ["apply", "-f", PROFILE], here)).out, /nothing to do/i);
    });

    await t.step("delete takes it away", async () => {
      await sandbox.expect(0, ["delete", "docker", "--data", "--yes", "--allow", "data-loss"]);
      assert.deepEqual(sandbox.processes(), []);
      assert.equal(await isThere(sandbox.machineHome), false);
    });
  },
);
