import assert from "node:assert/strict";
import type { Machine } from "../../lib/config/types.ts";
import type { GuestControl } from "../../lib/guest/control.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import type { GuestFacts } from "../../lib/guest/query.ts";
import { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import { cniKind } from "../../lib/resources/cni/cni.ts";
import { BRIDGE, CONFLIST, conflistText } from "../../lib/resources/cni/conflist.ts";
import { pluginPaths } from "../../lib/resources/cni/programs.ts";
import type { Job, World } from "../../lib/resources/contract.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { stampText } from "../../lib/resources/release_programs.ts";
import { storeOf } from "./artifacts_fixture.ts";
import {
  ALWAYS,
  bare,
  differences,
  FLANNEL,
  machineWith,
  ownNetwork,
  PACKAGE,
  RELEASE,
  STAMP,
  told,
  USUAL,
  VERSION,
  whole,
  withEngine,
  worldWith,
} from "./cni_fixture.ts";
import { guestOf, jobOf, MACHINE, opNames, RECORD, withHome } from "./resources_fixture.ts";

function jobWith(guest: GuestControl, world: World): Job {
  return jobOf("cni", guest, { world: { ...world, record: RECORD } });
}

async function wantedOf(world: World) {
  const wanted = (await cniKind.desired(world)).get("cni");
  assert.ok(wanted);
  return wanted;
}

/** Applies in a guest that answers one thing before plugins are moved in, and another afterwards. */
async function applied(machine: Machine, { before, after }: {
  readonly before: GuestFacts;
  readonly after?: GuestFacts;
}) {
  const { store, fetched, unpacked } = storeOf();
  const world = worldWith(machine, store);
  let isIn = false;
  const guest = guestOf(() => isIn && after ? after : before, (ops) => {
    isIn ||= ops.some(({ op }) => op === "move-in");
    return {};
  });
  await cniKind.apply(jobWith(guest, world), await wantedOf(world));
  return { guest, fetched, unpacked };
}

/** The guest's list as it was written last. */
function lastList(ops: readonly GuestOp[]) {
  const writes = ops.flatMap((op) => op.op === "write" ? op.files : []);
  const text = String(writes.findLast(({ path }) => path === OWNED_FILE)!.content);
  return JSON.parse(text) as Record<"files" | "applied", Record<string, unknown>>;
}

/** What was done, without what is noted of it. */
function doneIn(ops: readonly GuestOp[]): string[] {
  return opNames(ops).filter((name) => !/owned\.json|^keep|^drop-kept/.test(name));
}

Deno.test("cni takes plugins away that no network needs any more", () =>
  withHome(async () => {
    const former = machineWith({ network: ownNetwork("firewall", "vlan"), ...RELEASE });
    const machine = machineWith(RELEASE);
    const facts = whole(former);
    assert.deepEqual(await differences(machine, facts), [
      "cni.network: own → bridge",
      "/opt/cni/bin/vlan: not needed any more → gone",
    ]);
    const { guest } = await applied(machine, { before: facts });
    assert.deepEqual(guest.arrived, []);
    assert.deepEqual(doneIn(guest.ops()), [`write ${CONFLIST}`, "put-back /opt/cni/bin/vlan"]);
    assert.deepEqual(
      Object.keys(lastList(guest.ops()).files).sort(),
      [CONFLIST, ...USUAL.map((name) => `/opt/cni/bin/${name}`)].sort(),
    );
  }));

Deno.test("cni takes all plugins of releases away once Debian's are wanted", () =>
  withHome(async () => {
    const machine = machineWith();
    const stamps = Object.fromEntries(pluginPaths(machine).map((path) => [path, STAMP]));
    const { guest } = await applied(machine, { before: whole(machineWith(RELEASE), { stamps }) });
    assert.deepEqual(doneIn(guest.ops()), [
      `write ${CONFLIST}`,
      ...USUAL.map((name) => `put-back /opt/cni/bin/${name}`),
    ]);
    const list = lastList(guest.ops());
    assert.deepEqual([list.applied, Object.keys(list.files)], [{ cni: { network: "bridge", programs: {} } }, [
      CONFLIST,
    ]]);
  }));

Deno.test("cni is written when its plugins are there, and Debian's are installed before where they are not", () =>
  withHome(async () => {
    const machine = machineWith();
    const there = await applied(machine, { before: bare(machine) });
    assert.deepEqual(doneIn(there.guest.ops()), [`write ${CONFLIST}`]);
    assert.deepEqual(lastList(there.guest.ops()), {
      version: 1,
      files: { [CONFLIST]: sha256(conflistText(machine.cni.network)!) },
      applied: { cni: { network: "bridge", programs: {} } },
    });
    const missing = await applied(machine, { before: bare(machine, { packages: { [PACKAGE]: null } }) });
    assert.deepEqual(doneIn(missing.guest.ops()), [`install-packages ${PACKAGE}`, `write ${CONFLIST}`]);
  }));

Deno.test("cni's plugins of a release are copied in and moved to their places before the network is written", () =>
  withHome(async () => {
    const machine = machineWith(RELEASE);
    const { guest, fetched, unpacked } = await applied(machine, {
      before: bare(machine),
      after: whole(machine),
    });
    assert.deepEqual(fetched, [`cni-plugins-linux-amd64-v${VERSION}.tgz`]);
    assert.deepEqual(unpacked, USUAL);
    assert.deepEqual(guest.arrived.map(({ name, digest }) => [name, digest]), [
      ...USUAL.map((name) => [name, sha256(name)]),
    ]);
    assert.deepEqual(doneIn(guest.ops()), [
      ...USUAL.map((name) => `move-in /opt/cni/bin/${name}`),
      `write ${CONFLIST}`,
    ]);
    const note = (name: string) => ({ digest: sha256(name), stamp: stampText(STAMP), version: VERSION });
    const programs = Object.fromEntries(USUAL.map((name) => [`/opt/cni/bin/${name}`, note(name)]));
    const list = lastList(guest.ops());
    assert.deepEqual(list.applied, { cni: { network: "bridge", programs } });
    assert.equal(list.files["/opt/cni/bin/bridge"], sha256("bridge"));
  }));

Deno.test("cni's plugins travel only when they are not what was put in, or of another version", () =>
  withHome(async () => {
    const machine = machineWith(RELEASE);
    const touched = await applied(machine, { before: whole(machine) });
    assert.deepEqual([touched.guest.arrived, touched.fetched], [[], []]);
    const files = { "/opt/cni/bin/loopback": "theirs" };
    const changed = await applied(machine, { before: whole(machine, { files }) });
    assert.deepEqual(changed.guest.arrived.map(({ name }) => name), ["loopback"]);
    const older = await applied(machine, { before: whole(machine, { version: "1.6.0" }) });
    assert.deepEqual(older.guest.arrived.map(({ name }) => name), USUAL);
  }));

Deno.test("flannel's network wants the plugins of both releases", () =>
  withHome(async () => {
    for (const [arch, word] of [["x86_64", "amd64"], ["aarch64", "arm64"]] as const) {
      const machine = machineWith(FLANNEL, { vm: { ...MACHINE.vm, arch } });
      const { guest, fetched, unpacked } = await applied(machine, {
        before: bare(machine),
        after: whole(machine),
      });
      assert.deepEqual(fetched, [
        `cni-plugins-linux-${word}-v${VERSION}.tgz`,
        `cni-plugin-flannel-linux-${word}-v1.9.1.tgz`,
      ]);
      assert.deepEqual(unpacked, [...ALWAYS, `flannel-${word}`]);
      assert.deepEqual(doneIn(guest.ops()), [
        ...[...ALWAYS, "flannel"].map((name) => `move-in /opt/cni/bin/${name}`),
        `write ${CONFLIST}`,
        `drop-bridge ${BRIDGE}`,
      ]);
    }
  }));

for (
  const [how, plugins] of [["Debian's", MACHINE.cni.plugins], ["a release's", RELEASE.plugins!]] as const
) {
  Deno.test(`an own network with a plugin that is missing beside ${how} is refused before it is written`, () =>
    withHome(async () => {
      const machine = machineWith({ network: ownNetwork("calico"), plugins });
      const path = pluginPaths(machine).find((one) => one.endsWith("/calico"))!;
      const { store } = storeOf();
      const world = worldWith(machine, store);
      const guest = guestOf(whole(machine, { files: { [CONFLIST]: null }, stamps: { [path]: null } }));
      await assert.rejects(cniKind.apply(jobWith(guest, world), await wantedOf(world)), (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.message, `The network needs plugins that the guest has not: ${path}`);
        assert.match(error.hint ?? "", /cni\.plugins\.source/);
        return true;
      });
      assert.deepEqual(doneIn(guest.ops()).filter((name) => name.includes(CONFLIST)), []);
      const there = await applied(machine, {
        before: whole(machine, { files: { [CONFLIST]: null } }),
      });
      assert.deepEqual(doneIn(there.guest.ops()), [`write ${CONFLIST}`, `drop-bridge ${BRIDGE}`]);
    }));
}

