import assert from "node:assert/strict";
import { join } from "node:path";
import type { TrialWatch } from "../../lib/agent/trial_watch.ts";
import { watchTrial } from "../../lib/agent/trial_watch.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { readTextIfPresent } from "../../lib/host/files.ts";
import { type MachineFolder, machineFolderAt } from "../../lib/host/paths.ts";
import { spawnDetached } from "../../lib/host/process.ts";
import { endTrial, writeTrial } from "../../lib/resources/trial.ts";
import { agentTest } from "./agent_fixture.ts";
import { inFolder } from "./folder_fixture.ts";
import { MACHINE } from "./resources_fixture.ts";

const NOON = Date.parse("2026-11-22T12:00:00Z");

/** A machine's folder that is watched with clocks moved by hand. */
interface Watched {
  readonly folder: MachineFolder;
  /** Seconds since noon by the clock on the wall, and since the start by the other one. */
  readonly clock: { wall: number; up: number };
  /** When forms were taken back, by the clock on the wall. */
  readonly reverts: number[];
  readonly log: string[];
  /** Watches until it is disposed; of several, each is an agent of its own. */
  watch(more?: TrialWatch): Disposable;
  /** Waits until the folder was looked at twice: what the first look led to has happened then. */
  looked(): Promise<void>;
  tryUntil(seconds: number): Promise<void>;
}

function watchedTest(name: string, test: (it: Watched) => Promise<void>): void {
  Deno.test(name, () =>
    inFolder("trial-", async (root) => {
      const folder = machineFolderAt(root);
      const clock = { wall: 0, up: 0 };
      const reverts: number[] = [];
      const log: string[] = [];
      let looks = 0;
      await test({
        folder,
        clock,
        reverts,
        log,
        watch: (more = {}) =>
          watchTrial(folder, (text) => log.push(text), {
            revert: () => void reverts.push(clock.wall),
            now: () => {
              looks++;
              return NOON + clock.wall * 1000;
            },
            uptime: () => clock.up * 1000,
            everyMs: 2,
            ...more,
          }),
        async looked() {
          const before = looks;
          const more = await waitFor(() => Promise.resolve(looks >= before + 2 || undefined), {
            timeoutMs: 5000,
            firstDelayMs: 2,
            maxDelayMs: 5,
          });
          assert.ok(more, "nobody looks");
        },
        tryUntil: (seconds) =>
          writeTrial(folder, { until: new Date(NOON + seconds * 1000).toISOString(), former: MACHINE }),
      });
    }));
}

watchedTest("watchTrial() takes a form back once its time is over, and not before", async (it) => {
  using _watch = it.watch();
  await it.looked();
  await it.tryUntil(60);
  it.clock.wall = 59.999;
  await it.looked();
  assert.deepEqual([it.reverts, it.log], [[], []]);
  it.clock.wall = 60;
  await it.looked();
  assert.deepEqual(it.reverts, [60]);
  assert.match(it.log.join("\n"), /^The form that was tried was not confirmed: takes it back$/);
});

watchedTest("watchTrial() leaves a form that was confirmed, and one that is tried for longer", async (it) => {
  using _watch = it.watch();
  await it.tryUntil(60);
  await it.looked();
  await endTrial(it.folder);
  it.clock.wall = 100;
  await it.looked();
  await it.tryUntil(300);
  await it.looked();
  assert.deepEqual(it.reverts, []);
});

watchedTest("watchTrial() gives what takes it back a minute before it starts that again", async (it) => {
  using _watch = it.watch();
  await it.tryUntil(0);
  await it.looked();
  for (const up of [0.001, 30, 59.9]) {
    it.clock.up = up;
    await it.looked();
  }
  assert.equal(it.reverts.length, 1);
  it.clock.up = 60;
  await it.looked();
  assert.equal(it.reverts.length, 2);
  await endTrial(it.folder);
  it.clock.up = 200;
  await it.looked();
  assert.equal(it.reverts.length, 2);
});

watchedTest(
  "watchTrial() goes by the clock on the wall: time asleep counts, a clock set back waits",
  async (it) => {
    using _watch = it.watch();
    await it.tryUntil(120);
    it.clock.wall = 30;
    it.clock.up = 30;
    await it.looked();
    it.clock.wall = -3600; // somebody corrects the clock
    await it.looked();
    assert.deepEqual(it.reverts, []);
    it.clock.wall = 8 * 3600; // the lid was closed: the other clock stood still
    await it.looked();
    assert.deepEqual(it.reverts, [8 * 3600]);
  },
);

