import assert from "node:assert/strict";
import { quote } from "../../lib/guest/quote.ts";
import type { PlanJson } from "../../lib/ui/plan_schema.ts";
import {
  type GuestEdit,
  type Happening,
  linesOf,
  SCENARIO_BASE,
  SCENARIOS,
  type ScenarioStep,
} from "../scenarios.ts";
import { e2eTest } from "./e2e_test_case.ts";
import { killNow, Sandbox } from "./sandbox.ts";

const NAME = "story";

await e2eTest("the scenarios of the simulation go the same way on a real guest", async (t) => {
  await using sandbox = await Sandbox.make();
  await sandbox.write(SCENARIO_BASE);
  await sandbox.expect(0, ["apply"]);
  for (const { name, steps } of SCENARIOS) {
    await t.step(name, async () => {
      try {
        for (const step of steps) await tell(sandbox, step);
        await sandbox.expect(0, ["diff"]);
      } catch (error) {
        // One that failed must not spoil those after it.
        await sandbox.write(SCENARIO_BASE);
        await sandbox.machine(["apply", "--yes"]);
        throw error;
      }
    });
  }
});

/** One turn of a story: what happens, and what the plan says then, in which nothing is left of the turn before. */
async function tell(sandbox: Sandbox, { happens, plan }: ScenarioStep): Promise<void> {
  await letHappen(sandbox, happens);
  const { code, out, err } = await sandbox.machine(["diff", "-o", "json"]);
  assert.equal(code, plan.length === 0 ? 0 : 2, out + err);
  assert.deepEqual(linesOf(JSON.parse(out) as PlanJson), plan, `after ${JSON.stringify(happens)}`);
  await sandbox.expect(0, ["apply", "--yes"]);
}

async function letHappen(sandbox: Sandbox, happens: Happening): Promise<void> {
  switch (happens.kind) {
    case "file":
      return await sandbox.write({ ...SCENARIO_BASE, ...happens.keys });
    case "hand":
      await sandbox.inGuest(NAME, scriptOf(happens.edit));
      return;
    case "power":
      if (happens.event === "vm-killed") return await killNow(await sandbox.qemu(NAME));
      if (happens.event === "agent-killed") return await killNow((await sandbox.agent(NAME)).pid);
      await sandbox.expect(0, ["stop"]);
  }
}

function scriptOf(edit: GuestEdit): string {
  switch (edit.edit) {
    case "write":
      return `printf %s ${quote(edit.content)} >${quote(edit.path)}`;
    case "remove":
      return `rm ${quote(edit.path)}`;
    case "mode":
      return `chmod ${edit.mode} ${quote(edit.path)}`;
    case "parameter":
      return `sysctl -q -w ${quote(`${edit.key}=${edit.value}`)} 2>/dev/null || echo ${
        quote(edit.value)
      } >/proc/sys/${edit.key.replaceAll(".", "/")}`;
    case "unload-module":
      return `modprobe -r ${edit.name}`;
    case "hostname":
      return `echo ${edit.name} >/proc/sys/kernel/hostname`;
    case "unmount":
      return `umount ${quote(edit.target)}`;
  }
}
