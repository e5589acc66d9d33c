import assert from "node:assert/strict";
import fc from "fast-check";
import { EXIT } from "../../../lib/host/errors.ts";
import type { Engine, Machine } from "../../../lib/config/types.ts";
import { worstEffect } from "../../../lib/plan/effects.ts";
import { machineFile, quiet, withEngine } from "../machines.ts";
import { type FileKeys, linesOf, type Simulation } from "../simulation.ts";
import { withoutWhatStays } from "../state.ts";
import type { Property } from "./property.ts";

const ENGINES = ["docker", "containerd", "none"] as const;
const engines = fc.tuple(fc.constantFrom(...ENGINES), fc.constantFrom(...ENGINES));

/** Where the engines keep images and containers. */
const KEPT = ["/var/lib/docker/image/one", "/var/lib/containerd/content/two", "/var/lib/nerdctl/three"];

export const switching: Property<readonly [FileKeys, readonly [Engine, Engine]]> = {
  name: "switch",
  says: "an engine that goes and comes back has kept what it had, was asked for, and needs no boot",
  samples: fc.tuple(machineFile.map(quiet), engines),
  async holds(simulation, [keys, [first, second]]) {
    const [from, to] = [
      await simulation.load(withEngine(keys, first)),
      await simulation.load(withEngine(keys, second)),
    ];
    await simulation.reach(from);
    const before = simulation.state();
    const { view } = simulation.host.guestOf(simulation.folder);
    for (const path of KEPT) {
      view.makeFolders(path.slice(0, path.lastIndexOf("/")));
      simulation.host.guestOf(simulation.folder).put(path, "kept\n");
    }
    const { boots } = simulation.host.interruptions();
    const isGoing = first !== second && first !== "none";
    if (isGoing) {
      assert.equal(
        worstEffect(await simulation.diff(to)),
        "service",
        linesOf(await simulation.diff(to)).join("\n"),
      );
      const refused = await simulation.apply(to, { allowed: ["live"] });
      assert.ok(refused.ended && refused.value.outcome.exitCode === EXIT.needsPerson);
      assert.deepEqual(refused.trace, [], "an engine was switched although nobody had agreed");
    }
    for (const [engine, loaded] of [[second, to], [first, from]] as const) {
      await simulation.reach(loaded);
      assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
      assertOnly(simulation, engine);
      assertNerdctl(simulation, loaded.machine);
      for (const path of KEPT) assert.ok(view.get(path), `${path} has gone with ${engine}`);
    }
    assert.equal(simulation.host.interruptions().boots, boots, "it was booted");
    for (const path of KEPT) view.delete(path);
    assert.deepEqual(withoutKept(simulation), withoutKept(simulation, before));
  },
};

/** The state without folders of what engines keep, which were made above. */
function withoutKept(simulation: Simulation, state = simulation.state()): unknown {
  const { entries, ...rest } = state;
  const others = Object.entries(entries).filter(([path]) =>
    !/^\/var\/lib\/(?:docker|containerd|nerdctl)/.test(path)
  );
  return withoutWhatStays({ ...rest, entries: Object.fromEntries(others) });
}

export const oneEngine: Property<readonly [FileKeys, readonly [Engine, Engine], number]> = {
  name: "one-engine",
  says: "never are the sockets of two engines there, wherever a switch is cut off",
  samples: fc.tuple(machineFile.map(quiet), engines, fc.nat(60)),
  async holds(simulation, [keys, [first, second], killAt]) {
    await simulation.reach(await simulation.load(withEngine(keys, first)));
    const to = await simulation.load(withEngine(keys, second));
    await simulation.apply(to, {}, { killAt });
    const offered = simulation.host.agentConfig(simulation.folder)?.sockets ?? [];
    assert.ok(offered.length <= 1, JSON.stringify(offered));
    await simulation.reach(to);
    assert.deepEqual(linesOf(await simulation.diff(to)), []);
    assertOnly(simulation, second);
  },
};

/** nerdctl and what builds for it are there where they are wanted, and nowhere else. */
function assertNerdctl(simulation: Simulation, { runtime }: Machine): void {
  const isWanted = runtime.engine === "containerd" && runtime.containerd.nerdctl;
  const { systemd, view } = simulation.host.guestOf(simulation.folder);
  assert.equal(view.get("/usr/local/bin/nerdctl") !== undefined, isWanted);
  assert.equal(systemd.isActive("buildkit.service"), isWanted);
}

/** Nothing of other engines runs, will run at the next boot, or is offered on the host. */
function assertOnly(simulation: Simulation, engine: Engine): void {
  const { systemd } = simulation.host.guestOf(simulation.folder);
  const units = {
    "docker.service": engine === "docker",
    "docker.socket": engine === "docker",
    "containerd.service": engine !== "none",
  };
  for (const [unit, isWanted] of Object.entries(units)) {
    assert.equal(systemd.isActive(unit), isWanted, `${unit} with ${engine}`);
    assert.equal(
      systemd.show(unit).unitFileState === "enabled",
      isWanted,
      `${unit} at the next boot of ${engine}`,
    );
  }
  const offered = simulation.host.agentConfig(simulation.folder)?.sockets ?? [];
  assert.deepEqual(
    offered.map(({ host }) => host.split("/").at(-1)),
    engine === "none" ? [] : [`${engine}.sock`],
  );
}
