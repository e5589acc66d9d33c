import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { stringify } from "yaml";
import { listProfiles, readProfile } from "../../lib/config/profiles.ts";
import { parseYaml } from "../../lib/config/yaml.ts";
import { line, loadMachine, machineOf, makeTestHost, problemsOf, type TestHost } from "./config_fixture.ts";

type Row = readonly [name: string, base: string, own: string, expected: string];

/** What a file means over another, and the one file that means the same. */
const MERGES: readonly Row[] = [
  ["a value is replaced", "vm: {cpus: 2}", "vm: {cpus: 3}", "vm: {cpus: 3}"],
  [
    "maps are merged deep",
    "vm: {cpus: 2}\nssh: {port: 2222}",
    "vm: {memory: 2GiB}\nssh: {agent: true}",
    [
      "vm: {cpus: 2, memory: 2GiB}",
      "ssh: {port: 2222, agent: true}",
    ].join("\n"),
  ],
  ["free maps are merged key by key", "env: {A: a, B: b}", "env: {B: c, C: c}", "env: {A: a, B: c, C: c}"],
  [
    "maps in daemon.json are merged deep",
    "runtime: {docker: {daemon: {log-opts: {max-size: 1m, a: x}, dns: [a]}}}",
    "runtime: {docker: {daemon: {log-opts: {max-size: 2m}, dns: [b]}}}",
    "runtime: {docker: {daemon: {log-opts: {max-size: 2m, a: x}, dns: [b]}}}",
  ],
  ["an image is replaced as a whole", "vm: {image: {source: build}}", "vm: {image: debian-13}", "{}"],
  [
    "a short form meets the long one",
    "runtime: {docker: {daemon: {debug: true}}}",
    "runtime: docker",
    "runtime: {engine: docker, docker: {daemon: {debug: true}}}",
  ],
  [
    "a long form meets the short one",
    "runtime: docker",
    "runtime: {docker: {daemon: {debug: true}}}",
    "runtime: {docker: {daemon: {debug: true}}}",
  ],
  [
    "sets unite",
    "packages: {install: [git, jq]}",
    "packages: {install: [jq, vim]}",
    "packages: {install: [git, jq, vim]}",
  ],
  ["modules unite", "modules: [a]", "modules: [b]", "modules: [a, b]"],
  [
    "mounts are the same by their target",
    "mounts: [{source: /tmp, target: /x}, {source: /tmp}]",
    "mounts: [{source: /var/tmp, target: /x/, writable: true}, {source: /opt}]",
    "mounts: [{source: /var/tmp, target: /x, writable: true}, {source: /tmp}, {source: /opt}]",
  ],
  [
    "mounts without a target are the same by their source",
    'mounts: [{source: "~", options: {cache: mmap}}]',
    'mounts: [{source: "${env:EXTENDS_TEST_HOME}", writable: true}]',
    'mounts: [{source: "~", writable: true, options: {cache: mmap}}]',
  ],
  [
    "files are the same by their path",
    "files: [{path: /a, content: a, mode: '0600'}, {path: /b, content: b}]",
    "files: [{path: /a, content: c}, {path: /c, content: c}]",
    "files: [{path: /a, content: c, mode: '0600'}, {path: /b, content: b}, {path: /c, content: c}]",
  ],
  [
    "a source takes the place of a content",
    "files: [{path: /a, content: a}, {path: /b, source: ./base.yaml}]",
    "files: [{path: /a, source: ~/base.yaml}, {path: /b, content: b}]",
    "files: [{path: /a, source: ~/base.yaml}, {path: /b, content: b}]",
  ],
  [
    "an entry is completed",
    "files: [{path: /a, mode: '0600'}]",
    "files: [{path: /a, content: c}]",
    "files: [{path: /a, content: c, mode: '0600'}]",
  ],
  [
    "steps keep their place",
    "provision: [{name: a, run: a}, {name: b, run: b}]",
    "provision: [{name: c, run: c}, {name: a, run: z}]",
    "provision: [{name: a, run: z}, {name: b, run: b}, {name: c, run: c}]",
  ],
  [
    "disks are the same by their name",
    "vm: {disks: [{name: a, size: 1GiB, target: /a}]}",
    "vm: {disks: [{name: a, size: 2GiB}]}",
    "vm: {disks: [{name: a, size: 2GiB, target: /a}]}",
  ],
  [
    "a disk is completed",
    "vm: {disks: [{name: a, target: /a}]}",
    "vm: {disks: [{name: a, size: 2GiB}]}",
    "vm: {disks: [{name: a, size: 2GiB, target: /a}]}",
  ],
  [
    "!override replaces a map",
    "env: {A: a}\nvm: {cpus: 2, memory: 2GiB}",
    "env: !override {B: b}\nvm: !override {cpus: 3}",
    "env: {B: b}\nvm: {cpus: 3}",
  ],
  ["!override replaces a list", "modules: [a]", "modules: !override [b]", "modules: [b]"],
  [
    "!override replaces an entry",
    "files: [{path: /a, content: a, mode: '0600'}]",
    "files: [!override {path: /a, content: b}]",
    "files: [{path: /a, content: b}]",
  ],
  [
    "!override keeps the type of a value",
    "vm: {cpus: 2}\nprotect: false",
    "vm: {cpus: !override 3}\nprotect: !override true",
    [
      "vm: {cpus: 3}",
      "protect: true",
    ].join("\n"),
  ],
  [
    "!reset returns to the default",
    "vm: {cpus: 2, memory: 2GiB}",
    "vm: {cpus: !reset null}",
    "vm: {memory: 2GiB}",
  ],
  ["!reset takes a whole block", "env: {A: a}\nmodules: [a]", "env: !reset\nmodules: !reset []", "{}"],
  ["!reset takes a key of a free map", "env: {A: a, B: b}", "env: {A: !reset null}", "env: {B: b}"],
  [
    "variables expand in both",
    "env: {A: '${env:EXTENDS_TEST_HOME}'}",
    "env: {B: '${env:EXTENDS_TEST_HOME}'}",
    "env: {A: '${env:EXTENDS_TEST_HOME}', B: '${env:EXTENDS_TEST_HOME}'}",
  ],
  [
    "a variable that is replaced need not be set",
    "hostname: '${env:EXTENDS_TEST_UNSET}'",
    "hostname: h",
    "hostname: h",
  ],
  [
    "name and version are not inherited",
    "name: base\napiVersion: machine/v1",
    "protect: true",
    "protect: true",
  ],
];

