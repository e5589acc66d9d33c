import assert from "node:assert/strict";
import type { CniNetwork, CniSettings, Machine } from "../../lib/config/types.ts";
import type { GuestFacts } from "../../lib/guest/query.ts";
import { cniKind } from "../../lib/resources/cni/cni.ts";
import {
  before,
  BRIDGE,
  CONFLIST,
  CONFLIST_FOLDER,
  conflistText,
  others,
  pluginsOf,
} from "../../lib/resources/cni/conflist.ts";
import { pluginPaths, releasedPlugins } from "../../lib/resources/cni/programs.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import {
  ALWAYS,
  bare,
  differences,
  FLANNEL,
  FLANNELS,
  machineWith,
  NAME,
  ownNetwork,
  RELEASE,
  STAMP,
  told,
  USUAL,
  VERSION,
  whole,
  withEngine,
  worldWith,
} from "./cni_fixture.ts";
import { linesOf, listOf, lookOf, withHome, worldOf } from "./resources_fixture.ts";

Deno.test("a network of containers is wanted with containerd alone", () =>
  withHome(async () => {
    const isWanted = async (machine: Machine) => (await cniKind.desired(worldOf({ machine }))).size === 1;
    for (const cni of [{}, RELEASE, FLANNEL, { network: ownNetwork("bridge") }]) {
      assert.equal(await isWanted(machineWith(cni)), true);
      assert.equal(await isWanted(withEngine("docker", cni)), false);
      assert.equal(await isWanted(withEngine("none", cni)), false);
    }
    assert.equal(await isWanted(machineWith({ network: { kind: "none" } })), false);
    assert.equal(await isWanted(machineWith({ network: { kind: "none" }, ...RELEASE })), true);
  }));

const CREATIONS: readonly (readonly [Partial<CniSettings>, string])[] = [
  [{}, "containers of containerd get a bridge of the guest's own"],
  [{ network: ownNetwork("bridge") }, "containers of containerd get the network of the file"],
  [
    FLANNEL,
    `containers of containerd join flannel's network; from cni-plugins-linux-amd64-v${VERSION}.tgz`,
  ],
  [
    { network: { kind: "none" }, plugins: { source: "release", version: "1.6.0" } },
    "no network; only its plugins; from cni-plugins-linux-amd64-v1.6.0.tgz",
  ],
];
for (const [cni, reason] of CREATIONS) {
  Deno.test(`cni is made where there is none, and nothing differs afterwards: ${reason}`, () =>
    withHome(async () => {
      const machine = machineWith(cni);
      assert.deepEqual(await told(machine, bare(machine)), [`cni create live (${reason})`]);
      assert.deepEqual(await differences(machine, whole(machine)), []);
    }));
}

Deno.test("cni's creation says which networks of others it comes before", () =>
  withHome(async () => {
    const machine = machineWith();
    const names = ["10-containerd-net.conflist", "87-podman.json", "README", "nerdctl-bridge.conflist"];
    const expected = "comes before 10-containerd-net.conflist, 87-podman.json, nerdctl-bridge.conflist";
    const [line] = await told(machine, bare(machine, { folders: { [CONFLIST_FOLDER]: names } }));
    assert.ok(line?.endsWith(`; ${expected})`), line);
  }));

Deno.test("a network of others that comes after ours is no difference", () =>
  withHome(async () => {
    const machine = machineWith();
    const folders = {
      [CONFLIST_FOLDER]: ["00-notes.txt", NAME, "10-theirs.conflist", "05-machine.conflist~"],
    };
    assert.deepEqual(await differences(machine, whole(machine, { folders })), []);
  }));

for (const rival of ["00-theirs.conf", "04.json", "05-a.conflist"]) {
  Deno.test(`a network of others that comes before ours blocks it, with the remedy: ${rival}`, () =>
    withHome(async () => {
      const machine = machineWith();
      const reason = `"${CONFLIST_FOLDER}/${rival}" is not ours and comes before ours: ` +
        "remove it, or write cni.network: none";
      const folders = { [CONFLIST_FOLDER]: [NAME, rival, "10-theirs.conflist"] };
      for (const facts of [whole(machine, { folders }), bare(machine, { folders })]) {
        const [line] = await linesOf(cniKind, { world: worldWith(machine), look: lookOf(facts) });
        assert.equal(line?.action, "blocked");
        assert.ok(line?.reason?.includes(reason), line?.reason);
      }
    }));
}

Deno.test("a network of others blocks neither who wants none, nor removing ours", () =>
  withHome(async () => {
    const folders = { [CONFLIST_FOLDER]: ["00-theirs.conf"] };
    const none = machineWith({ network: { kind: "none" }, ...RELEASE });
    assert.deepEqual(await differences(none, whole(none, { folders })), []);
    const docker = withEngine("docker");
    assert.match((await told(docker, whole(machineWith(), { folders }))).join(), /^cni delete live/);
  }));

