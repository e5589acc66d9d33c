import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { stringify } from "yaml";
import { findDefaultFile } from "../../lib/config/load.ts";
import { defaultUser } from "../../lib/config/user.ts";
import type { Mount } from "../../lib/config/types.ts";
import { line, loadMachine, machineOf, makeTestHost } from "./config_fixture.ts";

Deno.test("loadMachines() fills every default", async () => {
  await using host = await makeTestHost();
  assert.deepEqual(await machineOf(host, "apiVersion: machine/v1\n"), {
    name: "default",
    protect: false,
    vm: {
      arch: "x86_64",
      accel: "auto",
      cpus: 4,
      memoryMiB: 4096,
      cpu: "auto",
      image: { name: "debian-13", source: "auto" },
      diskMiB: 20 * 1024,
      dataDiskMiB: 60 * 1024,
      disks: [],
    },
    user: { name: "ada", uid: 1000, shell: "/bin/bash", sudo: true, home: "/home/ada.guest" },
    hostname: "default",
    timezone: "Europe/Berlin",
    mounts: [{
      source: host.home,
      target: host.home,
      type: "9p",
      writable: false,
      optional: false,
      options: {},
    }],
    env: {},
    packages: { install: [] },
    files: [],
    sysctl: {},
    modules: [],
    network: { proxy: { inherit: true, except: [] }, caCerts: { host: true, files: [] } },
    runtime: {
      engine: "docker",
      registries: [],
      docker: { daemon: {}, context: { name: "machine-default", current: true } },
      containerd: { cri: true, snapshotter: "overlayfs", nerdctl: true, config: {} },
    },
    cni: { network: { kind: "bridge" }, plugins: { source: "package" } },
    provision: [],
    artifacts: { mirror: "official", offline: false },
    ssh: { port: 0, agent: false, config: false },
  });
});

Deno.test("loadMachines() takes defaults from a small host, and mounts nothing of root's", async () => {
  await using host = await makeTestHost({ cpus: 2, memoryMiB: 3000, user: "root", uid: 0, arch: "aarch64" });
  const machine = await machineOf(host, "name: dev");
  assert.deepEqual([machine.vm.cpus, machine.vm.memoryMiB, machine.vm.arch], [2, 1500, "aarch64"]);
  assert.deepEqual(machine.mounts, []);
  assert.deepEqual([machine.user.name, machine.user.uid, machine.user.home], [
    "machine",
    1000,
    "/home/machine.guest",
  ]);
  assert.deepEqual([machine.hostname, machine.runtime.docker.context.name], ["dev", "machine-dev"]);
});

