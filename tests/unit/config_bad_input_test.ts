import assert from "node:assert/strict";
import { join } from "node:path";
import { formatProblems } from "../../lib/config/problem.ts";
import { line, loadMachine, makeTestHost, problemsOf } from "./config_fixture.ts";

/** Name, text, every problem as `line:column path message`, and words that the remedies must have. */
type Row = readonly [name: string, text: string, problems: readonly (string | RegExp)[], remedy?: RegExp];

const ROWS: readonly Row[] = [
  ["an unknown key", "name: dev\nvm:\n  memroy: 4GiB\n", ['3:3 vm.memroy Unknown key "memroy"'], /"memory"/],
  ["a key that belongs into a block", "memory: 4GiB\n", ['1:1 memory Unknown key "memory"'], /"vm.memory"/],
  ["a merge key", "<<: {a: 1}\n", ['1:1 ["<<"] Unknown key "<<"'], /write the keys out/],
  ["a wrong type", "vm:\n  cpus: four\n", ['2:9 vm.cpus Must be a number, but is the text "four"']],
  [
    "a number in quotes",
    'vm: {cpus: "4"}',
    ['1:12 vm.cpus Must be a number, but is the text "4"'],
    /without quotes/,
  ],
  ["half a processor", "vm: {cpus: 1.5}", ["1:12 vm.cpus Must be a whole number, but is the number 1.5"]],
  ["no processor", "vm: {cpus: 0}", ["1:12 vm.cpus Must be at least 1, but is 0"]],
  [
    "YAML 1.1's yes",
    "protect: yes",
    ['1:10 protect Must be true or false, but is the text "yes"'],
    /Write true/,
  ],
  ["a list for a map", "vm: [1]", ["1:5 vm Must be a map of keys and values, but is a list"]],
  [
    "a text for a list",
    "mounts: ~/src",
    ['1:9 mounts Must be a list, but is the text "~/src"'],
    /\[~\/src\]/,
  ],
  [
    "a block without content",
    "vm:\n",
    ["1:1 vm Must be a map of keys and values, but is empty"],
    /remove the key/,
  ],
  ["a negative size", "vm:\n  memory: -4GiB", ["2:11 vm.memory The size -4GiB is not more than zero"]],
  ["a size of zero", "vm: {disk: 0GiB}", ["1:12 vm.disk The size 0GiB is not more than zero"]],
  ["a size without unit", "vm: {memory: 4}", ["1:14 vm.memory The size 4 has no unit"], /4GiB/],
  ["a unit of 1000", "vm: {memory: 4GB}", ['1:14 vm.memory "GB" is not a unit of sizes'], /4GiB/],
  ["a size that is none", "vm: {dataDisk: big}", ['1:16 vm.dataDisk "big" is not a size']],
  ["memory above the host's", "vm: {memory: 999GiB}", [
    "1:14 vm.memory 999GiB is more memory than this host has (16GiB)",
  ], /at most 16GiB/],
  ["processors above the host's", "vm: {cpus: 17}", [
    "1:12 vm.cpus 17 processors are more than this host has (16)",
  ], /leave the key out/],
  ["memory too small", "vm: {memory: 64MiB}", [
    "1:14 vm.memory 64MiB is too little memory to run containers",
  ]],
  ["a disk too small", "vm: {disk: 20MiB}", ["1:12 vm.disk 20MiB is too small for this disk"]],
  ["a disk too large", "vm: {disk: 65TiB}", ["1:12 vm.disk 65TiB is more than a disk can hold"]],
  ["another architecture", "vm: {arch: aarch64}", [
    '1:12 vm.arch "aarch64" is not supported yet on this x86_64 host',
  ]],
  [
    "another system's accelerator",
    "vm: {accel: hvf}",
    ['1:13 vm.accel "hvf" does not exist on Linux'],
    /auto/,
  ],
  ["a missing source", "mounts:\n  - source: /nope/nope\n", [
    '2:13 mounts[0].source The folder "/nope/nope" does not exist',
  ], /optional: true/],
  ["a source that is a file", "mounts: [{source: /etc/passwd, target: /x}]", [
    '1:19 mounts[0].source "/etc/passwd" is not a folder',
  ]],
  ["~ without quotes", "mounts:\n  - source: ~\n", [
    "2:13 mounts[0].source Must be a text, but ~ without quotes is null in YAML",
  ], /Write "~"/],
  ["an empty source", "mounts:\n  - source:\n", ["2:5 mounts[0].source Must be a text, but is empty"]],
  ["no source", "mounts: [{target: /x}]", ["1:10 mounts[0].source Is missing"], /Add "source"/],
  ["a mount that is a text", "mounts: [~/src]", [
    '1:10 mounts[0] Must be a map of keys and values, but is the text "~/src"',
  ], /\{source: "~\/src"\}/],
  ["a bad name", "name: Dev_1", [
    '1:7 name Must be 1 to 40 lower-case letters, digits and inner hyphens, but is "Dev_1"',
  ]],
  ["a bad host name", "hostname: a_b", [/^1:11 hostname Must be a host name/]],
  ["a mode that is a number", "files: [{path: /a, content: x, mode: 0644}]", [
    "1:38 files[0].mode Must be a text, but is the number 644 in YAML",
  ], /"0644"/],
  ["a block of a later version", "name: dev\nports: {}\n", ["2:1 ports Is not supported yet"], /Remove/],
  ["repositories", "packages: {repositories: []}\n", ["1:12 packages.repositories Is not supported yet"]],
  [
    "an engine of a later version",
    "runtime: podman",
    ['1:10 runtime "podman" is not supported yet'],
    /docker/,
  ],
  ["the same in the long form", "runtime: {engine: podman}", [
    '1:19 runtime.engine "podman" is not supported yet',
  ]],
  ["a misspelt engine", "runtime: dokcer", [/^1:10 runtime Must be one of .*, but is "dokcer"$/], /"docker"/],
  ["a number as engine", "runtime: 5", [
    /^1:10 runtime Must be "docker", .* or a map of keys and values, but is 5$/,
  ]],
  ["a mount type of a later version", "mounts: [{source: /tmp, type: sshfs}]", [
    '1:31 mounts[0].type "sshfs" is not supported yet',
  ], /"auto" or "9p"/],
  ["another image", "vm: {image: ubuntu-24.04}", ['1:13 vm.image "ubuntu-24.04" is not supported yet']],
  ["an image of one's own", "vm: {image: {path: ./x.qcow2}}", ["1:14 vm.image.path Is not supported yet"]],
  ["a downloaded image", "vm: {image: {name: debian-13, source: download}}", [
    '1:39 vm.image.source "download" is not supported yet',
  ]],
  ["a misspelt key in the image", "vm: {image: {nmae: debian-13}}", [
    '1:14 vm.image.nmae Unknown key "nmae"',
  ]],
  [
    "keys of containerd that are not the file's",
    "runtime:\n  containerd:\n    config:\n      version: 3\n      grpc: {address: /x}\n" +
    '      plugins: {"io.containerd.grpc.v1.cri": {registry: {mirrors: {}}, a: [1, null]}}\n',
    [
      /^4:7 runtime\.containerd\.config\.version "version" is the format/,
      /^5:14 runtime\.containerd\.config\.grpc\.address "address" would hide containerd/,
      /^6:58 runtime\.containerd\.config\.plugins\["io\.containerd\.grpc\.v1\.cri"\]\.registry\.mirrors "mirrors" is set/,
      /^6:79 runtime\.containerd\.config\.plugins\["io\.containerd\.grpc\.v1\.cri"\]\.a\[1\] TOML.* has no null/,
    ],
    /runtime\.registries/,
  ],
  ["keys that stop dockerd", "runtime:\n  docker:\n    daemon: {hosts: [a], containerd: /x}\n", [
    /^3:14 runtime.docker.daemon.hosts "hosts" keeps dockerd from starting/,
    /^3:26 runtime.docker.daemon.containerd "containerd" keeps dockerd from starting/,
  ], /Remove it/],
  ["docker's own context", "runtime: {docker: {context: {name: default}}}", [
    /^1:36 runtime.docker.context.name Must be/,
  ]],
  ["a port that is none", "ssh: {port: 65536}", ["1:13 ssh.port Must be at most 65535, but is 65536"]],
  ["a port of root's", "ssh: {port: 22}", ["1:13 ssh.port Only root may listen on port 22"], /1024/],
  ["two errors at once", "name: Dev\nvm:\n  memory: 4\nmounts:\n  - {source: /nope}\n", [
    /^1:7 name Must be/,
    "3:11 vm.memory The size 4 has no unit",
    '5:14 mounts[0].source The folder "/nope" does not exist',
  ]],
  ["a bad entry before a missing source", "mounts:\n  - {source: 5}\n  - {source: /nope}\n", [
    "2:14 mounts[0].source Must be a text, but is the number 5 in YAML",
    '3:14 mounts[1].source The folder "/nope" does not exist',
  ]],
  ["errors in the order of lines", "mounts: [{source: /nope}]\nname: Dev\n", [
    '1:19 mounts[0].source The folder "/nope" does not exist',
    /^2:7 name Must be/,
  ]],
  ["one unset variable named twice", "vm: {cpu: '${env:CONFIG_TEST_UNSET},${env:CONFIG_TEST_UNSET}'}", [
    '1:11 vm.cpu The environment variable "CONFIG_TEST_UNSET" is not set',
  ]],
  ["another version of the format", "apiVersion: machine/v2", [
    '1:13 apiVersion Must be "machine/v1", but is "machine/v2"',
  ]],
  ["an empty file", "", ["1:1 * The file is empty"]],
  ["only comments", "# nothing\n", ["1:1 * The file is empty"]],
  ["a list", "- a\n", ["1:1 * Must be a map of keys and values, but is a list"]],
  ["a text", "hello", ['1:1 * Must be a map of keys and values, but is the text "hello"']],
  ["a NUL byte", "name: a\0", ["1:1 * The file is binary: it holds a NUL byte"]],
  ["a key twice", "name: a\nname: b\n", ['2:1 name The key "name" is given twice'], /line 1/],
  ["a key that is a list", "? [a]\n: b\n", ["1:3 * A key must be a text"]],
  ["two documents with problems", "name: A\n---\nvm: {cpus: 0}\n---\nname: c\nmemory: 1\n", [
    /^1:7 name Must be/,
    "3:12 vm.cpus Must be at least 1, but is 0",
    '6:1 memory Unknown key "memory"',
  ]],
  ["two machines with one name", "name: a\n---\nname: b\n---\nname: a\n", [
    '5:1 name The machine "a" is also declared at -:1:1',
  ], /another name/],
  ["two machines without a name", "vm: {}\n---\nvm: {}\n", [
    '3:1 name The machine "default" is also declared at -:1:1',
  ]],
  ["two machines with one name, and a problem", "name: a\n---\nname: a\nvm: {cpus: 0}\n", [
    '3:1 name The machine "a" is also declared at -:1:1',
    "4:12 vm.cpus Must be at least 1, but is 0",
  ]],
  ["two machines on one port", "name: a\nssh: {port: 2222}\n---\nname: b\nssh: {port: 2222}\n", [
    '5:7 ssh.port The port "2222" is also declared at -:2:7',
  ], /another port/],
  [
    "two machines with one context",
    "runtime: {docker: {context: {name: machine-b}}}\n---\nname: b\n",
    [/^3:1 runtime\.docker\.context\.name The docker context "machine-b" is also declared at -:1:30$/],
    /another name/,
  ],
  [
    "two machines with the current context",
    "name: a\nruntime: {docker: {context: {current: true}}}\n---\n" +
    "name: b\nruntime: {docker: {context: {current: true}}}\n",
    [/^5:30 runtime\.docker\.context\.current The current docker context is also declared at -:2:30$/],
  ],
  ["documents without content alone", "---\n---\n# nothing\n---\n", ["1:1 * The file is empty"]],
  ["a fault in each of two documents", "a: [\n---\nb: *x y\n", [
    /^2:1 \* The file is not valid YAML/,
    /^3:\d+ \* The file is not valid YAML/,
  ]],
  ["an unknown tag", "name: !foo a", ['1:7 * Unknown tag "!foo"']],
  ["!reset before a value", "name: !reset dev", [
    '1:14 name The tag "!reset" returns to the default, but a value stands behind it',
  ], /!reset null/],
  ["!reset in a list", "mounts: [!reset null]", [
    '1:17 mounts[0] The tag "!reset" cannot take an entry out of a list',
    "1:17 mounts[0] Must be a map of keys and values, but null without quotes is null in YAML",
  ], /!override/],
  ["a tag of a whole file", "!override\nname: a", [
    '2:1 * The tag "!override" says nothing about a whole file',
  ]],
  [
    "a tag before a key",
    "!reset name: a",
    ['1:8 * The tag "!reset" stands before a key'],
    /before the key's value/,
  ],
  ["an open bracket", "vm: {cpus: 1\n", [/^2:1 \* The file is not valid YAML/]],
  ["a tab", "vm:\n\tcpus: 1\n", [/^2:1 \* The file is not valid YAML: Tabs/], /spaces/],
  ["a variable in brackets without quotes", "vm: {memory: ${env:MEM}}\n", [
    /^1:15 \* The file is not valid YAML/,
  ], /"\$\{env:NAME\}"/],
  ["an unknown directive", "%FOO\n---\nname: a\n", [/^1:1 \* The file is not valid YAML/]],
  ["an unknown alias", "name: *a", ["1:7 name This alias names no anchor above it"]],
  ["infinity", "runtime: {docker: {daemon: {a: .inf}}}", [
    /^1:32 runtime.docker.daemon.a Infinity is not a value/,
  ]],
  ["an unset variable", "name: ${env:CONFIG_TEST_UNSET}", [
    '1:7 name The environment variable "CONFIG_TEST_UNSET" is not set',
  ], /:-default/],
  ["50 levels of brackets", "[".repeat(50), ["1:33 * Maps and lists are nested more than 32 levels deep"]],
  ["50 levels of keys", Array.from({ length: 50 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"), [
    "33:34 * Maps and lists are nested more than 32 levels deep",
  ]],
  ["an alias of itself", "a: &a [*a]", [
    "1:8 * Maps and lists are nested more than 32 levels deep once its aliases are followed",
  ]],
];

Deno.test("loadMachines() shows every problem with its place", async (t) => {
  await using host = await makeTestHost();
  for (const [name, text, expected, remedy] of ROWS) {
    await t.step(name, async () => {
      const problems = await problemsOf(host, text);
      const lines = problems.map(line);
      assert.equal(lines.length, expected.length, lines.join("\n"));
      for (const [index, pattern] of expected.entries()) {
        if (typeof pattern === "string") assert.equal(lines[index], pattern);
        else assert.match(lines[index] ?? "", pattern);
      }
      if (remedy) assert.match(problems.map((it) => it.remedy ?? "").join("\n"), remedy);
    });
  }
});

Deno.test("loadMachines() leaves root's ports to root", async () => {
  await using host = await makeTestHost({ uid: 0 });
  assert.equal((await host.load("ssh: {port: 22}")).ok, true);
});

Deno.test("loadMachines() refuses hostile input fast", async (t) => {
  await using host = await makeTestHost();
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const [name, before] of ["ba", "cb", "dc", "ed", "fe", "gf"]) {
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(", ")}]`);
  }
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["an alias bomb", bomb.join("\n"), /^5:\d+ \* The file holds more than 10000 values once its aliases/],
    ["a million brackets", "[".repeat(1e6), /^1:33 \* .*nested more than 32/],
    ["half a million dashes", "- ".repeat(5e5), /^1:65 \* .*nested more than 32/],
    ["more than 1 MiB", `name: ${"x".repeat(2 ** 20)}`, /^1:1 \* The file is larger than 1 MiB/],
    ["too many values", "- a\n".repeat(20_000), /The file holds more than 10000 values$/],
  ];
  for (const [name, text, pattern] of rows) {
    await t.step(name, async () => {
      const begin = performance.now();
      const problems = await problemsOf(host, text);
      const ms = performance.now() - begin;
      assert.equal(problems.length, 1);
      assert.match(problems.map(line).join(), pattern);
      assert.ok(ms < 2000, `took ${ms} ms`);
    });
  }
});

Deno.test("loadMachines() names a file as the user did", async (t) => {
  await using host = await makeTestHost();
  const path = join(host.home, "machine.yaml");
  const messageOf = async (name: string) => {
    const result = await loadMachine({ path: name }, host.facts);
    return result.ok ? "" : formatProblems(result.problems);
  };
  await t.step("that is not there", async () => {
    assert.match(await messageOf(path), /machine\.yaml:1:1: The file does not exist\n {4}\S/);
  });
  await t.step("that is not UTF-8", async () => {
    await Deno.writeFile(path, new Uint8Array([0x6e, 0xff, 0xfe]));
    assert.match(await messageOf(path), /:1:1: The file is not valid UTF-8\n/);
  });
  await t.step("that is a program", async () => {
    assert.match(await messageOf("/bin/sh"), /^\/bin\/sh:1:1: The file is (not valid UTF-8|binary|larger)/);
  });
  await t.step("that is a folder", async () => {
    assert.match(await messageOf(host.home), /:1:1: The file cannot be read: /);
  });
  await t.step("that never ends", async () => {
    assert.match(await messageOf("/dev/zero"), /^\/dev\/zero:1:1: The file is larger than 1 MiB/);
  });
  await t.step("that has a mistake", async () => {
    await Deno.writeTextFile(path, "vm:\n  memory: 4\n");
    const expected = `${path}:2:11: vm.memory: The size 4 has no unit\n    Write 4MiB or 4GiB`;
    assert.equal(await messageOf(path), expected);
  });
});

Deno.test("loadMachines() makes and changes nothing", async () => {
  await using host = await makeTestHost();
  await host.load("name: dev\nmounts: [{source: ./missing}]\n");
  await host.load("name: dev\n");
  const names = await Array.fromAsync(Deno.readDir(host.home), (entry) => entry.name);
  assert.deepEqual(names, ["src"]);
});

Deno.test("loadMachines() refuses a folder of machines whose sockets would not fit", async () => {
  await using host = await makeTestHost();
  Deno.env.set("MACHINE_HOME", `/${"x".repeat(46)}`);
  const [problem] = await problemsOf(host, "vm: {cpus: 1}\nname: dev\n");
  assert.match(problem ? line(problem) : "", /^2:7 name The folder of machines, .* 47 bytes/);
  Deno.env.set("MACHINE_HOME", `/${"x".repeat(45)}`);
  assert.equal((await host.load("name: dev")).ok, true);
});

Deno.test("loadMachines() names every key that is missing in one map", async () => {
  await using host = await makeTestHost();
  const problems = await problemsOf(host, "name: dev\nvm: {disks: [{}]}\n");
  assert.deepEqual(problems.map(({ path }) => path), [
    "vm.disks[0].name",
    "vm.disks[0].size",
    "vm.disks[0].target",
  ]);
});
