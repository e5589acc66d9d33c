import assert from "node:assert/strict";
import { validYaml } from "../../lib/cli/as_yaml.ts";
import { fileKeys } from "../../lib/cli/file_keys.ts";
import type { Machine } from "../../lib/config/types.ts";
import type { Action, Change, Plan } from "../../lib/plan/types.ts";
import { asYaml } from "../../lib/ui/as_yaml.ts";
import { machineOf, makeTestHost, type TestHost } from "./config_fixture.ts";

const FILE = `
name: dev
vm: {cpus: 2, memory: 2GiB, disks: [{name: scratch, size: 10GiB, target: /mnt/scratch}]}
user: {name: ada, shell: /bin/bash}
hostname: dev
mounts:
  - {source: ~/src, target: /src}
  - {source: "~", target: /home-of-host, writable: true}
env: {EDITOR: vim}
files:
  - {path: /etc/motd, content: "hello\\n", mode: "0600"}
  - {path: /etc/issue, source: ~/issue}
sysctl: {vm.max_map_count: 262144}
runtime: {docker: {daemon: {debug: true, log-opts: {max-size: 10m}}}}
provision:
  - {name: tools, run: "make"}
`;

/** A difference; in an entry of a list its other side has to be what the entry declares. */
function change(path: string, before: unknown, after: unknown = "wanted"): Change {
  return { path, before, after, effect: "live" };
}

/** What an observed machine differs in: path and what is there. */
const DRIFT: readonly (readonly [path: string, before: unknown, after?: unknown])[] = [
  ["hostname", "odd"],
  ["vm.memory", "3072MiB"],
  ["vm.cpus", 4],
  ["vm.disk", 30720],
  ["vm.dataDisk", "61441MiB"],
  ["vm.disks[scratch].size", "20480MiB", "10240MiB"],
  ["user.shell", "/bin/sh"],
  ["user.sudo", false],
  ["timezone", "Europe/Berlin"],
  ["mounts[/src].writable", true, false],
  ["env.EDITOR", "emacs -nw"],
  ["files[/etc/motd].content", "one\ntwo: 2\n", "hello\n"],
  ["files[/etc/motd].mode", "0644", "0600"],
  ["files[/etc/motd].owner", "ada:ada", "root:root"],
  ['sysctl["vm.max_map_count"]', "65530"],
  ["provision[tools].run", "make all", "make"],
  ["runtime.docker.daemon.debug", false],
  ["runtime.docker.daemon.log-opts", { "max-size": "1m" }],
  ["runtime.docker.context.current", false],
  ["ssh.port", 2222],
];

function planOf(paths: readonly Change[], action: Action = "update"): Plan {
  return {
    machine: "dev",
    complete: true,
    changes: [
      { address: "vm", phase: 3, action: "none", effect: "live", paths: [], dependsOn: [] },
      { address: "thing", phase: 5, action, effect: "live", paths, dependsOn: [] },
    ],
  };
}

async function declared(host: TestHost): Promise<Machine> {
  await Deno.writeTextFile(`${host.home}/issue`, "issue\n");
  return await machineOf(host, FILE);
}

Deno.test("asYaml() gives a file that says what is there", async () => {
  await using host = await makeTestHost();
  const machine = await declared(host);
  const text = asYaml(planOf(DRIFT.map((row) => change(...row))), fileKeys(machine));
  const found = await machineOf(host, text);
  assert.deepEqual(
    {
      hostname: found.hostname,
      vm: [found.vm.memoryMiB, found.vm.cpus, found.vm.diskMiB, found.vm.dataDiskMiB],
      disks: found.vm.disks,
      user: [found.user.shell, found.user.sudo],
      timezone: found.timezone,
      mounts: found.mounts,
      env: found.env,
      files: found.files,
      sysctl: found.sysctl,
      provision: found.provision.map(({ name, run }) => ({ name, run })),
      daemon: found.runtime.docker.daemon,
      current: found.runtime.docker.context.current,
      port: found.ssh.port,
    },
    {
      hostname: "odd",
      vm: [3072, 4, 30720, 61441],
      disks: [{ ...machine.vm.disks[0]!, sizeMiB: 20480 }],
      user: ["/bin/sh", false],
      timezone: "Europe/Berlin",
      mounts: [{ ...machine.mounts.find(({ target }) => target === "/src")!, writable: true }],
      env: { EDITOR: "emacs -nw" },
      files: [
        { path: "/etc/motd", content: "one\ntwo: 2\n", owner: "ada:ada", mode: "0644" },
      ],
      sysctl: { "vm.max_map_count": "65530" },
      provision: [{ name: "tools", run: "make all" }],
      daemon: { debug: false, "log-opts": { "max-size": "1m" } },
      current: false,
      port: 2222,
    },
  );
  assert.doesNotMatch(text, /No key can say/);
});

