import assert from "node:assert/strict";
import { parse } from "smol-toml";
import { artifactNamed, releaseOf } from "../../lib/artifacts/catalogue.ts";
import type { Machine } from "../../lib/config/types.ts";
import type { GuestControl } from "../../lib/guest/control.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import type { GuestFacts } from "../../lib/guest/query.ts";
import { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import type { Job, World } from "../../lib/resources/contract.ts";
import { PROGRAM_PATHS as PATHS, programsOf, textFiles } from "../../lib/resources/nerdctl/files.ts";
import { nerdctlKind } from "../../lib/resources/nerdctl/nerdctl.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { stampText } from "../../lib/resources/release_programs.ts";
import { storeOf } from "./artifacts_fixture.ts";
import {
  factsOf,
  guestOf,
  jobOf,
  linesOf,
  listOf,
  lookOf,
  MACHINE,
  machineOf,
  opNames,
  platformOf,
  RECORD,
  toldOf,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const VERSION = "2.2.2";
const UNIT = "buildkit.service";
const PROGRAMS = programsOf(releaseOf(artifactNamed("nerdctl"), { arch: "x86_64" }));
const STAMP = { mode: "755", owner: "root:root", sizeBytes: 9, changed: "1.000000000" };

function containerd(parts: Partial<Machine["runtime"]> = {}): Machine {
  return machineOf({ runtime: { ...MACHINE.runtime, engine: "containerd", ...parts } });
}

function worldWith(machine: Machine, store = storeOf().store): World {
  return worldOf({ machine, platform: platformOf({ artifacts: store }) });
}

/** What the guest's list has of a whole nerdctl. */
function noteOf(version = VERSION) {
  const program = (path: string) => ({
    digest: sha256(PROGRAMS.find((one) => one.path === path)!.member),
    stamp: stampText(STAMP),
    version,
  });
  return { nerdctl: { programs: Object.fromEntries(PATHS.map((path) => [path, program(path)])) } };
}

/** A guest in which all is as it was put in, but for what a test makes otherwise. */
function whole(machine: Machine, parts: {
  readonly files?: Parameters<typeof factsOf>[0];
  readonly unit?: NonNullable<Parameters<typeof factsOf>[1]>[string];
  readonly stamps?: Parameters<typeof factsOf>[2] extends infer T | undefined
    ? T extends { readonly stamps?: infer S } ? S : never
    : never;
} = {}): GuestFacts {
  const files = textFiles(machine);
  const listed = {
    ...Object.fromEntries(files.map(({ path, content }) => [path, sha256(content)])),
    ...Object.fromEntries(PROGRAMS.map(({ path, member }) => [path, sha256(member)])),
  };
  return factsOf(
    {
      [OWNED_FILE]: listOf(noteOf(), listed),
      ...Object.fromEntries(files.map(({ path, content }) => [path, content])),
      ...parts.files,
    },
    { [UNIT]: parts.unit === undefined ? {} : parts.unit },
    { stamps: { ...Object.fromEntries(PATHS.map((path) => [path, STAMP])), ...parts.stamps } },
  );
}

/** A guest without any of it. */
const BARE = factsOf(
  { [OWNED_FILE]: null, ...Object.fromEntries(textFiles(MACHINE).map(({ path }) => [path, null])) },
  { [UNIT]: null },
  { stamps: Object.fromEntries(PATHS.map((path) => [path, null])) },
);

function jobWith(guest: GuestControl, world: World): Job {
  return jobOf("nerdctl", guest, { world: { ...world, record: RECORD } });
}

async function wantedOf(world: World) {
  const wanted = (await nerdctlKind.desired(world)).get("nerdctl");
  assert.ok(wanted);
  return wanted;
}

Deno.test("nerdctl is wanted with containerd alone, and where it is not switched off", () =>
  withHome(async () => {
    const isWanted = async (machine: Machine) => (await nerdctlKind.desired(worldOf({ machine }))).size === 1;
    assert.equal(await isWanted(containerd()), true);
    assert.equal(await isWanted(MACHINE), false);
    const off = { ...MACHINE.runtime.containerd, nerdctl: false };
    assert.equal(await isWanted(containerd({ containerd: off })), false);
  }));

Deno.test("nerdctl is put in where there is none, and nothing differs when all is as it was put in", () =>
  withHome(async () => {
    const world = worldWith(containerd());
    assert.deepEqual(await toldOf(nerdctlKind, { world, look: lookOf(BARE) }), [
      `nerdctl create live (nerdctl ${VERSION} and BuildKit, from nerdctl-full-${VERSION}-linux-amd64.tar.gz)`,
    ]);
    assert.deepEqual(await toldOf(nerdctlKind, { world, look: lookOf(whole(containerd())) }), [
      "nerdctl none live",
    ]);
  }));

Deno.test("nerdctl tells what somebody has changed", () =>
  withHome(async () => {
    const machine = containerd();
    const world = worldWith(machine);
    const told = (facts: GuestFacts) => toldOf(nerdctlKind, { world, look: lookOf(facts) });
    const [unitFile = "", buildkit = "", nerdctl = ""] = textFiles(machine).map(({ path }) => path);
    const cases: readonly (readonly [GuestFacts, RegExp])[] = [
      [whole(machine, { stamps: { [PATHS[2]!]: null } }), /update live.*, \/usr\/local\/bin\/nerdctl/],
      [
        whole(machine, { stamps: { [PATHS[1]!]: { ...STAMP, changed: "2.0" } } }),
        /\/usr\/local\/bin\/buildkitd/,
      ],
      [whole(machine, { stamps: { [PATHS[0]!]: { ...STAMP, mode: "777" } } }), /\/usr\/local\/bin\/buildctl/],
      [whole(machine, { files: { [nerdctl]: "x" } }), /nerdctl\.toml/],
      [whole(machine, { files: { [unitFile]: null } }), /buildkit\.service/],
      [whole(machine, { unit: { activeState: "failed" } }), /buildkit\.service/],
      [whole(machine, { unit: { unitFileState: "disabled" } }), /buildkit\.service/],
      [whole(machine, { unit: null }), /buildkit\.service/],
      [whole(machine, { unit: { needReload: true } }), /buildkit\.service/],
      [
        whole(machine, { files: { [buildkit]: { text: textFiles(machine)[1]!.content, mtimeMs: 3000 } } }),
        /buildkit\.service/,
      ],
    ];
    for (const [facts, expected] of cases) assert.match((await told(facts)).join("\n"), expected);
  }));

Deno.test("nerdctl is unknown where a part of it could not be looked at", () =>
  withHome(async () => {
    const machine = containerd();
    const world = worldWith(machine);
    const { stamp, ...rest } = whole(machine);
    const facts: GuestFacts = {
      ...rest,
      stamp: (path) => path === PATHS[1] ? { state: "unknown", reason: "no answer" } : stamp(path),
    };
    assert.match((await toldOf(nerdctlKind, { world, look: lookOf(facts) })).join(), /blocked.*no answer/);
  }));

Deno.test("somebody's own nerdctl is no difference to a machine that wants none", () =>
  withHome(async () => {
    const facts = factsOf(
      { [OWNED_FILE]: null, ...Object.fromEntries(textFiles(MACHINE).map(({ path }) => [path, null])) },
      { [UNIT]: null },
      { stamps: Object.fromEntries(PATHS.map((path) => [path, STAMP])) },
    );
    assert.deepEqual(await toldOf(nerdctlKind, { world: worldOf(), look: lookOf(facts) }), []);
  }));

Deno.test("nerdctl's programs are copied in, then moved to their places with their settings, then noted", () =>
  withHome(async () => {
    const { store, unpacked } = storeOf();
    const world = worldWith(containerd(), store);
    let isIn = false;
    const guest = guestOf(() => isIn ? whole(containerd()) : BARE, () => {
      isIn = true;
      return {};
    });
    await nerdctlKind.apply(jobWith(guest, world), await wantedOf(world));
    assert.deepEqual(unpacked, ["bin/buildctl", "bin/buildkitd", "bin/nerdctl"]);
    assert.deepEqual(guest.arrived.map(({ name, digest }) => [name, digest]), [
      ["buildctl", sha256("bin/buildctl")],
      ["buildkitd", sha256("bin/buildkitd")],
      ["nerdctl", sha256("bin/nerdctl")],
    ]);
    const names = opNames(guest.ops());
    const after = names.slice(names.findIndex((name) => name.startsWith("move-in")));
    assert.deepEqual(after.filter((name) => !name.includes("owned.json")), [
      ...PATHS.map((path) => `move-in ${path}`),
      `write ${textFiles(containerd()).map(({ path }) => path).join(" ")}`,
      "systemctl daemon-reload",
      "want-units",
      "systemctl restart buildkit.service",
    ]);
    assert.equal(guest.requests.length, 2, "what is noted last are the stamps");
    const list = JSON.parse(lastList(guest.ops()));
    assert.deepEqual(list.applied, noteOf());
    assert.deepEqual(list.files[PATHS[2]!], sha256("bin/nerdctl"));
  }));

Deno.test("nerdctl's programs travel only when they are not what was put in", () =>
  withHome(async () => {
    const { store, fetched } = storeOf();
    const world = worldWith(containerd(), store);
    const program = (path: string, text: string) => ({ [path]: { text, sha256: sha256(text) } });
    const all = Object.assign({}, ...PROGRAMS.map(({ path, member }) => program(path, member)));
    const touched = guestOf(whole(containerd(), { files: all }));
    await nerdctlKind.apply(jobWith(touched, world), await wantedOf(world));
    assert.deepEqual([touched.arrived, fetched], [[], []]);
    const changed = guestOf(whole(containerd(), { files: { ...all, ...program(PATHS[1]!, "other") } }));
    await nerdctlKind.apply(jobWith(changed, world), await wantedOf(world));
    assert.deepEqual(changed.arrived.map(({ name }) => name), ["buildkitd"]);
  }));

Deno.test("another version of nerdctl is copied anew", () =>
  withHome(async () => {
    const world = worldWith(containerd());
    const old = whole(containerd(), { files: { [OWNED_FILE]: listOf(noteOf("2.0.0")) } });
    const [update] = await linesOf(nerdctlKind, { world, look: lookOf(old) });
    assert.deepEqual(
      update?.paths.map(({ path, before, after }) => [path, before, after]),
      PATHS.map((path) => [path, "2.0.0", VERSION]),
    );
    const guest = guestOf(old);
    await nerdctlKind.apply(jobWith(guest, world), await wantedOf(world));
    assert.equal(guest.arrived.length, 3);
  }));

Deno.test("a nerdctl that cannot be had fails alone, with every way out, and stops nothing before", () =>
  withHome(async () => {
    const { store, fetched } = storeOf(new UserError("It is not there", { hint: "Look elsewhere" }));
    const world = worldWith(containerd(), store);
    const guest = guestOf(BARE);
    const job = jobWith(guest, world);
    const wanted = await wantedOf(world);
    await nerdctlKind.preflight!([{ job, desired: wanted }]);
    await assert.rejects(nerdctlKind.apply(job, wanted), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, "It is not there");
      for (const way of ["Look elsewhere", "artifacts.mirror", "machine artifacts fetch", "nerdctl: false"]) {
        assert.ok(error.hint?.includes(way), error.hint);
      }
      return true;
    });
    assert.equal(fetched.length, 1, "the same round asks once");
    assert.deepEqual(guest.ops(), []);
  }));