Deno.test("loadMachines() gives files that mean the same the same machine", async (t) => {
  await using host = await makeTestHost();
  const rows: readonly (readonly [string, string])[] = [
    ["vm: {memory: 4GiB}", "vm: {memory: 4096MiB}"],
    ["vm: {memory: 1.5GiB}", "vm: {memory: 1572864KiB}"],
    ["vm: {dataDisk: 1TiB}", "vm: {dataDisk: 1024GiB}"],
    ["vm: {image: debian-13}", "vm: {image: {name: debian-13}}"],
    ["vm: {image: {}}", "vm: {image: {source: auto}}"],
    ["vm: {arch: host, driver: qemu}", "vm: {arch: x86_64}"],
    ["runtime: docker", "runtime: {engine: docker}"],
    ["runtime: docker", "{}"],
    [
      "runtime: {docker: {daemon: {a: 1, b: {c: 2, d: 3}}}}",
      "runtime: {docker: {daemon: {b: {d: 3, c: 2}, a: 1}}}",
    ],
    ['mounts: [{source: "~"}]', 'mounts: [{source: "${env:CONFIG_TEST_HOME}"}]'],
    ['mounts: [{source: "~/src"}]', 'mounts: [{source: "~/src/", type: 9p}]'],
    ['mounts: [{source: "~/src", target: /src}]', 'mounts: [{source: "~/src", target: /src/}]'],
    ['mounts: [{source: "~"}]', 'mounts: [{source: "~"}, {source: "~/../${env:CONFIG_TEST_BASE}"}]'],
    [
      "mounts: [{source: /tmp, options: {msize: 65536}}]",
      'mounts: [{source: /tmp, options: {msize: "65536"}}]',
    ],
    ["runtime: {docker: {daemon: {a: &it [1], b: *it}}}", "runtime: {docker: {daemon: {a: [1], b: [1]}}}"],
    ["name: ${env:CONFIG_TEST_UNSET:-x}", "name: x"],
    ["timezone: host", "timezone: Europe/Berlin"],
    ["user: {name: ada}", "user: {uid: 1000, shell: /bin/bash, sudo: true}"],
    ["packages: {install: [jq, git, jq]}", "packages: {install: [git, jq]}"],
    ["packages: {}", "packages: {install: []}"],
    ["modules: [br-netfilter, ip_vs]", "modules: [ip_vs, br_netfilter, br_netfilter]"],
    ["sysctl: {vm.max_map_count: 262144}", "sysctl: {vm.max_map_count: ' 262144 '}"],
    [
      'sysctl: {net.ipv4.tcp_rmem: "4096\\t131072  6291456"}',
      "sysctl: {net.ipv4.tcp_rmem: 4096 131072 6291456}",
    ],
    ["env: {B: b, A: a}", "env: {A: a, B: b}"],
    [
      "files: [{path: /b, content: b}, {path: /a, content: a, mode: '644'}]",
      "files: [{path: /a, content: a, mode: '0644', owner: 'root:root'}, {path: /b, content: b}]",
    ],
    ["files: [{path: /a, content: a, mode: '04755'}]", "files: [{path: /a, content: a, mode: '4755'}]"],
    [
      "files: [{path: /a, source: '~/file'}]",
      "files: [{path: /a, source: '${env:CONFIG_TEST_HOME}/src/../file'}]",
    ],
    [
      "vm: {disks: [{name: b, size: 1GiB, target: /b/}, {name: a, size: 1GiB, target: /a}]}",
      "vm: {disks: [{name: a, size: 1024MiB, target: /a, format: ext4}, {name: b, size: 1GiB, target: /b}]}",
    ],
    ["provision: [{name: a, run: x}]", "provision: [{name: a, run: x, as: root, when: changed}]"],
    ["vm: {memory: !reset null}", "vm: {}"],
    ["vm: {cpus: !override 2}", "vm: {cpus: 2}"],
    ["mounts: !override []", "mounts: []"],
  ];
  await host.write({ file: "x" });
  Deno.env.set("CONFIG_TEST_HOME", host.home);
  Deno.env.set("CONFIG_TEST_BASE", host.home.split("/").at(-1) ?? "");
  for (const [one, other] of rows) {
    await t.step(`${one} = ${other}`, async () => {
      const [left, right] = [await machineOf(host, one), await machineOf(host, other)];
      assert.equal(JSON.stringify(left), JSON.stringify(right));
    });
  }
  Deno.env.delete("CONFIG_TEST_HOME");
  Deno.env.delete("CONFIG_TEST_BASE");
});

Deno.test("loadMachines() gives the same machine for permuted keys", async () => {
  await using host = await makeTestHost();
  const blocks: readonly (readonly [string, unknown])[] = [
    ["apiVersion", "machine/v1"],
    ["name", "dev"],
    ["protect", true],
    ["vm", {
      cpus: 2,
      memory: "2GiB",
      disk: "30GiB",
      accel: "tcg",
      dataDisk: "none",
      disks: [{ name: "b", size: "1GiB", target: "/mnt/b" }, { name: "a", size: "2GiB", target: "/mnt/a" }],
    }],
    ["user", { name: "eve", uid: 1234, sudo: false }],
    ["env", { EDITOR: "vim", A: "1" }],
    ["packages", { install: ["jq", "git", "curl"] }],
    ["files", [{ path: "/etc/motd", content: "hi\n", mode: "600" }, { path: "/a", content: "" }]],
    ["sysctl", { "vm.max_map_count": 262144, "fs.file-max": "10" }],
    ["modules", ["ip_vs", "br_netfilter"]],
    ["provision", [{ name: "one", run: "true", as: "user" }]],
    ["hostname", "h"],
    ["mounts", [{ source: "/tmp", target: "/b" }, { source: "~", writable: true }]],
    ["runtime", { docker: { daemon: { debug: true, "log-opts": { "max-size": "1m", "max-file": "3" } } } }],
    ["ssh", { port: 2222, agent: true }],
  ];
  const permuted = fc.shuffledSubarray([...blocks], { minLength: blocks.length }).map((entries) =>
    Object.fromEntries(entries.map(([key, value]) => [key, shuffleWithin(value, entries[0]?.[0] === "name")]))
  );
  const expected = JSON.stringify(await machineOf(host, stringify(Object.fromEntries(blocks))));
  await fc.assert(
    fc.asyncProperty(permuted, async (file) => {
      assert.equal(JSON.stringify(await machineOf(host, stringify(file))), expected);
    }),
    { numRuns: 50 },
  );
});