async function withHomeVariable(work: (host: TestHost) => Promise<void>): Promise<void> {
  await using host = await makeTestHost();
  Deno.env.set("EXTENDS_TEST_HOME", host.home);
  try {
    await work(host);
  } finally {
    Deno.env.delete("EXTENDS_TEST_HOME");
  }
}

Deno.test("mergeFiles() lays a file over the one that it extends", async (t) => {
  await withHomeVariable(async (host) => {
    for (const [name, base, own, expected] of MERGES) {
      await t.step(name, async () => {
        await host.write({ "base.yaml": base });
        const merged = await machineOf(host, `extends: ["~/base.yaml"]\n${own}\n`);
        assert.deepEqual(merged, await machineOf(host, expected));
      });
    }
  });
});

Deno.test("loadMachines() lays what is extended over each other from left to right", async () => {
  await using host = await makeTestHost();
  await host.write({
    "a.yaml": "env: {A: a, B: a, C: a, D: a}\nvm: {cpus: 1}",
    "b.yaml": "extends: [./c.yaml]\nenv: {B: b, C: b}",
    "c.yaml": "env: {C: c, D: c, E: c}\nvm: {cpus: !reset null}",
  });
  const machine = await machineOf(host, 'extends: ["~/a.yaml", "~/b.yaml"]\nenv: {B: own}');
  assert.deepEqual(machine.env, { A: "a", B: "own", C: "b", D: "c", E: "c" });
});

Deno.test("loadMachines() reads a file that two others extend for both of them", async () => {
  await using host = await makeTestHost();
  await host.write({
    "top.yaml": "provision: [{name: top, run: 'true'}]\nmodules: [a]",
    "left.yaml": "extends: [./top.yaml]\nenv: {L: l}",
    "right.yaml": "extends: [./top.yaml]\nenv: {R: r}",
  });
  const machine = await machineOf(host, 'extends: ["~/left.yaml", "~/right.yaml"]');
  assert.deepEqual(machine.env, { L: "l", R: "r" });
  assert.deepEqual(machine.provision.map(({ name }) => name), ["top"]);
});

Deno.test("loadMachines() resolves paths from the file that says them", async () => {
  await using host = await makeTestHost();
  await Deno.mkdir(join(host.home, "team/data"), { recursive: true });
  await Deno.mkdir(join(host.home, "own/data"), { recursive: true });
  await host.write({
    "team/motd": "hi",
    "team/base.yaml": "mounts: [{source: ./data, target: /d}]\nfiles: [{path: /etc/motd, source: motd}]",
    "own/machine.yaml": "extends: [../team/base.yaml]\nmounts: [{source: data, target: /own}]",
  });
  const result = await loadMachine({ path: join(host.home, "own/machine.yaml") }, host.facts);
  assert.ok(result.ok, JSON.stringify(result));
  const { machine } = result.loaded;
  assert.deepEqual(machine.mounts.map((it) => it.source), [
    join(host.home, "team/data"),
    join(host.home, "own/data"),
  ]);
  assert.equal(machine.files[0]?.source, join(host.home, "team/motd"));
  assert.equal(result.loaded.origin, join(host.home, "own/machine.yaml"));
});