watchedTest("watchTrial() does not start it again only because the clock on the wall jumps", async (it) => {
  using _watch = it.watch();
  await it.tryUntil(0);
  await it.looked();
  it.clock.wall = 24 * 3600;
  await it.looked();
  assert.equal(it.reverts.length, 1);
});

watchedTest("watchTrial() of an agent that was started anew goes on where the former one was", async (it) => {
  {
    using _former = it.watch();
    await it.tryUntil(60);
    await it.looked();
  }
  it.clock.wall = 61; // while no agent was there
  assert.deepEqual(it.reverts, []);
  using _watch = it.watch();
  await it.looked();
  assert.deepEqual(it.reverts, [61]);
});

watchedTest(
  "watchTrial() does nothing more once it was disposed, also in the middle of a look",
  async (it) => {
    await it.tryUntil(0);
    const watch: { current?: Disposable } = {};
    const disposed = new Promise<void>((resolve) => {
      watch.current = it.watch({
        now: () => {
          watch.current![Symbol.dispose]();
          resolve();
          return NOON;
        },
      });
    });
    await disposed;
    using _other = it.watch({ revert: () => {} });
    await it.looked();
    assert.deepEqual(it.reverts, []);
  },
);

watchedTest(
  "watchTrial() bears a machine that is deleted meanwhile; of files that say nothing it says so once",
  async (it) => {
    using _watch = it.watch();
    for (const text of ["", "{", "null", "[]", "{}", '{"until":"soon"}', '{"until":5e99}']) {
      await Deno.writeTextFile(it.folder.trial, text);
      await it.looked();
    }
    await Deno.remove(it.folder.trial);
    await Deno.mkdir(it.folder.trial); // cannot be read
    await it.looked();
    await Deno.remove(it.folder.root, { recursive: true });
    it.clock.wall = 100;
    await it.looked();
    await Deno.mkdir(it.folder.root); // for the test's own end
    assert.deepEqual(it.reverts, []);
    assert.match(it.log[0] ?? "", /cannot be read: .*JSON/);
    assert.ok(it.log.some((text) => /does not say until when/.test(text)));
    assert.match(it.log.at(-1) ?? "", /cannot be read: .*directory/i);
    assert.ok(it.log.every((text, index) => text !== it.log[index - 1]), it.log.join("\n"));
  },
);

watchedTest("watchTrial() starts a program and is not held up by it", async (it) => {
  const script =
    'echo begun >> "$0/reverts"; while [ -d "$0" ] && [ ! -e "$0/go" ]; do sleep 0.02; done; rm "$0/trial.json"';
  using _watch = it.watch({
    revert: ({ root }) => {
      it.reverts.push(it.clock.wall);
      spawnDetached(["/bin/sh", "-c", script, root], { log: join(root, "log"), cwd: root, env: {} });
    },
  });
  await it.tryUntil(0);
  const begun = async () => await readTextIfPresent(join(it.folder.root, "reverts")) || undefined;
  assert.ok(await waitFor(begun, { timeoutMs: 5000, firstDelayMs: 5 }));
  it.clock.up = 59;
  await it.looked();
  await Deno.writeTextFile(join(it.folder.root, "go"), "");
  const gone = async () => await readTextIfPresent(it.folder.trial) === undefined || undefined;
  assert.ok(await waitFor(gone, { timeoutMs: 5000, firstDelayMs: 5 }));
  it.clock.up = 1000;
  await it.looked();
  assert.deepEqual([it.reverts.length, await begun()], [1, "begun\n"]);
});

agentTest("an agent starts the command that takes a form back when it comes up too late", async (agent) => {
  await writeTrial(agent.folder, { until: new Date(Date.now() - 1000).toISOString(), former: MACHINE });
  const before = Deno.env.get("MACHINE_HOME");
  Deno.env.set("MACHINE_HOME", join(agent.folder.root, "..", "nothing"));
  try {
    await agent.start();
    const log = await waitFor(async () => {
      const text = await agent.log();
      return /There is no machine "dev"/.test(text) ? text : undefined;
    }, { timeoutMs: 20_000, firstDelayMs: 50, maxDelayMs: 200 });
    assert.match(log ?? await agent.log(), /takes it back[^]*There is no machine "dev"/);
  } finally {
    if (before === undefined) Deno.env.delete("MACHINE_HOME");
    else Deno.env.set("MACHINE_HOME", before);
  }
});
