import { e2eTest, OPENSSL } from "./e2e_test_case.ts";
import { Sandbox } from "./sandbox.ts";
import { useNetwork } from "./scenario_network.ts";

await e2eTest("a guest reaches what only a proxy knows, and trusts whom only the host knows", async (t) => {
  await using sandbox = await Sandbox.make();
  await useNetwork(t, sandbox);
}, { programs: [OPENSSL] });