Deno.test("a plugin that could not be looked at is not called missing, and nothing is written", () =>
  withHome(async () => {
    const machine = machineWith({ network: ownNetwork("calico") });
    const path = pluginPaths(machine).find((one) => one.endsWith("/calico"))!;
    const facts = whole(machine, { files: { [CONFLIST]: null } });
    const guest = guestOf({
      ...facts,
      stamp: (one) => one === path ? { state: "unknown", reason: "Input/output error" } : facts.stamp(one),
    });
    await assert.rejects(
      cniKind.apply(jobWith(guest, worldWith(machine)), await wantedOf(worldWith(machine))),
      {
        message: `It is not known whether ${path} is there: Input/output error`,
      },
    );
    assert.deepEqual(doneIn(guest.ops()).filter((name) => name.includes(CONFLIST)), []);
  }));

Deno.test("a machine without a network of ours loses conflist and bridge, and keeps the plugins of releases", () =>
  withHome(async () => {
    const machine = machineWith({ network: { kind: "none" }, ...RELEASE });
    const { guest } = await applied(machine, { before: whole(machineWith(RELEASE)) });
    assert.deepEqual(doneIn(guest.ops()), [
      `put-back ${CONFLIST}`,
      "put-back /opt/cni/bin/firewall",
      `drop-bridge ${BRIDGE}`,
    ]);
    assert.deepEqual(Object.keys(lastList(guest.ops()).files), ALWAYS.map((name) => `/opt/cni/bin/${name}`));
  }));

