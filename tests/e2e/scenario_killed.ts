import assert from "node:assert/strict";
import { sleep } from "../../lib/host/clock.ts";
import type { Draft } from "./change_row.ts";
import { guestState, MADE_BY_STEPS } from "./guest_state.ts";
import { randomOf, seedOf } from "./random.ts";
import type { Sandbox } from "./sandbox.ts";
import { assertConverged } from "./converged.ts";

const NAME = "full";
const KILLS = 6;
/** A step starts, ends, and says something now and then. */
const LINES_PER_STEP = 2;

/** The two forms between which the machine goes, and the guest as it is in each without any interruption. */
export interface Forms {
  readonly plain: Draft;
  readonly full: Draft;
  readonly plainState: readonly string[];
  readonly fullState: readonly string[];
}

/** Applies that are killed at random moments, on the way up and on the way down: the guest ends as without. */
export async function killAnywhere(t: Deno.TestContext, sandbox: Sandbox, forms: Forms): Promise<void> {
  const seed = seedOf("kills");
  const random = randomOf(seed);

  for (
    const [way, file, state] of [
      ["of everything", forms.full, forms.fullState],
      ["that takes everything out", forms.plain, forms.plainState],
    ] as const
  ) {
    await t.step(
      `an apply ${way}, killed at up to ${KILLS} moments, ends as one that was left alone (seed ${seed})`,
      async () => {
        // Else its check would say that nothing is to be done.
        await sandbox.inGuest(NAME, "rm -f /home/ada.guest/second");
        await sandbox.write({ ...file });
        for (let kill = 0; kill < KILLS; kill++) if (!await killOnce(sandbox, random)) break;
        await sandbox.expect(0, ["apply", "--yes"]);
        await assertConverged(sandbox);
        assert.deepEqual(await guestState(sandbox, NAME, MADE_BY_STEPS), state);
      },
    );
  }

  await t.step("Ctrl-C lets the running step finish, and names what is left", async () => {
    await sandbox.write({ ...forms.full });
    const apply = sandbox.start(["apply", "--yes", "-o", "json"]);
    assert.ok(await apply.until((line) => line.includes('"step-start"') && line.includes('"disk:')));
    apply.kill("SIGINT");
    const { code, out, err } = await apply.ended;
    assert.equal(code, 5, out + err);
    assert.match(err, /Interrupted: waiting for disk:\S+ to finish/);
    const events = out.trim().split("\n").map((line) => JSON.parse(line));
    const done = events.filter(({ kind }) => kind === "step-done").map(({ address }) => address);
    const started = events.filter(({ kind }) => kind === "step-start").map(({ address }) => address);
    assert.deepEqual(done, started, "what was started was finished");
    const { out: left } = await sandbox.expect(2, ["diff"]);
    assert.match(left, /provision:first/);
    await sandbox.expect(0, ["apply", "--yes"]);
    await assertConverged(sandbox);
    await sandbox.write({ ...forms.plain });
    await sandbox.expect(0, ["apply", "--yes"]);
  });
}

/** Kills an apply at a random moment; `false` when it was over before. */
async function killOnce(sandbox: Sandbox, random: () => number): Promise<boolean> {
  const apply = sandbox.start(["apply", "--yes", "-o", "json"], { timeoutMs: 600_000 });
  let left = Infinity;
  const isThere = await apply.until((line) => {
    const { kind, plan } = JSON.parse(line);
    if (kind === "plan") left = Math.min(left, 1 + random() * LINES_PER_STEP * plan.changes.length);
    return --left <= 0;
  });
  // Within a step too, not only at its start.
  await sleep(random() * 1500);
  apply.kill("SIGKILL");
  const { code, out, err } = await apply.ended;
  assert.ok(isThere && code !== 0 || code === 0, out + err);
  return code !== 0;
}
