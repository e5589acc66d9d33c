import assert from "node:assert/strict";
import type { Draft } from "./change_row.ts";
import type { Sandbox } from "./sandbox.ts";
import { assertConverged } from "./converged.ts";

const FILES = 500;
const PACKAGES = 200;
const STEPS = 100;
const RUNS = 5;

/** An image has fewer packages than are wanted here: some more, as dpkg would note them (dpkg(1), "FILES"). */
const FILLERS = `for i in $(seq ${PACKAGES}); do
printf '\\nPackage: filler-%s\\nStatus: install ok installed\\nArchitecture: all\\nVersion: 1\\nMaintainer: Nobody <nobody@example.org>\\nDescription: nothing\\n' $i >>/var/lib/dpkg/status
: >/var/lib/dpkg/info/filler-$i.list; done`;

/** A file with hundreds of entries: one round trip as with a small one. Times are shown, and bound by nothing. */
export async function growLarge(t: Deno.TestContext, sandbox: Sandbox, plain: Draft): Promise<void> {
  let smallMs = 0;
  await t.step("a small file is the measure", async () => {
    await sandbox.write({ ...plain });
    await sandbox.expect(0, ["apply", "--yes"]);
    await assertConverged(sandbox);
    smallMs = await bestMs(sandbox);
  });

  await t.step(
    `${FILES} files, ${PACKAGES} packages and ${STEPS} steps take one round trip to look at`,
    async () => {
      const there = (await sandbox.inGuest("full", `${FILLERS}; dpkg-query -W -f '\${Package}\\n'`)).split(
        "\n",
      );
      await sandbox.write({
        ...plain,
        packages: { install: there.slice(0, PACKAGES) },
        files: Array.from({ length: FILES }, (_, index) => ({
          path: `/opt/many/${index % 10}/file ${index}`,
          content: `${index}\n`.repeat(index % 50),
          mode: index % 2 === 0 ? "0644" : "0600",
        })),
        provision: Array.from({ length: STEPS }, (_, index) => ({
          name: `step-${index}`,
          run: "exit 1",
          check: index % 2 === 0 ? "true" : "command -v sh",
          as: index % 3 === 0 ? "user" : "root",
        })),
      });
      const started = performance.now();
      await sandbox.expect(0, ["apply", "--yes"], { timeoutMs: 900_000 });
      console.log(`apply of the large file: ${seconds(performance.now() - started)}`);
      await assertConverged(sandbox);
      const large = await bestMs(sandbox);
      const budget = 2 * smallMs + (FILES + PACKAGES + STEPS) / 100 * 10;
      console.log(
        `diff: small ${seconds(smallMs)}, large ${seconds(large)}, budget ${seconds(budget)}`,
      );
    },
  );

  await t.step("one entry among hundreds is found, and put right alone", async () => {
    await sandbox.inGuest("full", "echo x >>'/opt/many/7/file 137'");
    const { out } = await sandbox.expect(2, ["diff"]);
    assert.match(out, /file 137/);
    assert.match(out, /Plan: 0 to add, 1 to change, 0 to remove/);
    await sandbox.expect(0, ["apply", "--yes"]);
    await assertConverged(sandbox);
  });

  await t.step("all of them leave the guest again", async () => {
    await sandbox.write({ ...plain });
    await sandbox.expect(0, ["apply", "--yes"], { timeoutMs: 900_000 });
    await assertConverged(sandbox);
    assert.equal(await sandbox.inGuest("full", "[ -e /opt/many ] && echo there || echo gone"), "gone");
  });
}

/** The quickest of a few diffs. */
async function bestMs(sandbox: Sandbox): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    await sandbox.expect(0, ["diff"]);
    times.push(performance.now() - started);
  }
  return Math.min(...times);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