Deno.test("loadMachines() shows problems of a file and of what it extends in one run", async () => {
  await using host = await makeTestHost();
  await host.write({
    "base.yaml": "vm:\n  memroy: 1GiB\n  cpus: none\nmounts: [{source: /nope}]\n",
    "other.yaml": "extends: docker\nfiles: [{path: /a, content: a, mode: 0644}]\nlocale: C\n",
  });
  const problems = await problemsOf(
    host,
    'extends: ["~/base.yaml", "~/other.yaml"]\nvm: {cpus: 2}\nname: A\n',
  );
  assert.deepEqual(problems.map(line), [
    '3:7 name Must be 1 to 40 lower-case letters, digits and inner hyphens, but is "A"',
    'base.yaml:2:3 vm.memroy Unknown key "memroy"',
    'base.yaml:3:9 vm.cpus Must be a number, but is the text "none"',
    'base.yaml:4:19 mounts[0].source The folder "/nope" does not exist',
    'other.yaml:1:10 extends Must be a list, but is the text "docker"',
    "other.yaml:2:38 files[0].mode Must be a text, but is the number 644 in YAML",
    "other.yaml:3:1 locale Is not supported yet",
  ]);
});

Deno.test("loadMachines() refuses what cannot be extended, where it is said", async (t) => {
  await using host = await makeTestHost();
  await host.write({
    "loop.yaml": "extends: [./back.yaml]",
    "back.yaml": "extends: [./loop.yaml]",
    "two.yaml": "name: a\n---\nname: b\n",
    "empty.yaml": "# nothing\n",
    "list.yaml": "- a\n",
    "broken.yaml": "a: [\n",
    "unset.yaml": 'extends: ["${env:EXTENDS_TEST_UNSET}"]\n',
    "version.yaml": "apiVersion: machine/v2\n",
    "nested.yaml": "extends: [./missing.yaml]\n",
  });
  const rows: readonly (readonly [string, readonly (string | RegExp)[], RegExp?])[] = [
    [
      "dokcer",
      ['1:11 extends[0] There is no profile "dokcer"'],
      /Did you mean "docker"\? Profiles: .*docker/,
    ],
    ["nothing-like-it", ['1:11 extends[0] There is no profile "nothing-like-it"'], /^Profiles: .*docker/],
    ["./no.yaml", ['1:11 extends[0] The file "./no.yaml" does not exist'], /Correct the path/],
    ["/tmp", [/^tmp:1:1 \* The file cannot be read/]],
    ["~/nested.yaml", ['nested.yaml:1:11 extends[0] The file "./missing.yaml" does not exist']],
    ["~/loop.yaml", [
      /^back\.yaml:1:11 extends\[0\] This file extends itself: .*loop\.yaml → .*back\.yaml → .*loop\.yaml$/,
    ]],
    ["~/two.yaml", [/^two\.yaml:3:1 \* A file that is extended has one document/]],
    ["~/empty.yaml", ["empty.yaml:1:1 * The file is empty"]],
    ["~/list.yaml", ["list.yaml:1:1 * Must be a map of keys and values"]],
    ["~/broken.yaml", [/^broken\.yaml:2:1 \* The file is not valid YAML/]],
    ["~/unset.yaml", [
      'unset.yaml:1:11 extends[0] The environment variable "EXTENDS_TEST_UNSET" is not set',
    ]],
    ["~/version.yaml", ['version.yaml:1:13 apiVersion Must be "machine/v1", but is "machine/v2"']],
    ["${env:EXTENDS_TEST_UNSET}", [
      '1:11 extends[0] The environment variable "EXTENDS_TEST_UNSET" is not set',
    ]],
  ];
  for (const [word, expected, remedy] of rows) {
    await t.step(word, async () => {
      const problems = await problemsOf(host, `extends: ["${word}"]`);
      assert.equal(problems.length, expected.length, problems.map(line).join("\n"));
      for (const [index, pattern] of expected.entries()) {
        const found = line(problems[index]!);
        if (typeof pattern === "string") assert.equal(found, pattern);
        else assert.match(found, pattern);
      }
      if (remedy) assert.match(problems[0]?.remedy ?? "", remedy);
    });
  }
});

Deno.test("loadMachines() finds a file that extends itself", async () => {
  await using host = await makeTestHost();
  await host.write({ "machine.yaml": "extends: [./machine.yaml]" });
  const result = await loadMachine({ path: join(host.home, "machine.yaml") }, host.facts);
  assert.ok(!result.ok);
  assert.match(result.problems[0]?.message ?? "", /^This file extends itself: /);
});