Deno.test("before() and others() take the names that libcni takes, but for our own", () => {
  const names = ["a.conf", "b.conflist", "c.json", "00.conf", NAME, "d.conf.bak", "e.CONF", ".conflist", "f"];
  assert.deepEqual(others(names), ["a.conf", "b.conflist", "c.json", "00.conf", ".conflist"]);
  assert.deepEqual(before(names), ["00.conf", ".conflist"]);
});

Deno.test("cni tells a conflist that somebody has edited or removed", () =>
  withHome(async () => {
    const machine = machineWith();
    const facts = (content: string | null) => whole(machine, { files: { [CONFLIST]: content } });
    assert.deepEqual(await differences(machine, facts("{}")), ["cni.network: another one → bridge"]);
    assert.deepEqual(await differences(machine, facts(null)), ["cni.network: none → bridge"]);
    const own = machineWith({ network: ownNetwork("vlan") });
    const edited = whole(machine, { stamps: { "/usr/lib/cni/vlan": STAMP } });
    assert.deepEqual(await differences(own, edited), ["cni.network: bridge → own"]);
  }));

Deno.test("cni tells a conflist that stands where none is wanted", () =>
  withHome(async () => {
    const machine = machineWith({ network: { kind: "none" }, ...RELEASE });
    const facts = whole(machine, { files: { [CONFLIST]: "{}" } });
    assert.deepEqual(await differences(machine, facts), ["cni.network: another one → none"]);
  }));

Deno.test("cni tells plugins that are missing, changed, of another version, or never got there whole", () =>
  withHome(async () => {
    const machine = machineWith(RELEASE);
    const path = "/opt/cni/bin/portmap";
    const stamped = (stamp: typeof STAMP | null) => whole(machine, { stamps: { [path]: stamp } });
    const after = VERSION;
    assert.deepEqual(await differences(machine, stamped(null)), [`${path}: missing → ${after}`]);
    for (const stamp of [{ mode: "777" }, { owner: "a:a" }, { sizeBytes: 1 }, { changed: "2.0" }]) {
      assert.deepEqual(await differences(machine, stamped({ ...STAMP, ...stamp })), [
        `${path}: changed → ${after}`,
      ]);
    }
    assert.deepEqual(
      await differences(machine, whole(machine, { version: "1.6.0" })),
      USUAL.map((name) => `/opt/cni/bin/${name}: 1.6.0 → ${after}`),
    );
    const listed = Object.fromEntries(releasedPlugins(machine).slice(1).map(({ path }) => [path, "x"]));
    const cutOff = { [OWNED_FILE]: listOf({ cni: { network: "bridge", programs: {} } }, listed) };
    assert.deepEqual(await differences(machine, whole(machine, { files: cutOff })), [
      `/opt/cni/bin/bridge: not ours → ${after}`,
      ...USUAL.slice(1).map((name) => `/opt/cni/bin/${name}: put in by half → ${after}`),
    ]);
  }));

Deno.test("cni holds a look against what was wanted before, so that an edit of the file is not taken for another's", () =>
  withHome(async () => {
    const compared = async (former: Machine, found: GuestFacts, now: Machine) => {
      const observed = await cniKind.observe(
        worldWith(now),
        lookOf(found),
        await cniKind.desired(worldWith(now)),
      );
      const cni = observed.get("cni");
      assert.ok(cni?.state === "present");
      const before = (await cniKind.desired(worldWith(former))).get("cni")!;
      return cniKind.compare(before, cni.value).map(({ path }) => path);
    };
    const [own, older] = [
      machineWith({ network: ownNetwork("vlan"), ...RELEASE }),
      machineWith({ plugins: { source: "release", version: "1.6.0" } }),
    ];
    const usual = machineWith(RELEASE);
    for (const [former, now] of [[own, usual], [usual, own], [older, usual], [usual, older]] as const) {
      const added = releasedPlugins(now).filter(({ path }) =>
        releasedPlugins(former).every((one) => one.path !== path)
      );
      const stamps = Object.fromEntries(added.map(({ path }) => [path, null]));
      const stands = Object.fromEntries(pluginPaths(now).map((path) => [path, STAMP]));
      assert.deepEqual(
        await compared(former, whole(former, { stamps: { ...stands, ...stamps } }), now),
        [],
        "nobody has touched the guest",
      );
      const path = "/opt/cni/bin/portmap";
      const missing = whole(former, { stamps: { ...stands, ...stamps, [path]: null } });
      assert.deepEqual(await compared(former, missing, now), [path]);
    }
  }));

Deno.test("cni leaves plugins alone that files of the user have brought", () =>
  withHome(async () => {
    const path = "/opt/cni/bin/mine";
    for (const cni of [{}, RELEASE]) {
      const machine = machineWith(cni);
      const list = JSON.parse(ownedText(whole(machine)));
      const files = { ...list.files, [path]: "x" };
      const owned = (applied: object) =>
        whole(machine, { files: { [OWNED_FILE]: listOf({ ...list.applied, ...applied }, files) } });
      assert.deepEqual(await differences(machine, owned({ [`file:${path}`]: true })), []);
      assert.deepEqual(await differences(machine, owned({})), [`${path}: not needed any more → gone`]);
    }
  }));

