import assert from "node:assert/strict";
import type { Json } from "../../lib/config/types.ts";
import { CONFLIST, CONFLIST_FOLDER } from "../../lib/resources/cni/conflist.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { failureText, linesOf, Simulation } from "./simulation.ts";

/** containerd with nothing else that comes from releases. */
const MACHINE = { mounts: [], runtime: { engine: "containerd", containerd: { nerdctl: false } } } as const;
const RELEASED = { ...MACHINE, cni: { plugins: { source: "release" } } };
const FLANNEL = { ...MACHINE, cni: { network: "flannel" } };
const ALWAYS = ["bridge", "host-local", "loopback", "portmap"];
const USUAL = ["bridge", "firewall", ...ALWAYS.slice(1)];

/** The names in a folder of the simulated guest. */
function namesIn(simulation: Simulation, folder: string): string[] {
  const { view } = simulation.host.guestOf(simulation.folder);
  return view.below(folder).map((path) => path.slice(folder.length + 1)).sort();
}

/** What the guest's list has of it. */
function listed(simulation: Simulation): string[] {
  const text = simulation.host.guestOf(simulation.folder).text(OWNED_FILE)!;
  const { files, applied } = JSON.parse(text) as Record<string, Record<string, unknown>>;
  return [...Object.keys(files!), ...Object.keys(applied!)].filter((name) => /^cni$|\/cni\//.test(name))
    .sort();
}

function ownNetwork(...types: readonly string[]): { readonly [key: string]: Json } {
  return { conflist: { cniVersion: "1.0.0", name: "mine", plugins: types.map((type) => ({ type })) } };
}

Deno.test("a simulated machine with containerd gets a network, and loses it with the engine", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load(MACHINE);
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
  assert.deepEqual(namesIn(simulation, CONFLIST_FOLDER), ["05-machine.conflist"]);
  assert.deepEqual(listed(simulation), [CONFLIST, "cni"]);
  await simulation.reach(await simulation.load({ ...MACHINE, runtime: "docker" }));
  assert.deepEqual(namesIn(simulation, "/etc/cni"), []);
  assert.deepEqual(listed(simulation), []);
});

Deno.test("a simulated machine takes plugins from releases, for flannel too, and gives them back", async () => {
  await using simulation = await Simulation.make();
  const config = () =>
    simulation.host.guestOf(simulation.folder).text("/etc/containerd/config.toml")!.match(/bin_dir = .*/)
      ?.[0];
  const steps = [
    [RELEASED, USUAL, 'bin_dir = "/opt/cni/bin"'],
    [FLANNEL, ["bridge", "flannel", ...ALWAYS.slice(1)], 'bin_dir = "/opt/cni/bin"'],
    [{ ...MACHINE, cni: { network: ownNetwork("vlan"), ...RELEASED.cni } }, [...ALWAYS, "vlan"], undefined],
    [{ ...MACHINE, cni: { network: "none", ...RELEASED.cni } }, ALWAYS, undefined],
    [MACHINE, [], 'bin_dir = "/usr/lib/cni"'],
  ] as const;
  for (const [keys, plugins, folder] of steps) {
    const loaded = await simulation.load(keys);
    await simulation.reach(loaded);
    assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
    assert.deepEqual(namesIn(simulation, "/opt/cni/bin"), plugins);
    if (folder !== undefined) assert.equal(config(), folder);
  }
  assert.ok(namesIn(simulation, "/usr/lib/cni").length > USUAL.length, "Debian's are still there");
});

Deno.test("a simulated machine gets another version of plugins in their place", async () => {
  await using simulation = await Simulation.make();
  await simulation.reach(await simulation.load(RELEASED));
  const loaded = await simulation.load({ ...MACHINE, cni: { plugins: { version: "v1.6.0" } } });
  const { changes } = await simulation.diff(loaded);
  const [line] = changes.filter(({ action }) => action !== "none");
  assert.deepEqual([line?.address, line?.action, line?.effect], ["cni", "update", "live"]);
  assert.deepEqual(line?.paths.map(({ path }) => path), USUAL.map((name) => `/opt/cni/bin/${name}`));
  await simulation.reach(loaded);
  assert.match(simulation.host.guestOf(simulation.folder).text("/opt/cni/bin/bridge") ?? "", /v1\.6\.0/);
});

