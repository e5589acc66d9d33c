import assert from "node:assert/strict";
import { join } from "node:path";
import { waitFor } from "../../lib/host/clock.ts";
import { isThere, type MachineFile, type Sandbox } from "./sandbox.ts";

const NAME = "dev";
/** The shortest time that can be tried. */
const TRY = "30s";

/** Forms that are tried, kept, planned for later and gone back to. */
export async function changeForms(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  await tryForms(t, sandbox, file);
  await savePlans(t, sandbox, file);
  await goBack(t, sandbox, file);
}

async function tryForms(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  const { trial } = sandbox.folder(NAME);

  await t.step(
    "a form that nobody confirms is taken back by the agent",
    async () => {
      await sandbox.write({ ...file, hostname: "tried", env: { TRIED: "yes" } });
      const { err } = await sandbox.expect(0, ["apply", "--try", TRY]);
      assert.match(err, /Tried until .*machine confirm -m dev/);
      assert.equal(await hostName(sandbox), "tried");
      const gone = await waitFor(async () => await isThere(trial) ? undefined : true, { timeoutMs: 120_000 });
      assert.ok(gone, "the agent does not take it back");
      assert.equal(await hostName(sandbox), "dev");
      assert.equal((await sandbox.machine(["exec", "printenv", "TRIED"])).code, 1);
      assert.match((await sandbox.expect(2, ["diff"])).out, /hostname +dev → tried$/m);
      await sandbox.write(file);
      assert.match((await sandbox.expect(0, ["diff"])).out, /No differences/);
    },
  );

  await t.step("a form that is confirmed stays when its time is over", async () => {
    await sandbox.write({ ...file, hostname: "kept" });
    await sandbox.expect(0, ["apply", "--try", TRY]);
    const { until } = JSON.parse(await Deno.readTextFile(trial));
    await sandbox.expect(0, ["confirm"]);
    await sandbox.expect(4, ["confirm"]);
    const isOver = async () => await Promise.resolve(Date.now() > Date.parse(until) + 2000 || undefined);
    assert.ok(await waitFor(isOver, { timeoutMs: 120_000 }));
    assert.equal(await hostName(sandbox), "kept");
    await sandbox.expect(0, ["diff"]);
  });
}

async function savePlans(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  const plan = join(sandbox.root, "plan.json");

  await t.step("a saved plan is refused when the machine has moved, and names what moved", async () => {
    await sandbox.write({ ...file, hostname: "planned", env: { PLANNED: "yes" } });
    await sandbox.expect(2, ["diff", "--out", plan]);
    assert.equal((await Deno.stat(plan)).mode! & 0o777, 0o600);
    await sandbox.inGuest(NAME, "echo theirs >/proc/sys/kernel/hostname");
    const { out, err } = await sandbox.expect(4, ["apply", plan, "--yes"]);
    assert.match(out + err, /^ {2}hostname would change something else$/m);
    assert.equal(await hostName(sandbox), "theirs");
    await sandbox.inGuest(NAME, "echo kept >/proc/sys/kernel/hostname");
  });

  await t.step("when it is as it was, the plan is carried out, whatever the file says now", async () => {
    await sandbox.write({ ...file, hostname: "edited" });
    await sandbox.expect(0, ["apply", plan]);
    assert.equal(await hostName(sandbox), "planned");
    assert.equal((await sandbox.expect(0, ["exec", "printenv", "PLANNED"])).out, "yes\n");
    await sandbox.expect(4, ["apply", plan]);
  });
}

async function goBack(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  await t.step("history lists the forms, the present one with a star", async () => {
    const { out } = await sandbox.expect(0, ["history"]);
    assert.match(
      out.trimEnd().split("\n").at(-1)!,
      /^\* \d+ .*\benv\b.*\bhostname\b|^\* \d+ .*\bhostname\b.*\benv\b/,
    );
  });

  await t.step("rollback goes to the form before, leaves the file alone and says so", async () => {
    const { err } = await sandbox.expect(0, ["rollback"]);
    assert.match(err, /still says otherwise/);
    assert.equal(await hostName(sandbox), "kept");
    assert.equal((await sandbox.machine(["exec", "printenv", "PLANNED"])).code, 1);
    assert.match((await sandbox.expect(2, ["diff"])).out, /hostname +kept → edited$/m);
  });

  await t.step("rollback N goes to any of them", async () => {
    const { forms } = JSON.parse((await sandbox.expect(0, ["history", "-o", "json"])).out) as {
      forms: { number: number; present: boolean; machine: { hostname: string } }[];
    };
    assert.equal(forms.at(-1)!.present, true);
    const planned = forms.find(({ machine }) => machine.hostname === "planned")!;
    await sandbox.expect(0, ["rollback", String(planned.number)]);
    assert.equal(await hostName(sandbox), "planned");
    await sandbox.write(file);
    await sandbox.expect(0, ["apply"]);
    assert.equal(await hostName(sandbox), "dev");
  });
}

async function hostName(sandbox: Sandbox): Promise<string> {
  return (await sandbox.expect(0, ["exec", "hostname"])).out.trimEnd();
}