/** The guest's list in an answer. */
function ownedText(facts: GuestFacts): string {
  const fact = facts.file(OWNED_FILE);
  assert.ok(fact.state === "present");
  return fact.value.text;
}

Deno.test("cni is unknown where a part of it could not be looked at", () =>
  withHome(async () => {
    const machine = machineWith(RELEASE);
    const facts = whole(machine);
    const unknown = { state: "unknown", reason: "no answer" } as const;
    const cases: readonly GuestFacts[] = [
      { ...facts, names: () => unknown },
      { ...facts, file: (path) => path === CONFLIST ? unknown : facts.file(path) },
      { ...facts, stamp: () => unknown },
    ];
    for (const one of cases) assert.match((await told(machine, one)).join(), /^cni blocked .*no answer/);
  }));

Deno.test("cni asks for its conflist, the names beside it, and the plugins that it has put in", () =>
  withHome(async () => {
    const query = await cniKind.query!(worldWith(machineWith(RELEASE)), []);
    assert.deepEqual([query.files, query.folders], [[OWNED_FILE, CONFLIST], [CONFLIST_FOLDER]]);
    assert.deepEqual(query.stamps, USUAL.map((name) => `/opt/cni/bin/${name}`));
    assert.deepEqual((await cniKind.query!(worldWith(machineWith()), [])).stamps, []);
  }));

Deno.test("flannel's plugin stands beside Debian's where these are wanted", () => {
  const machine = machineWith({ network: { kind: "flannel" } });
  assert.deepEqual(releasedPlugins(machine).map(({ path, member }) => [path, member]), [
    ["/usr/lib/cni/flannel", "flannel-amd64"],
  ]);
  assert.deepEqual(
    pluginPaths(machine),
    FLANNELS.map((name) => `/usr/lib/cni/${name}`),
  );
});

Deno.test("somebody's own conflist is no difference to a machine that wants none", () =>
  withHome(async () => {
    const machine = withEngine("docker");
    const files = { [OWNED_FILE]: null, [CONFLIST]: "{}" };
    assert.deepEqual(await told(machine, whole(machineWith(), { files })), []);
  }));

Deno.test("conflistText() writes lists that CNI reads", () => {
  assert.equal(conflistText({ kind: "none" }), undefined);
  const parsed = (network: CniNetwork) => JSON.parse(conflistText(network)!);
  const types = (network: CniNetwork) =>
    (parsed(network).plugins as { readonly type: string }[]).map(({ type }) => type);
  assert.deepEqual(types({ kind: "bridge" }), ["bridge", "portmap", "firewall"]);
  assert.deepEqual(types({ kind: "flannel" }), ["flannel", "portmap"]);
  assert.equal(parsed({ kind: "bridge" }).plugins[0].bridge, BRIDGE);
  const own = { cniVersion: "1.0.0", name: "x", plugins: [{ type: "ptp", ipam: { type: "dhcp" } }] };
  assert.deepEqual(parsed({ kind: "own", conflist: own }), own);
  assert.match(conflistText({ kind: "own", conflist: own })!, /^\{\n[^]*\}\n$/);
});

Deno.test("pluginsOf() finds the plugins of a network and of its addresses, and what is always needed", () => {
  const own = (plugins: readonly unknown[]): CniNetwork => ({
    kind: "own",
    conflist: JSON.parse(JSON.stringify({ plugins })),
  });
  assert.deepEqual(pluginsOf({ kind: "none" }), ALWAYS);
  assert.deepEqual(pluginsOf({ kind: "bridge" }), USUAL);
  assert.deepEqual(pluginsOf({ kind: "flannel" }), FLANNELS);
  const plugins = [{ type: "vlan", ipam: { type: "dhcp" } }, { type: "tuning" }, { type: "vlan" }];
  assert.deepEqual(pluginsOf(own(plugins)), [...ALWAYS, "dhcp", "tuning", "vlan"].sort());
  assert.deepEqual(pluginsOf(own(["x", null, ["y"], { type: 1, ipam: "z" }])), ALWAYS);
});

Deno.test("a plugin that the user's files bring, too, is nobody's to write twice", () =>
  withHome(async () => {
    const file = (path: string) => ({ path, content: "mine", owner: "root:root", mode: "0755" });
    const refusal = async (machine: Machine, path: string) => {
      const world = worldOf({ machine: { ...machine, files: [file(path)] } });
      return cniKind.refusal!(world, (await cniKind.desired(world)).get("cni")!);
    };
    const both = await refusal(machineWith(RELEASE), "/opt/cni/bin/bridge");
    assert.match(both ?? "", /"files" brings \/opt\/cni\/bin\/bridge/);
    assert.equal(await refusal(machineWith(RELEASE), "/opt/cni/bin/mine"), undefined);
    assert.equal(await refusal(machineWith({}), "/opt/cni/bin/bridge"), undefined);
  }));
