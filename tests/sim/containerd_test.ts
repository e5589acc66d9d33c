import assert from "node:assert/strict";
import type { Json } from "../../lib/config/types.ts";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { type Applied, linesOf, NAME, Simulation } from "./simulation.ts";

const CONFIG = "/etc/containerd/config.toml";

/** Settings of the engine, without what comes from a release. */
type Settings = { readonly [key: string]: Json };

async function load(simulation: Simulation, engine: string, rest: Settings = {}, file: Settings = {}) {
  const { containerd = {}, ...runtime } = rest;
  const settings = { nerdctl: false, ...containerd as Settings };
  return await simulation.load({
    name: NAME,
    mounts: [],
    ...file,
    runtime: { engine, ...runtime, containerd: settings },
  });
}

/** A simulated machine that runs with containerd. */
async function withContainerd(work: (simulation: Simulation) => Promise<void>): Promise<void> {
  await using simulation = await Simulation.make();
  await simulation.reach(await load(simulation, "containerd"));
  await work(simulation);
}

function containerdOf(simulation: Simulation) {
  return simulation.host.guestOf(simulation.folder).systemd.containerd;
}

async function applied(course: ReturnType<Simulation["apply"]>): Promise<Applied> {
  const result = await course;
  assert.ok(result.ended);
  return result.value;
}

/** What was said of a step that failed. */
function failureIn(events: readonly ApplyEvent[]): string {
  return events.flatMap((event) => event.kind === "step-failed" ? [event.error] : []).join("\n");
}

Deno.test("containerd: docker, containerd, none, docker: no boot, units as they are to be, files as they were", async () => {
  await using simulation = await Simulation.make();
  const { host, folder } = simulation;
  const unitsOf = () => {
    const { systemd } = host.guestOf(folder);
    return ["containerd.service", "docker.service", "docker.socket"].filter((unit) => systemd.isActive(unit));
  };
  await simulation.reach(await load(simulation, "docker"));
  const original = host.guestOf(folder).text(CONFIG);
  const { boots } = host.interruptions();
  const socketsOf = () => host.agentConfig(folder)?.sockets.map(({ guest }) => guest);
  const rows = [
    ["containerd", ["containerd.service"], ["/run/containerd/containerd.sock"]],
    ["docker", ["containerd.service", "docker.service", "docker.socket"], ["/run/docker.sock"]],
    ["containerd", ["containerd.service"], ["/run/containerd/containerd.sock"]],
    ["none", [], []],
    ["docker", ["containerd.service", "docker.service", "docker.socket"], ["/run/docker.sock"]],
  ] as const;
  for (const [engine, units, sockets] of rows) {
    await simulation.reach(await load(simulation, engine));
    assert.deepEqual(unitsOf(), units, engine);
    assert.deepEqual(socketsOf(), sockets, engine);
    assert.equal(host.guestOf(folder).text(CONFIG) === original, engine !== "containerd", engine);
    assert.deepEqual(linesOf(await simulation.diff(await load(simulation, engine))), [], engine);
  }
  assert.equal(host.interruptions().boots, boots);
});

Deno.test("containerd: what it is told changes under containers that go on, and the plan says that nothing stops", () =>
  withContainerd(async (simulation) => {
    const containerd = containerdOf(simulation);
    containerd.run("default", "c1", { name: "web" });
    const changed = await load(simulation, "containerd", {
      containerd: { cri: false, config: { debug: { level: "debug" } } },
    });
    const plan = await simulation.diff(changed);
    assert.deepEqual(linesOf(plan), [
      'update engine:containerd service ; runtime.containerd.config.debug.level undefined → "debug"; ' +
      "runtime.containerd.cri true → false",
    ]);
    assert.deepEqual(plan.changes.flatMap(({ interrupts }) => interrupts ?? []), []);
    const { starts } = containerd;
    await simulation.reach(changed);
    assert.equal(containerd.starts, starts + 1);
    assert.equal(containerd.hasCri(), false);
    assert.deepEqual(containerd.containers.map(({ running }) => running), [true]);
  }));

Deno.test("containerd: another engine stops its containers, which the plan names, and not dockerd's", () =>
  withContainerd(async (simulation) => {
    const containerd = containerdOf(simulation);
    containerd.run("default", "c1", { name: "web", policy: "running" });
    containerd.run("k8s.io", "c2", { name: "pod/app" });
    containerd.run("moby", "c3");
    const docker = await load(simulation, "docker");
    const line = (await simulation.diff(docker)).changes.find(({ address }) =>
      address === "engine:containerd"
    );
    assert.deepEqual([line?.action, line?.effect, line?.interrupts], ["delete", "service", [
      "k8s.io/pod/app",
      "web",
    ]]);
    assert.match(line?.reason ?? "", /stay in \/var\/lib\/containerd/);
    await simulation.reach(docker);
    assert.deepEqual(containerd.containers.map(({ running }) => running), [false, false, true]);
    await simulation.reach(await load(simulation, "containerd"));
    assert.deepEqual(containerd.containers.map(({ id, running }) => `${id} ${running}`).slice(0, 2), [
      "c1 true",
      "c2 false",
    ]);
  }));

