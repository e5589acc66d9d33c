import { e2eTest } from "./e2e_test_case.ts";
import { Sandbox } from "./sandbox.ts";
import { changeThings } from "./scenario_change.ts";
import { configureDocker } from "./scenario_docker.ts";
import { changeForms } from "./scenario_forms.ts";
import { deleteAll, losePower } from "./scenario_power.ts";
import { declareSeveral } from "./scenario_several.ts";
import { leaveAlone, useFromNothing } from "./scenario_use.ts";

await e2eTest("a machine lives from its first apply to its deletion", async (t) => {
  await using sandbox = await Sandbox.make();
  const file = {
    apiVersion: "machine/v1",
    name: "dev",
    vm: { cpus: 2, memory: "1GiB", disk: "6GiB", dataDisk: "4GiB" },
    mounts: [{ source: sandbox.work, writable: true }],
    runtime: { engine: "docker" },
  };
  await sandbox.write(file);
  await useFromNothing(t, sandbox);
  await leaveAlone(t, sandbox);
  await configureDocker(t, sandbox, file);
  await changeThings(t, sandbox, file);
  await changeForms(t, sandbox, file);
  await declareSeveral(t, sandbox, file);
  await losePower(t, sandbox, file);
  await deleteAll(t, sandbox);
});