Deno.test("nerdctl is undone: its service retired, programs and settings put back", () =>
  withHome(async () => {
    const machine = containerd();
    const guest = guestOf(whole(machine));
    const job = jobWith(guest, worldOf());
    await nerdctlKind.undo(job);
    const names = opNames(guest.ops()).filter((name) => !name.includes("owned.json"));
    assert.equal(names[0], "retire-unit buildkit.service");
    for (const path of [...PATHS, ...textFiles(machine).map(({ path }) => path)]) {
      assert.ok(names.includes(`put-back ${path}`), path);
    }
    assert.deepEqual(JSON.parse(lastList(guest.ops())), { version: 1, files: {}, applied: {} });
  }));

Deno.test("textFiles() tells BuildKit of registries in its own words", () => {
  const machine = containerd({
    registries: [
      {
        host: "corp.test",
        mirrors: [],
        insecure: false,
        certificates: { ca: "/ca.pem", cert: "/cert.pem", key: "/key.pem" },
        credentials: "none",
      },
      {
        host: "docker.io",
        mirrors: ["http://mirror.test:5000", "https://other.test/hub"],
        insecure: false,
        certificates: {},
        credentials: "none",
      },
      { host: "localhost:5000", mirrors: [], insecure: true, certificates: {}, credentials: "none" },
    ],
  });
  const [unit, buildkit, nerdctl] = textFiles(machine);
  assert.match(unit!.content, /^RequiresMountsFor=\/var\/lib\/buildkit$/m);
  assert.deepEqual(plain(buildkit!.content), {
    root: "/var/lib/buildkit",
    grpc: { address: ["unix:///run/buildkit/buildkitd.sock"] },
    worker: {
      oci: { enabled: false },
      containerd: { enabled: true, namespace: "default", snapshotter: "overlayfs", gc: true },
    },
    registry: {
      "corp.test": {
        ca: ["/etc/containerd/certs.d/corp.test/ca.crt"],
        keypair: [{
          key: "/etc/containerd/certs.d/corp.test/client.key",
          cert: "/etc/containerd/certs.d/corp.test/client.cert",
        }],
      },
      "docker.io": { mirrors: ["mirror.test:5000", "other.test/hub"] },
      "localhost:5000": { http: true, insecure: true },
      "mirror.test:5000": { http: true },
    },
  });
  assert.deepEqual(plain(nerdctl!.content), {
    namespace: "default",
    snapshotter: "overlayfs",
    cni_path: "/usr/lib/cni",
    hosts_dir: ["/etc/containerd/certs.d"],
  });
});

/** The guest's list as it was written last. */
function lastList(ops: readonly GuestOp[]): string {
  const writes = ops.flatMap((op) => op.op === "write" ? op.files : []);
  return String(writes.findLast(({ path }) => path === OWNED_FILE)!.content);
}

/** A TOML text as JSON has it. */
function plain(text: string): unknown {
  return JSON.parse(JSON.stringify(parse(text)));
}
