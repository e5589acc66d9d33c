import assert from "node:assert/strict";
import type { PlanJson } from "../../lib/ui/plan_schema.ts";
import type { Draft } from "./change_row.ts";
import { guestState, MADE_BY_STEPS } from "./guest_state.ts";
import { isThere, type Sandbox } from "./sandbox.ts";
import { assertConverged } from "./converged.ts";
import { filesUnder } from "./traces.ts";

const NAME = "full";

/** What leaves the file leaves the guest, which is then as it was before; what is not ours stays. */
export async function takeOut(
  t: Deno.TestContext,
  sandbox: Sandbox,
  { plain, before }: { readonly plain: Draft; readonly before: readonly string[] },
): Promise<void> {
  await t.step("the plan of a removal names everything, and a file that somebody changed", async () => {
    await sandbox.inGuest(NAME, "echo theirs >>/etc/stays");
    await sandbox.write({ ...plain });
    const plan = JSON.parse((await sandbox.expect(2, ["diff", "-o", "json"])).out) as PlanJson;
    const gone = plan.changes.filter(({ action }) => action === "delete");
    assert.deepEqual(gone.map(({ address }) => address).sort(), [
      "disk:deep",
      "disk:scratch",
      "env",
      "file:/etc/machine-test.d/sub folder/it's",
      "file:/etc/motd",
      "file:/etc/stays",
      "file:/home/ada.guest/.config/tool/rc",
      "file:/usr/local/bin/hi",
      "module:dummy",
      "package:machine-test-tool",
      "provision:first",
      "provision:second",
      "provision:third",
      "sysctl:net.ipv4.ip_local_port_range",
      "sysctl:vm.swappiness",
    ]);
    assert.match(gone.find(({ address }) => address === "file:/etc/stays")!.reason!, /stays as it is/);
  });

  await t.step(
    "with one apply the guest is as it was before; what somebody changed is still there",
    async () => {
      const { out, err } = await sandbox.expect(0, ["apply", "--yes"]);
      assert.match(out + err, /disks\/scratch\.raw/, "the kept disk is named");
      await assertConverged(sandbox);
      assert.equal(await sandbox.inGuest(NAME, "cat /etc/stays; rm /etc/stays"), "ours\ntheirs");
      assert.deepEqual(await guestState(sandbox, NAME, MADE_BY_STEPS), before);
    },
  );
}

/** Another user in the file: the former login goes. */
export async function changeLogin(t: Deno.TestContext, sandbox: Sandbox, plain: Draft): Promise<void> {
  await t.step("a login that leaves the file leaves its home", async () => {
    await sandbox.write({ ...plain, user: { name: "eve", uid: 1400 } });
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal((await sandbox.expect(0, ["exec", "sh", "-c", "id -un; id -u"])).out, "eve\n1400\n");
    assert.equal(await sandbox.inGuest(NAME, "id ada >/dev/null 2>&1 || ls /home/ada.guest"), "env\nsecond");
    await assertConverged(sandbox);
    await sandbox.write({ ...plain });
    await sandbox.expect(0, ["apply", "--yes"]);
  });
}

/** The end of a machine with further disks: they outlive it as its data disk does, until they are asked for by name. */
export async function deleteDisks(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  const kept = ["full/data.raw", "full/disks/deep.raw", "full/disks/scratch.raw", "full/record.json"];

  await t.step("delete keeps every disk that holds data, also those that left the file", async () => {
    await sandbox.expect(0, ["delete", "--yes"]);
    assert.deepEqual(sandbox.processes(), []);
    assert.deepEqual(await filesUnder(sandbox.machineHome), kept);
  });

  await t.step("delete --data takes them all, and only with --allow data-loss", async () => {
    const { out } = await sandbox.expect(4, ["delete", "full", "--data", "--yes"]);
    assert.match(out, /disk:scratch +delete +data-loss/);
    const there = await filesUnder(sandbox.machineHome);
    assert.deepEqual(kept.filter((file) => !there.includes(file)), []);
    await sandbox.expect(0, ["delete", "full", "--data", "--yes", "--allow", "data-loss"]);
    assert.equal(await isThere(sandbox.machineHome), false);
  });
}