Deno.test("loadMachines() names an extended file as the user named the first one", async () => {
  await using host = await makeTestHost();
  await host.write({ "machine.yaml": "extends: [./base.yaml]", "base.yaml": "a: 1" });
  const before = Deno.cwd();
  try {
    Deno.chdir(join(host.home, "src"));
    const result = await loadMachine({ path: "../machine.yaml" }, host.facts);
    assert.ok(!result.ok);
    assert.deepEqual(result.problems.map(({ at }) => at.file), ["../base.yaml"]);
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("positionOf() finds a key where it was said last", async () => {
  await using host = await makeTestHost();
  await host.write({
    "base.yaml": [
      "vm:",
      "  cpus: 2",
      "  disks: [{name: scratch, size: 1GiB, target: /s}]",
      "files:",
      "  - {path: /etc/motd, content: a}",
      "  - {path: /etc/issue.net, content: a}",
      "packages: {install: [git, jq]}",
      "modules: [br-netfilter]",
      "sysctl:",
      "  vm.max_map_count: 1",
      "env: {A: a, EDITOR: vi}",
      "provision: [{name: tools, run: a}]",
    ].join("\n"),
  });
  const result = await host.load([
    'extends: ["~/base.yaml"]',
    "vm: {memory: 2GiB}",
    "files:",
    "  - {path: /new, content: b}",
    "  - path: /etc/motd",
    "    content: b",
    "packages: {install: [vim, jq]}",
    "env:",
    "  EDITOR: vim",
  ].join("\n"));
  assert.ok(result.ok, JSON.stringify(result));
  const rows: Readonly<Record<string, string | undefined>> = {
    "vm": "-:2:1",
    "vm.cpus": "base.yaml:2:3",
    "vm.memory": "-:2:6",
    "vm.disk": "-:2:1",
    "vm.disks[scratch]": "base.yaml:3:11",
    "vm.disks[scratch].size": "base.yaml:3:27",
    "vm.disks[none]": "base.yaml:3:3",
    "files[/etc/motd]": "-:5:5",
    "files[/etc/motd].content": "-:6:5",
    "files[/etc/motd].mode": "-:5:5",
    "files[/new]": "-:4:5",
    "files[/etc/issue.net]": "base.yaml:6:5",
    'files["/etc/issue.net"].path': "base.yaml:6:6",
    "packages.install[git]": "base.yaml:7:22",
    "packages.install[jq]": "-:7:27",
    "packages.install[curl]": "-:7:12",
    "modules[br_netfilter]": "base.yaml:8:11",
    'sysctl["vm.max_map_count"]': "base.yaml:10:3",
    "env.EDITOR": "-:9:3",
    "env.A": "base.yaml:11:7",
    "provision[tools]": "base.yaml:12:13",
    "provision[tools].run": "base.yaml:12:27",
    "hostname": undefined,
  };
  for (const [path, expected] of Object.entries(rows)) {
    const at = result.loaded.positionOf(path);
    assert.equal(at && `${basename(at.file)}:${at.line}:${at.column}`, expected, path);
  }
});

Deno.test("every profile is a machine file that can be extended, and depends on no folder", async (t) => {
  await using host = await makeTestHost();
  const profiles = await listProfiles();
  assert.ok(profiles.includes("docker"));
  for (const name of profiles) {
    await t.step(name, async () => {
      const machine = await machineOf(host, `extends: [${name}]\nname: mine\nvm: {cpus: 1}`);
      assert.deepEqual([machine.name, machine.hostname, machine.vm.cpus], ["mine", "mine", 1]);
      const text = await readProfile(name);
      assert.ok(text !== undefined && parseYaml(text, name).ok);
      assert.doesNotMatch(text, /^\s*[^#\n]*(source|extends): *["'[]*\.{1,2}\//m);
    });
  }
  assert.equal(await readProfile("../machine"), undefined);
});

Deno.test("loadMachines() lays a file over the profile docker", async () => {
  await using host = await makeTestHost();
  const before = Deno.env.get("PWD");
  Deno.env.set("PWD", `${host.home}/src`);
  try {
    const text = stringify({
      extends: ["docker"],
      mounts: [{ source: "~", writable: false }, { source: "/opt", target: "/opt/host" }],
    });
    const { mounts } = await machineOf(host, text);
    assert.deepEqual(mounts.map(({ target, writable }) => [target, writable]), [
      ["/opt/host", false],
      [host.home, false],
      [`${host.home}/src`, true],
    ]);
  } finally {
    if (before === undefined) Deno.env.delete("PWD");
    else Deno.env.set("PWD", before);
  }
});