for (
  const [who, config, words] of [
    ["the check", { root: 5 }, /containerd refuses the configuration .*; the former one is untouched/],
    [
      "its start",
      { root: "/run/containerd" },
      /does not take the new configuration.*the former one is in force again/s,
    ],
  ] as const
) {
  Deno.test(`containerd: a configuration that ${who} refuses leaves the former one in force`, () =>
    withContainerd(async (simulation) => {
      const guest = simulation.host.guestOf(simulation.folder);
      const before = guest.text(CONFIG);
      const { outcome, events } = await applied(
        simulation.apply(await load(simulation, "containerd", { containerd: { config } })),
      );
      assert.equal(outcome.exitCode, 1);
      assert.match(failureIn(events), words);
      assert.equal(guest.text(CONFIG), before);
      assert.equal(guest.text(`${CONFIG}.machine-new`), undefined);
      assert.ok(guest.systemd.isActive("containerd.service"));
      assert.equal(containerdOf(simulation).inForce.config["root"], "/var/lib/containerd");
      assert.deepEqual(linesOf(await simulation.diff(await load(simulation, "containerd"))), []);
    }));
}

Deno.test("containerd: equal is not in force: a file that was put back after a start is loaded again", () =>
  withContainerd(async (simulation) => {
    const wanted = await load(simulation, "containerd");
    const { systemd } = simulation.host.guestOf(simulation.folder);
    const text = simulation.host.guestOf(simulation.folder).text(CONFIG)!;
    const put = (content: string) => simulation.host.guestOf(simulation.folder).put(CONFIG, content);
    put(text.replace("certs.d", "other.d"));
    const path = 'runtime.containerd.config.plugins["io.containerd.grpc.v1.cri"].registry.config_path';
    assert.match(
      linesOf(await simulation.diff(wanted)).join("\n"),
      new RegExp(path.replace(/[[\].]/g, "\\$&")),
    );
    systemd.stop("containerd.service");
    systemd.start("containerd.service");
    put(text);
    assert.match(linesOf(await simulation.diff(wanted)).join("\n"), /newer than the running containerd/);
    await simulation.reach(wanted);
    assert.deepEqual(linesOf(await simulation.diff(wanted)), []);
  }));

Deno.test("containerd: one that was stopped, disabled or robbed of a package is brought back by one apply", () =>
  withContainerd(async (simulation) => {
    const wanted = await load(simulation, "containerd");
    const { systemd, apt } = simulation.host.guestOf(simulation.folder);
    const edits = [
      [
        () => systemd.stop("containerd.service"),
        /containerd\.service "inactive, enabled" → "active, enabled"/,
      ],
      [() => systemd.disable("containerd.service"), /containerd\.service "active, disabled"/],
      [
        () => apt.purge("containernetworking-plugins"),
        /containernetworking-plugins "not installed" → "installed"/,
      ],
    ] as const;
    for (const [edit, said] of edits) {
      edit();
      assert.match(linesOf(await simulation.diff(wanted)).join("\n"), said);
      await simulation.reach(wanted);
      assert.deepEqual(linesOf(await simulation.diff(wanted)), []);
    }
  }));

Deno.test("containerd: registries are live, and go with their entries", () =>
  withContainerd(async (simulation) => {
    const { starts } = containerdOf(simulation);
    const hosts = "/etc/containerd/certs.d/localhost:5000/hosts.toml";
    const registries = { registries: { "localhost:5000": { insecure: true } } };
    const wanted = await load(simulation, "containerd", registries);
    const [line, ...others] = linesOf(await simulation.diff(wanted));
    assert.match(
      line!,
      /^update engine:containerd live ; runtime\.registries\[localhost:5000\] undefined → "sha256:\w{12}" \(in .*\/hosts\.toml\)$/,
    );
    assert.deepEqual(others, []);
    await simulation.reach(wanted);
    const guest = simulation.host.guestOf(simulation.folder);
    assert.match(guest.text(hosts) ?? "", /skip_verify = true/);
    guest.put(hosts, "");
    await simulation.reach(wanted);
    assert.match(guest.text(hosts) ?? "", /skip_verify = true/);
    await simulation.reach(await load(simulation, "containerd"));
    assert.equal(guest.text(hosts), undefined);
    assert.equal(containerdOf(simulation).starts, starts);
  }));

Deno.test("containerd: proxies come with a restart and go with one, and no plan shows a password", () =>
  withContainerd(async (simulation) => {
    const network = { network: { proxy: { http: "http://ada:geheim@127.0.0.1:3128" } } };
    const wanted = await load(simulation, "containerd", {}, network);
    const text = linesOf(await simulation.diff(wanted)).join("\n");
    assert.match(text, /network\.proxy "none" → "http:\/\/ada:\*\*\*@192\.168\.5\.2:3128"/);
    assert.doesNotMatch(JSON.stringify(await simulation.diff(wanted)), /geheim/);
    await simulation.reach(wanted);
    const containerd = containerdOf(simulation);
    assert.match(
      containerd.inForce.environment.join("\n"),
      /HTTP_PROXY=http:\/\/ada:geheim@192\.168\.5\.2:3128"/,
    );
    await simulation.reach(await load(simulation, "containerd"));
    assert.deepEqual(containerd.inForce.environment, []);
  }));

Deno.test("containerd: an apply that is killed anywhere on the way between the engines is finished by the next", async () => {
  await using simulation = await Simulation.make();
  for (
    const [from, to] of [["docker", "containerd"], ["containerd", "none"]] as const
  ) {
    await simulation.clear();
    const [before, after] = [await load(simulation, from), await load(simulation, to)];
    await simulation.reach(before);
    const { trace } = await simulation.reach(after);
    for (let kill = 0; kill < trace.length; kill++) {
      await simulation.reach(before);
      await simulation.apply(after, {}, { killAt: kill });
      await simulation.reach(after);
      assert.deepEqual(
        linesOf(await simulation.diff(after)),
        [],
        `${from} to ${to}, killed at ${trace[kill]}`,
      );
    }
  }
});
