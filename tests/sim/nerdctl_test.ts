import assert from "node:assert/strict";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { FILES, PROGRAM_PATHS as PATHS } from "../../lib/resources/nerdctl/files.ts";
import { linesOf, Simulation } from "./simulation.ts";

const MACHINE = { mounts: [], runtime: "containerd" } as const;

Deno.test("a simulated machine with containerd gets nerdctl, and loses it with the engine", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load(MACHINE);
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
  const guest = simulation.host.guestOf(simulation.folder);
  for (const path of PATHS) assert.equal(guest.view.get(path)?.kind, "file", path);
  assert.ok(guest.systemd.isActive("buildkit.service"));
  await simulation.reach(await simulation.load({ ...MACHINE, runtime: "docker" }));
  for (const path of PATHS) assert.equal(guest.view.get(path), undefined, path);
  assert.equal(guest.systemd.isKnown("buildkit.service"), false);
  const list = JSON.parse(guest.text(OWNED_FILE)!) as Record<"files" | "applied", Record<string, unknown>>;
  for (const path of [...PATHS, ...FILES]) assert.equal(list.files[path], undefined, path);
  assert.equal(list.applied["nerdctl"], undefined);
});

Deno.test("a simulated machine whose nerdctl was changed by hand gets it back", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load(MACHINE);
  await simulation.reach(loaded);
  const guest = simulation.host.guestOf(simulation.folder);
  for (const path of [...PATHS, "/etc/nerdctl/nerdctl.toml", "/etc/buildkit/buildkitd.toml"]) {
    guest.put(path, "by hand\n");
    assert.equal(
      (await simulation.diff(loaded)).changes.find(({ address }) => address === "nerdctl")?.action,
      "update",
    );
    await simulation.reach(loaded);
    assert.notEqual(guest.text(path), "by hand\n", path);
  }
  guest.systemd.stop("buildkit.service");
  await simulation.reach(loaded);
  assert.ok(guest.systemd.isActive("buildkit.service"));
});

Deno.test("a simulated machine whose mirror has nothing gets all but nerdctl, and that later", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load({ ...MACHINE, env: { EDITOR: "vim" } });
  simulation.host.artifacts.failure = "The mirror has died";
  const course = await simulation.apply(loaded);
  assert.ok(course.ended);
  const { outcome, events } = course.value;
  assert.equal(outcome.exitCode, 5);
  const failed = events.flatMap((event) => event.kind === "step-failed" ? [event] : []);
  assert.deepEqual([...new Set(failed.map(({ address }) => address))], ["nerdctl"]);
  assert.match(failed[0]!.error, /^The mirror has died\nRemedy: .*artifacts\.mirror.*nerdctl: false/);
  const guest = simulation.host.guestOf(simulation.folder);
  assert.ok(guest.systemd.isActive("containerd.service"));
  assert.deepEqual(linesOf(await simulation.diff(loaded)).length, 1);
  simulation.host.artifacts.failure = undefined;
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
});

Deno.test("a simulated machine that is cut off while nerdctl is put in is finished by the next apply", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load(MACHINE);
  const whole = await simulation.reach(loaded);
  const expected = simulation.state();
  const first = whole.trace.findIndex((effect) => effect.startsWith("host fetch"));
  const last = whole.trace.findLastIndex((effect) => effect.includes("buildkit.service"));
  assert.ok(first >= 0 && last > first, whole.trace.join("\n"));
  for (let step = first; step <= last + 2; step++) {
    await simulation.clear();
    await simulation.apply(loaded, {}, { killAt: step });
    await simulation.reach(loaded);
    assert.deepEqual(simulation.state(), expected, `killed at step ${step}: ${whole.trace[step]}`);
  }
});