for (
  const [why, machine] of [
    ["with containerd", withEngine("docker", RELEASE)],
    ["once none is wanted", machineWith({ network: { kind: "none" } })],
  ] as const
) {
  Deno.test(`cni goes ${why}: conflist, plugins of releases and bridge, and nothing of others`, () =>
    withHome(async () => {
      const facts = whole(machineWith(RELEASE));
      assert.match((await told(machine, facts)).join(), /^cni delete live/);
      const guest = guestOf(facts);
      await cniKind.undo(jobWith(guest, worldWith(machine)));
      assert.deepEqual(doneIn(guest.ops()), [
        `put-back ${CONFLIST}`,
        ...USUAL.map((name) => `put-back /opt/cni/bin/${name}`),
        `drop-bridge ${BRIDGE}`,
      ]);
      assert.deepEqual(lastList(guest.ops()), { version: 1, files: {}, applied: {} });
    }));
}

Deno.test("plugins that cannot be had fail alone, with every way out, and stop nothing before", () =>
  withHome(async () => {
    const { store, fetched } = storeOf(new UserError("It is not there", { hint: "Look elsewhere" }));
    const machine = machineWith(FLANNEL);
    const world = worldWith(machine, store);
    const guest = guestOf(bare(machine));
    const job = jobWith(guest, world);
    const wanted = await wantedOf(world);
    await cniKind.preflight!([{ job, desired: wanted }]);
    await assert.rejects(cniKind.apply(job, wanted), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, "It is not there");
      for (
        const way of ["Look elsewhere", "artifacts.mirror", "machine artifacts fetch", "source: package"]
      ) {
        assert.ok(error.hint?.includes(way), error.hint);
      }
      return true;
    });
    assert.equal(fetched.length, 2, "the same round asks once for each");
    assert.deepEqual(guest.ops(), []);
  }));

Deno.test("Debian's plugins that cannot be installed are said with apt's words", () =>
  withHome(async () => {
    const machine = machineWith();
    const world = worldWith(machine);
    const guest = guestOf(
      bare(machine, { packages: { [PACKAGE]: null } }),
      (ops) => ops.some(({ op }) => op === "install-packages") ? { ok: false, output: "E: no net" } : {},
    );
    await assert.rejects(cniKind.apply(jobWith(guest, world), await wantedOf(world)), (error) => {
      assert.ok(error instanceof UserError);
      assert.deepEqual([error.message, error.output], [
        "CNI's plugins cannot be installed in the guest",
        "E: no net",
      ]);
      return true;
    });
    assert.deepEqual(doneIn(guest.ops()), [`install-packages ${PACKAGE}`]);
  }));