Deno.test("a network of others before ours blocks it until it goes, and one after ours does nothing", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load(MACHINE);
  await simulation.reach(loaded);
  const guest = simulation.host.guestOf(simulation.folder);
  const ours = guest.text(CONFLIST);
  guest.put(`${CONFLIST_FOLDER}/10-theirs.conflist`, "{}");
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
  guest.put(`${CONFLIST_FOLDER}/00-theirs.conflist`, "{}");
  guest.put(CONFLIST, "edited");
  const [line] = linesOf(await simulation.diff(loaded));
  assert.match(
    line ?? "",
    /^blocked cni .*00-theirs\.conflist" is not ours.*remove it, or .*cni\.network: none/s,
  );
  const course = await simulation.apply(loaded);
  assert.ok(course.ended);
  assert.deepEqual(course.value.outcome.open.map(({ address }) => address), ["cni"]);
  assert.equal(guest.text(CONFLIST), "edited", "unknown is not absent");
  guest.view.delete(`${CONFLIST_FOLDER}/00-theirs.conflist`);
  await simulation.reach(loaded);
  assert.equal(guest.text(CONFLIST), ours);
  assert.deepEqual(namesIn(simulation, CONFLIST_FOLDER), ["05-machine.conflist", "10-theirs.conflist"]);
});

Deno.test("a network whose plugin is missing is not written; a file of the machine can bring it", async () => {
  await using simulation = await Simulation.make();
  const cni = { network: ownNetwork("mine", "portmap"), plugins: { source: "release" } };
  const course = await simulation.apply(await simulation.load({ ...MACHINE, cni }));
  assert.ok(course.ended);
  const { outcome, events } = course.value;
  assert.deepEqual(outcome.failed.map(({ address }) => address), ["cni"]);
  assert.match(
    failureText(outcome, events),
    /The network needs plugins that the guest has not: \/opt\/cni\/bin\/mine/,
  );
  const guest = simulation.host.guestOf(simulation.folder);
  assert.equal(guest.text(CONFLIST), undefined);
  const files = [{ path: "/opt/cni/bin/mine", content: "a plugin\n", mode: "0755" }];
  const loaded = await simulation.load({ ...MACHINE, cni, files });
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
  assert.equal(JSON.parse(guest.text(CONFLIST)!).name, "mine");
  await simulation.reach(await simulation.load({ ...MACHINE, files }));
  assert.equal(guest.text("/opt/cni/bin/mine"), "a plugin\n", "it is the file's, not the network's");
});

Deno.test("a simulated machine whose mirror has nothing gets all but the network, and that later", async () => {
  await using simulation = await Simulation.make();
  const cni = { network: "flannel", plugins: { source: "package" } };
  const loaded = await simulation.load({ ...MACHINE, cni });
  simulation.host.artifacts.failure = "The mirror has died";
  const course = await simulation.apply(loaded);
  assert.ok(course.ended);
  const { outcome, events } = course.value;
  assert.equal(outcome.exitCode, 5);
  assert.deepEqual([outcome.failed.map(({ address }) => address), outcome.skipped], [["cni"], []]);
  assert.match(failureText(outcome, events), /artifacts\.mirror.*cni\.plugins\.source: package/s);
  assert.ok(simulation.host.guestOf(simulation.folder).systemd.isActive("containerd.service"));
  simulation.host.artifacts.failure = undefined;
  await simulation.reach(loaded);
  assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
});

Deno.test("a simulated containerd that is to look for plugins of releases waits until they are there", async () => {
  await using simulation = await Simulation.make();
  await simulation.reach(await simulation.load(MACHINE));
  const loaded = await simulation.load(RELEASED);
  simulation.host.artifacts.failure = "The mirror has died";
  const course = await simulation.apply(loaded);
  assert.ok(course.ended);
  const { failed, skipped } = course.value.outcome;
  assert.deepEqual([failed.map(({ address }) => address), skipped], [["cni"], ["engine:containerd"]]);
  const config = () => simulation.host.guestOf(simulation.folder).text("/etc/containerd/config.toml");
  assert.match(config() ?? "", /bin_dir = "\/usr\/lib\/cni"/);
  simulation.host.artifacts.failure = undefined;
  await simulation.reach(loaded);
  assert.match(config() ?? "", /bin_dir = "\/opt\/cni\/bin"/);
});

Deno.test("a simulated machine that is cut off while its network is put in is finished by the next apply", async () => {
  await using simulation = await Simulation.make();
  const loaded = await simulation.load(FLANNEL);
  const whole = await simulation.reach(loaded);
  const expected = simulation.state();
  const first = whole.trace.findIndex((effect) => effect.startsWith("host fetch"));
  const last = whole.trace.findLastIndex((effect) => effect.startsWith("guest drop bridge"));
  assert.ok(first >= 0 && last > first, whole.trace.join("\n"));
  for (let step = first; step <= last + 2; step++) {
    await simulation.clear();
    await simulation.apply(loaded, {}, { killAt: step });
    await simulation.reach(loaded);
    assert.deepEqual(simulation.state(), expected, `killed at step ${step}: ${whole.trace[step]}`);
  }
});
