import assert from "node:assert/strict";
import fc from "fast-check";
import type { Engine, Json } from "../../../lib/config/types.ts";
import { EXIT } from "../../../lib/host/errors.ts";
import { isActionable } from "../../../lib/plan/effects.ts";
import { CONFLIST, CONFLIST_FOLDER } from "../../../lib/resources/cni/conflist.ts";
import { hasConflist } from "../edited_keys.ts";
import { machineFile, quiet, withEngine } from "../machines.ts";
import { failureText, type FileKeys, linesOf } from "../simulation.ts";
import type { Property } from "./property.ts";

/** Names of others' networks, and whether containerd takes them before ours. */
const RIVALS = {
  "00-theirs.conf": true,
  "05-a.conflist": true,
  "05-machine.conf": true,
  "00-notes.txt": false,
  "10-theirs.conflist": false,
} as const;

const WAITS = /^(?:engine:containerd|nerdctl|socket:containerd|login:.*)$/;

export const rivals: Property<readonly [FileKeys, Engine, keyof typeof RIVALS]> = {
  name: "rivals",
  says:
    "another's network blocks ours, and what waits for it, where it comes before ours, and until it has gone",
  samples: fc.tuple(
    machineFile.map(quiet),
    fc.constantFrom<Engine>("docker", "containerd", "none"),
    fc.constantFrom(...Object.keys(RIVALS) as (keyof typeof RIVALS)[]),
  ),
  async holds(simulation, [random, engine, rival]) {
    const keys = withEngine(random, "containerd");
    await simulation.reach(await simulation.load(withEngine(random, engine)));
    const guest = simulation.host.guestOf(simulation.folder);
    const before = guest.text(CONFLIST);
    const path = `${CONFLIST_FOLDER}/${rival}`;
    guest.view.makeFolders(CONFLIST_FOLDER);
    guest.put(path, "theirs\n");
    const loaded = await simulation.load(keys);
    const isBlocked = RIVALS[rival] && hasConflist(keys).length > 0;
    const course = await simulation.apply(loaded);
    assert.ok(course.ended);
    const { failed, open } = course.value.outcome;
    assert.deepEqual(failed, []);
    const [first, ...others] = open;
    assert.equal(first && `${first.action} ${first.address}`, isBlocked ? "blocked cni" : undefined);
    // containerd waits for plugins of releases, and what stands on containerd with it.
    const waits = loaded.machine.cni.plugins.source === "release" ? WAITS : /^$/;
    for (const { address } of others) assert.match(address, waits);
    if (isBlocked) {
      assert.ok(first!.reason?.includes(`"${path}"`), first!.reason);
      assert.equal(guest.text(CONFLIST), before, "ours was touched");
    }
    assert.equal(guest.text(path), "theirs\n");
    guest.view.delete(path);
    await simulation.reach(loaded);
    assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
    assert.equal(guest.text(CONFLIST) !== undefined, hasConflist(keys).length > 0);
  },
};

export const plugins: Property<FileKeys> = {
  name: "plugins",
  says:
    "a released plugin is fetched before anything is stopped for it; one that cannot be had is missing alone",
  samples: machineFile.map(quiet),
  async holds(simulation, keys) {
    const vm = keys["vm"] as { readonly [key: string]: Json };
    const load = (network: string, memory: string) => {
      const cni = { network, plugins: { source: "package" } };
      return simulation.load({ ...withEngine(keys, "containerd"), vm: { ...vm, memory }, cni });
    };
    await simulation.reach(await load("auto", "512MiB"));
    const loaded = await load("flannel", "1GiB");
    simulation.host.artifacts.failure = "The mirror does not answer";
    const course = await simulation.apply(loaded);
    assert.ok(course.ended);
    const { outcome, events } = course.value;
    assert.equal(outcome.exitCode, EXIT.partial, failureText(outcome, events));
    assert.deepEqual(outcome.failed.map(({ address }) => address), ["cni"], failureText(outcome, events));
    assert.match(failureText(outcome, events), /artifacts\.mirror/, "nobody says what to do");
    const left = (await simulation.diff(loaded)).changes.filter(isActionable);
    assert.deepEqual(left.map(({ address }) => address), ["cni"]);
    simulation.host.artifacts.failure = undefined;
    const whole = await load("flannel", "512MiB");
    const { trace } = await simulation.reach(whole);
    const [fetched, stopped] = ["host fetch", "host stop the VM"].map((start) =>
      trace.findIndex((name) => name.startsWith(start))
    );
    assert.ok(fetched! >= 0 && fetched! < stopped!, "fetched when all was stopped");
    assert.ok(simulation.host.guestOf(simulation.folder).view.get("/usr/lib/cni/flannel"));
    assert.deepEqual(linesOf(await simulation.diff(whole)), []);
  },
};
