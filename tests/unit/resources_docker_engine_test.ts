import assert from "node:assert/strict";
import { join } from "node:path";
import type { Machine, Registry } from "../../lib/config/types.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import { UserError } from "../../lib/host/errors.ts";
import { packagesFor } from "../../lib/image/packages.ts";
import type { Job } from "../../lib/resources/contract.ts";
import { dockerEngineKind } from "../../lib/resources/docker/engine.ts";
import { isReported } from "../../lib/resources/docker/load.ts";
import { wantedDaemon } from "../../lib/resources/docker/wanted_daemon.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import {
  compareOne,
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
  toldOf,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const LOADED = (config: object | null, invocationId = "run1") =>
  JSON.stringify({ version: 1, files: {}, applied: { "engine:docker": { invocationId, config } } });
/** What a file that says nothing of docker comes to. */
const BASE = { "host-gateway-ip": "192.168.5.2" };
const WANTED = JSON.stringify(BASE);
const GROUP = "docker:x:990:ada\n";
const UP = { "docker.service": {}, "docker.socket": {}, "containerd.service": {} };
const DAEMON = "/etc/docker/daemon.json";
const OFF = { activeState: "inactive", unitFileState: "disabled" };

const ENGINE_ROWS: readonly (readonly [string, Parameters<typeof factsOf>, readonly string[]])[] = [
  ["as wanted, never loaded by us", [{ [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: null }, UP], []],
  ["not installed", [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, {
    ...UP,
    "docker.service": null,
  }], ["absent"]],
  [
    "installed and never switched on",
    [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, {
      ...UP,
      "docker.service": OFF,
      "docker.socket": OFF,
    }],
    ["absent"],
  ],
  ["the user is not in the group", [
    { [DAEMON]: WANTED, "/etc/group": "docker:x:990:\n", [OWNED_FILE]: null },
    UP,
  ], ["user live"]],
  [
    "one unit is down",
    [{ [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: null }, {
      ...UP,
      "containerd.service": { activeState: "failed" },
    }],
    ["containerd.service live"],
  ],
  [
    "the file was edited, the daemon has what we loaded",
    [
      { [DAEMON]: JSON.stringify({ ...BASE, debug: true }), "/etc/group": GROUP, [OWNED_FILE]: LOADED(BASE) },
      UP,
    ],
    ["runtime.docker.daemon.debug live"],
  ],
  [
    "the file was edited and loaded by a restart",
    [{
      [DAEMON]: JSON.stringify({ ...BASE, mtu: 1400 }),
      "/etc/group": GROUP,
      [OWNED_FILE]: LOADED(BASE, "run0"),
    }, UP],
    ["runtime.docker.daemon.mtu service"],
  ],
  [
    "the file is newer than a daemon that we did not load: making it right is a restart",
    [{
      [DAEMON]: JSON.stringify({ ...BASE, debug: true }),
      "/etc/group": GROUP,
      [OWNED_FILE]: LOADED(BASE, "run0"),
    }, {
      ...UP,
      "docker.service": { startedMs: 500 },
    }],
    ["runtime.docker.daemon.debug live", "runtime.docker.daemon service"],
  ],
  [
    "an apply was killed before a new file was loaded: what this run of dockerd has is known by its note",
    [{ [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: LOADED({ ...BASE, mtu: 1400 }) }, UP],
    ["runtime.docker.daemon.mtu service"],
  ],
  [
    "the same, where it could not be told",
    [{ [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: LOADED(null) }, UP],
    ["runtime.docker.daemon service"],
  ],
  ["the file is not JSON", [{ [DAEMON]: "{", "/etc/group": GROUP, [OWNED_FILE]: LOADED({}) }, UP], [
    "runtime.docker.daemon service",
  ]],
  ["the list cannot be read", [{ [DAEMON]: null, "/etc/group": GROUP }, UP], ["unknown"]],
  ["the file cannot be read", [{ "/etc/group": GROUP, [OWNED_FILE]: null }, UP], ["unknown"]],
  ["a unit cannot be asked", [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, {
    "docker.service": {},
  }], ["unknown"]],
];
Deno.test("engine:docker: what is still starting is marked as passing, unless more is wrong with it", () =>
  withHome(async () => {
    const files = { [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: null };
    const seen = async (unit: Parameters<typeof factsOf>[1]) => {
      const [line] = await linesOf(dockerEngineKind, { look: lookOf(factsOf(files, { ...UP, ...unit })) });
      return line!.paths.map(({ path, note, isPassing }) => [path, note, isPassing]);
    };
    const starting = { activeState: "activating" };
    const note = "it is still starting";
    assert.deepEqual(await seen({ "docker.service": starting }), [["docker.service", note, true]]);
    const disabled = { ...starting, unitFileState: "disabled" };
    assert.deepEqual(await seen({ "docker.service": disabled }), [["docker.service", note, undefined]]);
    assert.deepEqual(await seen({ "docker.socket": { activeState: "failed" } }), [[
      "docker.socket",
      undefined,
      undefined,
    ]]);
  }));

for (const [name, [files, units], wanted] of ENGINE_ROWS) {
  Deno.test(`engine:docker: ${name}`, () =>
    withHome(async () => {
      const look = lookOf(factsOf(files, units));
      assert.deepEqual(await compareOne(dockerEngineKind, "engine:docker", { look }), wanted);
    }));
}

/** Applies what the file of the job's world wants. */
async function applyEngine(job: Job): Promise<void> {
  const wanted = (await dockerEngineKind.desired(job.world)).get("engine:docker")!;
  await dockerEngineKind.apply(job, wanted);
}

function runtimeOf(parts: Partial<Machine["runtime"]>): Machine {
  return machineOf({ runtime: { ...MACHINE.runtime, ...parts } });
}

function registryOf(host: string, parts: Partial<Registry> = {}): Registry {
  return { host, mirrors: [], insecure: false, certificates: {}, credentials: "none", ...parts };
}

function dockerOf(daemon: Machine["runtime"]["docker"]["daemon"]): Machine["runtime"]["docker"] {
  return { ...MACHINE.runtime.docker, daemon };
}

Deno.test("engine:docker: what a restart of the VM brought into force is looked at again before it is changed", () =>
  withHome(async () => {
    const list = LOADED({}, "run1");
    const files = { [DAEMON]: '{"mtu": 1400}\n', "/etc/group": GROUP, [OWNED_FILE]: list };
    const packages = Object.fromEntries(packagesFor("docker").map((name) => [name, "1"]));
    const now = factsOf(files, { ...UP, "docker.service": { invocationId: "run2" } }, { packages });
    const guest = guestOf(now);
    const job = jobOf("engine:docker", guest, {
      // Before the restart dockerd had our own configuration in force, though the file was edited already.
      look: lookOf(factsOf(files, UP)),
    });
    await applyEngine(job);
    const names = opNames(guest.ops());
    assert.ok(names.includes("systemctl restart docker.service"), names.join("\n"));
    assert.ok(names.includes(`write ${DAEMON}`), names.join("\n"));
    assert.ok(!names.some((name) => name.startsWith("install-packages")), names.join("\n"));
  }));

Deno.test("engine:docker: installs what is missing of its packages", () =>
  withHome(async () => {
    const files = { [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null };
    const packages = Object.fromEntries(
      packagesFor("docker").map((name, index) => [name, index ? "1" : null]),
    );
    const guest = guestOf(factsOf(files, UP, { packages }));
    await applyEngine(jobOf("engine:docker", guest));
    assert.deepEqual(opNames(guest.ops())[0], "install-packages apparmor");
  }));

const PACKAGES = Object.fromEntries(packagesFor("docker").map((name) => [name, "1"]));

Deno.test("engine:docker: what dockerd has in force is noted before its file is replaced", () =>
  withHome(async () => {
    const before = { ...BASE, "log-driver": "local" };
    const files = {
      [DAEMON]: JSON.stringify(before),
      "/etc/group": GROUP,
      [OWNED_FILE]: LOADED(before, "run0"),
    };
    const guest = guestOf(factsOf(files, UP, { packages: PACKAGES }));
    await applyEngine(jobOf("engine:docker", guest));
    const replacing = guest.requests.find((ops) => opNames(ops).includes(`write ${DAEMON}`))!;
    const written = replacing.flatMap((op) => op.op === "write" ? op.files : []);
    assert.deepEqual(written.map(({ path }) => path).slice(0, 2), [OWNED_FILE, DAEMON]);
    const list = JSON.parse(String(written[0]!.content)) as { applied: Record<string, unknown> };
    assert.deepEqual(list.applied["engine:docker"], { invocationId: "run1", config: before, sources: {} });
  }));

Deno.test("wantedDaemon() adds what follows from the file, and says where from", () => {
  const machine = {
    ...runtimeOf({
      registries: [
        registryOf("docker.io", { mirrors: ["https://m.test"] }),
        registryOf("localhost:5000", { insecure: true }),
      ],
      docker: dockerOf({ "insecure-registries": ["10.0.0.0/8"], debug: true }),
    }),
    network: {
      ...MACHINE.network,
      proxy: { inherit: false, http: "http://ada:s3cret@127.0.0.1:3128", except: [".corp.test"] },
    },
  };
  assert.deepEqual(wantedDaemon(worldOf({ machine })), {
    daemon: {
      "debug": true,
      "host-gateway-ip": "192.168.5.2",
      "insecure-registries": ["10.0.0.0/8", "localhost:5000"],
      "proxies": {
        "http-proxy": "http://ada:s3cret@192.168.5.2:3128",
        "no-proxy": ".corp.test,localhost,127.0.0.0/8,::1,192.168.5.0/24",
      },
      "registry-mirrors": ["https://m.test"],
    },
    sources: {
      "host-gateway-ip": "runtime.docker.daemon.host-gateway-ip",
      "proxies": "network.proxy",
      "registry-mirrors": 'runtime.registries["docker.io"].mirrors',
    },
  });
});

Deno.test("wantedDaemon() leaves the user's own keys as they are", () => {
  const own = {
    "host-gateway-ip": "10.0.0.1",
    "insecure-registries": "no list",
    "proxies": { "http-proxy": "http://own.test" },
  };
  const machine = {
    ...runtimeOf({ registries: [registryOf("a.test", { insecure: true })], docker: dockerOf(own) }),
    network: { ...MACHINE.network, proxy: { inherit: false, http: "http://other.test", except: [] } },
  };
  assert.deepEqual(wantedDaemon(worldOf({ machine })).daemon, own);
});

Deno.test("engine:docker: a derived key stands in the plan under its own key of the file, without the password", () =>
  withHome(async () => {
    const proxied = {
      ...MACHINE,
      network: {
        ...MACHINE.network,
        proxy: { inherit: false, http: "http://ada:s3cret@p.test:1", except: [] },
      },
    };
    const files = { [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: LOADED(BASE) };
    const [line] = await linesOf(dockerEngineKind, {
      world: worldOf({ machine: proxied }),
      look: lookOf(factsOf(files, UP)),
    });
    assert.deepEqual(line!.paths.map(({ path, effect }) => [path, effect]), [["network.proxy", "service"]]);
    assert.match(JSON.stringify(line), /ada:\*\*\*@p\.test/);
    assert.doesNotMatch(JSON.stringify(line), /s3cret/);
    // It is still known where it came from when the file says nothing of it any more.
    const inForce = { ...BASE, proxies: { "http-proxy": "http://ada:s3cret@p.test:1" } };
    const loaded = { invocationId: "run1", config: inForce, sources: { proxies: "network.proxy" } };
    const gone = {
      ...files,
      [DAEMON]: JSON.stringify(inForce),
      [OWNED_FILE]: listOf({ "engine:docker": loaded }),
    };
    const look = lookOf(factsOf(gone, UP));
    assert.deepEqual(await compareOne(dockerEngineKind, "engine:docker", { look }), [
      "network.proxy service",
    ]);
  }));

Deno.test("engine:docker: what a key hides is counted, and only then", () =>
  withHome(async () => {
    const paths: string[] = [];
    const platform = platformOf({
      docker: (_folder, path) => {
        paths.push(path);
        const body = JSON.stringify({ Images: 12, Containers: 1, DockerRootDir: "/var/lib/docker" });
        return Promise.resolve({ status: 200, body });
      },
    });
    const notesOf = async (daemon: Machine["runtime"]["docker"]["daemon"]) => {
      const world = worldOf({ platform, machine: runtimeOf({ docker: dockerOf(daemon) }) });
      const files = { [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: LOADED(BASE) };
      const look = lookOf(factsOf(files, UP), {
        agent: { state: "present", owned: true, value: {} as never },
      });
      const items = await dockerEngineKind.observe(world, look, await dockerEngineKind.desired(world));
      const found = items.get("engine:docker")!;
      assert.equal(found.state, "present");
      const wanted = (await dockerEngineKind.desired(world)).get("engine:docker")!;
      return found.state === "present"
        ? dockerEngineKind.compare(wanted, found.value).map(({ note }) => note)
        : [];
    };
    const hides =
      "hides the present images and containers (12 images and 1 container in /var/lib/docker) until it is changed back";
    for (const key of ["data-root", "storage-driver", "userns-remap"]) {
      assert.deepEqual(await notesOf({ [key]: "x" }), [hides], key);
    }
    assert.deepEqual(await notesOf({ features: { "containerd-snapshotter": true } }), [hides]);
    paths.length = 0;
    assert.deepEqual(await notesOf({ features: { buildkit: true } }), [undefined]);
    assert.deepEqual(await notesOf({ mtu: 1400 }), [undefined]);
    assert.deepEqual(paths, [], "a look that hides nothing asks dockerd");
  }));

Deno.test("engine:docker: certificates of registries are files of dockerd, read at each pull", () =>
  withHome(async (home) => {
    const ca = join(home, "ca.pem");
    await Deno.writeTextFile(ca, "CERTIFICATE\n");
    const machine = runtimeOf({ registries: [registryOf("r.test:5000", { certificates: { ca } })] });
    const world = worldOf({ machine });
    const path = "/etc/docker/certs.d/r.test:5000/ca.crt";
    const left = "/etc/docker/certs.d/old.test/ca.crt";
    const list = (files: Record<string, string>) =>
      listOf({ "engine:docker": { invocationId: "run1", config: BASE } }, files);
    const files = {
      [DAEMON]: WANTED,
      "/etc/group": GROUP,
      [path]: null,
      [OWNED_FILE]: list({ [left]: "x" }),
    };
    const facts = factsOf(files, UP, { packages: PACKAGES });
    assert.deepEqual(await compareOne(dockerEngineKind, "engine:docker", { world, look: lookOf(facts) }), [
      'runtime.registries["r.test:5000"].certificates.ca live',
      'runtime.registries["old.test"] live',
    ]);
    const guest = guestOf(facts);
    await applyEngine(jobOf("engine:docker", guest, { world: { ...world, record: worldOf().record! } }));
    const names = opNames(guest.ops());
    assert.ok(names.includes(`write ${path}`), names.join("\n"));
    assert.ok(names.includes(`put-back ${left}`), names.join("\n"));
    assert.ok(
      !names.some((name) => /docker.service/.test(name) && /restart|kill/.test(name)),
      names.join("\n"),
    );
    await Deno.remove(ca);
    assert.match(
      (await toldOf(dockerEngineKind, { world, look: lookOf(facts) }))[0]!,
      /blocked.*cannot be read: .*ca\.pem/,
    );
  }));

Deno.test("engine:docker: with another engine it is switched off, and its data named", () =>
  withHome(async () => {
    const platform = platformOf({
      docker: (_folder, path) =>
        Promise.resolve({
          status: 200,
          body: path === "/info"
            ? JSON.stringify({ Images: 2, Containers: 3, DockerRootDir: "/var/lib/docker" })
            : "[]",
        }),
    });
    const machine = runtimeOf({ engine: "none" });
    const world = worldOf({ machine, platform });
    const list = listOf({ "engine:docker": { invocationId: "run1", config: BASE } }, { [DAEMON]: "x" });
    const files = { [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: list };
    const agent = { state: "present", owned: true, value: {} as never } as const;
    const told = (units: Parameters<typeof factsOf>[1]) =>
      toldOf(dockerEngineKind, { world, look: lookOf(factsOf(files, units), { agent }) });
    assert.deepEqual(await told(UP), [
      "engine:docker delete service (stopped and disabled; 2 images and 3 containers in /var/lib/docker stay on the " +
      "data disk, with the volumes)",
    ]);
    // Cut off in the middle: what is noted goes on being taken away.
    const off = { ...UP, "docker.service": OFF, "docker.socket": OFF };
    assert.deepEqual((await told(off)).map((line) => line.slice(0, 28)), ["engine:docker delete service"]);
    const fresh = { ...files, [OWNED_FILE]: null };
    const outside = await toldOf(dockerEngineKind, { world, look: lookOf(factsOf(fresh, UP)) });
    assert.match(outside[0] ?? "", /delete service \(started outside; stopped and disabled/);
    // Its socket alone would start it.
    const socket = await toldOf(dockerEngineKind, {
      world,
      look: lookOf(factsOf(fresh, { ...UP, "docker.service": OFF })),
    });
    assert.match(socket[0] ?? "", /delete service/);
    assert.deepEqual(await toldOf(dockerEngineKind, { world, look: lookOf(factsOf(fresh, off)) }), []);

    const opsFor = async (engine: Machine["runtime"]["engine"]): Promise<GuestOp[]> => {
      const guest = guestOf(factsOf({ [OWNED_FILE]: list }));
      const at = worldOf({ machine: runtimeOf({ engine }) });
      await dockerEngineKind.undo(
        jobOf("engine:docker", guest, { world: { ...at, record: worldOf().record! } }),
      );
      return [...guest.ops()];
    };
    const names = opNames(await opsFor("none"));
    const before = ["retire-unit docker.socket", "retire-unit docker.service", "end-tasks"];
    assert.deepEqual(names.filter((name) => before.includes(name)), before);
    assert.ok(names.includes(`put-back ${DAEMON}`));
    assert.ok(names.includes("retire-unit containerd.service"));
    assert.ok(!opNames(await opsFor("containerd")).includes("retire-unit containerd.service"));
  }));

Deno.test("isReported() holds each value of a reload event against what was to be loaded", () => {
  const event = {
    "debug": "true",
    "labels": '["a=b"]',
    "max-concurrent-downloads": "3",
    "registry-mirrors": '["https://m.test/"]',
    "runtimes": "other:/usr/bin/runc",
    "default-runtime": "other",
  };
  const right: readonly (readonly [string, Parameters<typeof isReported>[2]])[] = [
    ["debug", true],
    ["labels", ["a=b"]],
    ["max-concurrent-downloads", 0],
    ["registry-mirrors", ["https://m.test"]],
    ["runtimes", { other: { path: "/usr/bin/runc" } }],
    ["default-runtime", "other"],
    ["shutdown-timeout", 20], // an older dockerd does not say it
    ["mtu", 1400],
  ];
  for (const [key, value] of right) assert.ok(isReported(event, key, value), key);
  const wrong: typeof right = [
    ["debug", false],
    ["labels", ["a=c"]],
    ["labels", []],
    ["max-concurrent-downloads", 4],
    ["registry-mirrors", []],
    ["runtimes", { third: { path: "/x" } }],
    ["default-runtime", "runc"],
  ];
  for (const [key, value] of wrong) assert.ok(!isReported(event, key, value), key);
});

/** A guest whose dockerd answers a reload with an event of its own. */
async function reloadWith(event: Readonly<Record<string, string>>) {
  const platform = platformOf({
    docker: () => Promise.resolve({ status: 200, body: JSON.stringify({ Actor: { Attributes: event } }) }),
  });
  const files = { [DAEMON]: WANTED, "/etc/group": GROUP, [OWNED_FILE]: LOADED(BASE) };
  const guest = guestOf(factsOf(files, UP, { packages: PACKAGES }), () => ({ output: "1000.0" }));
  const world = worldOf({ platform, machine: runtimeOf({ docker: dockerOf({ debug: true }) }) });
  const job = jobOf("engine:docker", guest, { world: { ...world, record: worldOf().record! } });
  const failure = await applyEngine(job).then(() => undefined, (error) => error as UserError);
  return { failure, names: opNames(guest.ops()) };
}

Deno.test("engine:docker: a refused reload puts the former file back, and stops no container", () =>
  withHome(async () => {
    const { failure, names } = await reloadWith({ debug: "false" });
    assert.match(
      failure?.message ?? "",
      /another value in force: "debug": false, not true.*former one is in force/,
    );
    assert.equal(names.filter((name) => name === `write ${DAEMON}`).length, 2);
    assert.ok(!names.includes("systemctl restart docker.service"), names.join("\n"));
    assert.equal((await reloadWith({ debug: "true" })).failure, undefined);
  }));

Deno.test("engine:docker: a key that others may read is a difference, and is written anew", () =>
  withHome(async (home) => {
    const key = join(home, "key.pem");
    await Deno.writeTextFile(key, "KEY\n");
    const machine = runtimeOf({ registries: [registryOf("r.test", { certificates: { key } })] });
    const path = "/etc/docker/certs.d/r.test/client.key";
    const list = listOf({ "engine:docker": { invocationId: "run1", config: BASE } }, { [path]: "x" });
    const files = { [DAEMON]: WANTED, "/etc/group": GROUP, [path]: "KEY\n", [OWNED_FILE]: list };
    const look = lookOf(factsOf(files, UP, { packages: PACKAGES })); // which are all 0644
    assert.deepEqual(
      await compareOne(dockerEngineKind, "engine:docker", { world: worldOf({ machine }), look }),
      [
        'runtime.registries["r.test"].certificates.key live',
      ],
    );
  }));