function shuffleWithin(value: unknown, reverse: boolean): unknown {
  if (Array.isArray(value)) return reverse ? value.toReversed() : value;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, child]) => [key, shuffleWithin(child, !reverse)]);
  return Object.fromEntries(reverse ? entries : entries.toReversed());
}

Deno.test("loadMachines() keeps the order of provision, which is the order of work", async () => {
  await using host = await makeTestHost();
  const { provision } = await machineOf(
    host,
    "provision: [{name: z, run: a, check: b, as: user, when: always}, {name: a, run: c}]",
  );
  assert.deepEqual(provision, [
    { name: "z", run: "a", check: "b", as: "user", when: "always" },
    { name: "a", run: "c", as: "root", when: "changed" },
  ]);
});

Deno.test("loadMachines() gives a file that writes its machine out the same machine again", async () => {
  await using host = await makeTestHost();
  const disks = fc.uniqueArray(
    fc.stringMatching(/^[a-z]{3,8}$/).filter((it) => it !== "data" && it !== "system"),
    {
      maxLength: 8,
    },
  );
  const machines = fc.record({
    env: fc.dictionary(
      fc.stringMatching(/^[A-Z_]{1,8}$/),
      fc.string().filter((it) => !/[\0\r\n$#]/.test(it)),
    ),
    install: fc.array(fc.stringMatching(/^[a-z][a-z0-9+.]{1,8}$/)),
    modules: fc.array(fc.stringMatching(/^[a-z][a-z_-]{1,8}$/)),
    sysctl: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}\.[a-z_]{1,5}$/), fc.integer({ min: 0 })),
    disks,
    modes: fc.array(fc.stringMatching(/^0?[0-7]{3}$/), { maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(machines, async (it) => {
      const text = stringify({
        env: it.env,
        packages: { install: it.install },
        modules: it.modules,
        sysctl: it.sysctl,
        vm: { disks: it.disks.map((name) => ({ name, size: "1.5GiB", target: `/mnt/${name}` })) },
        files: it.modes.map((mode, index) => ({ path: `/f${index}`, content: mode, mode })),
      });
      const once = await machineOf(host, text);
      const again = await machineOf(
        host,
        stringify({
          env: once.env,
          packages: once.packages,
          modules: once.modules,
          sysctl: once.sysctl,
          vm: { disks: once.vm.disks.map(({ sizeMiB, ...disk }) => ({ ...disk, size: `${sizeMiB}MiB` })) },
          files: once.files,
        }),
      );
      assert.deepEqual(again, once);
    }),
    { numRuns: 40 },
  );
});

Deno.test("loadMachines() resolves paths from the file, through no link", async () => {
  await using host = await makeTestHost();
  await Deno.mkdir(join(host.home, "dot/data"), { recursive: true });
  await Deno.writeTextFile(join(host.home, "dot/real.yaml"), "mounts: [{source: ./src, target: /s}]");
  await Deno.symlink(join(host.home, "dot/real.yaml"), join(host.home, "machine.yaml"));
  const result = await loadMachine({ path: join(host.home, "machine.yaml") }, host.facts);
  assert.ok(result.ok);
  assert.equal(result.loaded.machine.mounts[0]?.source, join(host.home, "src"));
  assert.equal(result.loaded.origin, join(host.home, "machine.yaml"));
});

Deno.test("loadMachines() resolves paths of standard input from the working folder", async () => {
  await using host = await makeTestHost();
  const machine = await machineOf(host, "mounts: [{source: tests, target: /t}]");
  assert.equal(machine.mounts[0]?.source, resolve("tests"));
});

Deno.test("loadMachines() tells where keys stand", async () => {
  await using host = await makeTestHost();
  const text = [
    "vm:",
    "  memory: 2GiB",
    "mounts:",
    "  - {source: /tmp, target: /z}",
    "  - source: ~/src",
    "    target: /a",
    "runtime: docker",
  ].join("\n");
  const result = await host.load(text);
  assert.ok(result.ok);
  const at = (path: string) => {
    const position = result.loaded.positionOf(path);
    return position && `${position.line}:${position.column}`;
  };
  assert.equal(at("vm.memory"), "2:3");
  assert.equal(at("vm.cpus"), "1:1");
  assert.equal(at("mounts[0].target"), "4:20");
  assert.equal(at("mounts[/a]"), "5:5");
  assert.equal(at("mounts[/a].target"), "6:5");
  assert.equal(at("mounts[/z].writable"), "4:5");
  assert.equal(at("mounts[/none]"), "3:1");
  assert.equal(at("runtime.docker.context"), "7:1");
  assert.equal(at("hostname"), undefined);
  assert.equal(result.loaded.origin, "-");
});

Deno.test("loadMachines() orders mounts by target, parents first", async () => {
  await using host = await makeTestHost();
  const targets = ["/b/c", "/b", "/b-c", "/a"];
  const text = `mounts: [${targets.map((it) => `{source: /tmp, target: ${it}}`).join(", ")}]`;
  const { mounts } = await machineOf(host, text);
  assert.deepEqual(mounts.map((mount: Mount) => mount.target), ["/a", "/b", "/b-c", "/b/c"]);
  assert.deepEqual((await machineOf(host, "mounts: []")).mounts, []);
});

Deno.test("defaultUser() takes a name and number that the guest has free", async (t) => {
  const rows: readonly (readonly [string, number, string, number])[] = [
    ["ada", 1234, "ada", 1234],
    ["ada", 501, "ada", 501],
    ["ada", 499, "ada", 1000],
    ["root", 0, "machine", 1000],
    ["www-data", 33, "machine", 1000],
    ["docker", 1000, "machine", 1000],
    ["CORP\\ada", 70000, "machine", 70000],
    ["nobody", 65534, "machine", 1000],
  ];
  await using host = await makeTestHost();
  for (const [user, uid, name, guestUid] of rows) {
    await t.step(`${user} ${uid}`, () => {
      const guest = defaultUser({ ...host.facts, user, uid });
      assert.deepEqual([guest.name, guest.uid, guest.home], [name, guestUid, `/home/${name}.guest`]);
    });
  }
});

Deno.test("findDefaultFile() looks here, then in ~/.config/machine", async () => {
  await using host = await makeTestHost();
  const [home, folder] = [Deno.env.get("HOME"), Deno.cwd()];
  try {
    Deno.env.set("HOME", host.home);
    Deno.chdir(join(host.home, "src"));
    assert.equal(await findDefaultFile(), undefined);
    const configured = join(host.home, ".config/machine/machine.yaml");
    await Deno.mkdir(join(host.home, ".config/machine"), { recursive: true });
    await Deno.writeTextFile(configured, "name: a");
    assert.equal(await findDefaultFile(), configured);
    await Deno.writeTextFile("machine.yaml", "name: b");
    assert.equal(await findDefaultFile(), "machine.yaml");
  } finally {
    Deno.chdir(folder);
    if (home !== undefined) Deno.env.set("HOME", home);
  }
});

Deno.test("loadMachines() gives the current docker context to one machine of a file", async (t) => {
  await using host = await makeTestHost();
  const said = (current: boolean) => `runtime: {docker: {context: {current: ${current}}}}\n`;
  const rows: readonly (readonly [string, string, readonly boolean[]])[] = [
    ["to the only one", "apiVersion: machine/v1\n", [true]],
    ["to none where it says so", said(false), [false]],
    ["to the first", "name: a\n---\nname: b\n---\nname: c\n", [true, false, false]],
    ["to the one that says so", `name: a\n---\nname: b\n${said(true)}`, [false, true]],
    ["to no later one where the first declines", `name: a\n${said(false)}---\nname: b\n`, [false, false]],
  ];
  for (const [name, text, wanted] of rows) {
    await t.step(name, async () => {
      const result = await host.loadAll(text);
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(result.machines.map(({ machine }) => machine.runtime.docker.context.current), wanted);
    });
  }
});

Deno.test("loadMachines() says once where two machines inherit what they cannot share", async () => {
  await using host = await makeTestHost();
  await host.write({ "base.yaml": "runtime: {docker: {context: {current: true}}}\n" });
  const result = await host.loadAll(
    `name: a\nextends: [${host.home}/base.yaml]\n---\nname: b\nextends: [${host.home}/base.yaml]\n`,
  );
  assert.ok(!result.ok);
  assert.deepEqual(result.problems.map(line), [
    "base.yaml:1:30 runtime.docker.context.current The current docker context is declared here for more than one machine",
  ]);
});