Deno.test("asYaml() writes keys in the order of the schema, sizes with their units, entries whole", async () => {
  await using host = await makeTestHost();
  const machine = await declared(host);
  const paths = [
    change("ssh.port", 2222),
    change("files[/etc/motd].content", "${env:HOME} and $${x\n", "hello\n"),
    change("vm.memory", "3072MiB"),
    change("vm.cpus", 4),
    change("hostname", "odd"),
  ];
  assert.equal(
    asYaml(planOf(paths), fileKeys(machine)),
    `# What is there now, where it differs from the file
apiVersion: machine/v1
name: dev
vm:
  cpus: 4
  memory: 3GiB
hostname: odd
files:
  - path: /etc/motd
    content: |
      $\${env:HOME} and $$\${x
    owner: root:root
    mode: "0600"
ssh:
  port: 2222
`,
  );
});

/** What no key can say: path and what is there, and the remark. */
const UNSAYABLE: readonly (readonly [path: string, before: unknown, remark: RegExp])[] = [
  ["vm.running", false, /thing: vm\.running is false/],
  ["vm.cpus", "four", /vm\.cpus is four/],
  ["vm.memory", "not attached", /vm\.memory is "not attached"/],
  ["user.sudo", "other", /user\.sudo is other/],
  ["user.key", "another one", /user\.key is "another one"/],
  ["/etc/systemd/system/x.mount", "another content", /x\.mount is "another content"/],
  ["runtime.docker.daemon", "not JSON", /runtime\.docker\.daemon is "not JSON"/],
  ["runtime.docker.daemon.labels", undefined, /daemon\.labels is not there; leave it out/],
  ["env.API_TOKEN", "t0ps3cret", /env\.API_TOKEN differs, and there is a secret in it/],
  ["files[/etc/gone].content", "x", /files\[\/etc\/gone\]\.content is x/],
  ["mounts", "not mounted", /mounts is "not mounted"/],
  ["kubernetes.k3s.version", "v1", /kubernetes\.k3s\.version is v1/],
  ["ports.auto", false, /ports\.auto is false/],
  ["files[/etc/motd].content", "0a1b2c3d", /motd\]\.content is 0a1b2c3d/],
  ["files[/etc/issue].content", "0a1b2c3d", /issue\]\.content is 0a1b2c3d/],
  ["provision[tools].run", "ran as it was before", /run is "ran as it was before"/],
  ["mounts[/src].options", "another mount unit", /options is "another mount unit"/],
  ["hostname", "a\nb: c", /hostname is "a\\nb: c"/],
];

Deno.test("asYaml() tells in comments what no key can say, and the text stays a valid file", async () => {
  await using host = await makeTestHost();
  const machine = await declared(host);
  for (const [path, before, remark] of UNSAYABLE) {
    const text = asYaml(planOf([change(path, before)]), fileKeys(machine));
    assert.match(text, remark, path);
    assert.ok(text.split("\n").slice(3).every((line) => line === "" || line.startsWith("#")), text);
    assert.ok(!text.includes("t0ps3cret"));
    await machineOf(host, text);
  }
});

Deno.test("asYaml() says of whole things what to take out of the file, and what is not known", async () => {
  await using host = await makeTestHost();
  const keys = fileKeys(await declared(host));
  assert.match(asYaml(planOf([], "create"), keys), /^# {3}thing is not there$/m);
  assert.match(asYaml(planOf([], "delete"), keys), /^# {3}thing is there, and the file does not say it$/m);
  assert.match(asYaml(planOf([], "deferred"), keys), /^# {3}thing is not known: deferred$/m);
  assert.equal(
    asYaml(planOf([], "none"), keys),
    "# Nothing differs from the file\napiVersion: machine/v1\nname: dev\n",
  );
});

Deno.test("asYaml() takes words for no value, and equal sides for no difference", async () => {
  await using host = await makeTestHost();
  const keys = fileKeys(await declared(host));
  const told: Change = { ...change("timezone", "another clock"), isTold: true };
  assert.match(asYaml(planOf([told]), keys), /# {3}thing: timezone is "another clock"/);
  const same = change("provision[tools].when", "always", "always");
  assert.match(asYaml(planOf([same]), keys), /# {3}thing: provision\[tools\]\.when is always/);
});

Deno.test("asYaml() shows no entry that has a secret in it", async () => {
  await using host = await makeTestHost();
  const machine = await machineOf(
    host,
    'mounts: []\nfiles: [{path: /etc/x, content: "http://ada:hunter2@proxy\\n"}]\n',
  );
  const text = asYaml(planOf([change("files[/etc/x].mode", "0600", "0644")]), fileKeys(machine));
  assert.match(text, /differs, and there is a secret in it/);
  assert.doesNotMatch(text, /hunter2/);
});

Deno.test("validYaml() tells in comments what the file could not have, and says the rest", async () => {
  await using host = await makeTestHost();
  const machine = await declared(host);
  const source = machine.mounts.find(({ target }) => target === "/src")!.source;
  const paths = [
    change("mounts[/src].source", "another folder", source),
    change("timezone", "another clock"),
    change("hostname", "odd"),
    change("vm.memory", "99999GiB"),
  ];
  const text = await validYaml(planOf(paths), machine, host.facts);
  assert.equal((await machineOf(host, text)).hostname, "odd");
  for (const remark of [/source is "another folder"/, /timezone is "another clock"/, /memory is 99999GiB/]) {
    assert.match(text, remark);
  }
});
