import { e2eTest, OPENSSL } from "./e2e_test_case.ts";
import { Sandbox } from "./sandbox.ts";
import { runClusters } from "./scenario_clusters.ts";
import { networkContainers } from "./scenario_cni.ts";
import { useDocker } from "./scenario_docker_use.ts";
import { useNerdctl } from "./scenario_nerdctl.ts";
import { registryKeys, useRegistries } from "./scenario_registry.ts";
import { switchEngines } from "./scenario_switch.ts";

await e2eTest("engines are used in depth, and take turns, on one machine", async (t) => {
  await using sandbox = await Sandbox.make();
  const file = {
    apiVersion: "machine/v1",
    name: "eng",
    vm: { cpus: 2, memory: "1GiB", disk: "6GiB", dataDisk: "4GiB" },
    mounts: [{ source: sandbox.work, writable: true }],
    // What this computer has of its own is the business of another test.
    network: { caCerts: { host: false }, proxy: { inherit: false } },
    runtime: { engine: "docker" },
    ...await registryKeys(sandbox),
  };
  await t.step("a machine is made, with Debian's registry in it", async () => {
    await sandbox.write(file);
    await sandbox.expect(0, ["apply"], { timeoutMs: 900_000 });
  });
  await useDocker(t, sandbox);
  await useRegistries(t, sandbox, file);
  await runClusters(t, sandbox);
  await switchEngines(t, sandbox, file);
  await networkContainers(t, sandbox, file);
  await useNerdctl(t, sandbox, file);
}, { programs: [OPENSSL] });
