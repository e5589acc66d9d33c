import assert from "node:assert/strict";
import { runNerdctlInGuest } from "../../lib/apply/nerdctl.ts";
import type { Runtime } from "../../lib/config/types.ts";
import { UserError } from "../../lib/host/errors.ts";
import { ensurePrivateDir } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { RecordStore } from "../../lib/resources/record.ts";
import { MACHINE, RECORD, withHome } from "./resources_fixture.ts";

/** Why nerdctl cannot be run in a machine that is stopped and has this runtime. */
async function refusalOf(runtime: Partial<Runtime>): Promise<UserError> {
  const folder = machineFolder("dev");
  await ensurePrivateDir(folder.root);
  const machine = { ...MACHINE, runtime: { ...MACHINE.runtime, ...runtime } };
  await new RecordStore(folder, RECORD).update({ machine });
  const error = await runNerdctlInGuest({ name: "dev", words: ["ps"], cwd: "/", emit: () => {} })
    .catch((error) => error);
  assert.ok(error instanceof UserError, String(error));
  return error;
}

Deno.test("machine nerdctl says what a machine needs for it", () =>
  withHome(async () => {
    const docker = await refusalOf({ engine: "docker" });
    assert.equal(docker.message, 'nerdctl works with containerd, and the engine of machine "dev" is docker');
    assert.match(docker.hint ?? "", /machine exec docker/);
    assert.match((await refusalOf({ engine: "none" })).message, /is none$/);
    const containerd = { ...MACHINE.runtime.containerd, nerdctl: false };
    const off = await refusalOf({ engine: "containerd", containerd });
    assert.match(off.message, /runtime\.containerd\.nerdctl is false$/);
    assert.match(off.hint ?? "", /machine ctr/);
    assert.match((await refusalOf({ engine: "containerd" })).message, /^Machine "dev" does not run$/);
  }));
