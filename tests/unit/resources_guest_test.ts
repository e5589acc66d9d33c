import assert from "node:assert/strict";
import { dockerEngineKind } from "../../lib/resources/docker/engine.ts";
import { foldersKind } from "../../lib/resources/folders.ts";
import { hostnameKind } from "../../lib/resources/hostname.ts";
import { userKind } from "../../lib/resources/user.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { sha256 } from "../../lib/host/files.ts";
import { run } from "../../lib/host/process.ts";
import {
  compareOne,
  factsOf,
  jobOf,
  lookOf,
  MACHINE,
  observeOne,
  STOPPED,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

for (const kind of [hostnameKind, userKind, foldersKind, dockerEngineKind] as const) {
  Deno.test(`${kind.kind}: unknown when the guest does not answer, known after its start when it is down`, () =>
    withHome(async () => {
      const world = worldOf();
      const of = async (look: typeof STOPPED) =>
        (await kind.observe(world, look, new Map())).get(kind.kind)?.state;
      assert.equal(await of(UNREACHABLE), "unknown");
      assert.equal(await of(lookOf(factsOf({}))), "unknown");
      assert.equal(await of({ ...STOPPED, guest: { state: "absent" } }), "absent");
    }));
}

const KERNEL = "/proc/sys/kernel/hostname";
const HOSTS = "127.0.0.1 localhost\n127.0.1.1 dev\n";
const NAME_ROWS: readonly (readonly [string, Record<string, string | null>, readonly string[]])[] = [
  ["in force and written", {}, []],
  ["not in force", { [KERNEL]: "localhost\n" }, ["hostname live"]],
  ["not written", { "/etc/hostname": "old\n" }, ["hostname live"]],
  ["no file", { "/etc/hostname": null }, ["hostname live"]],
  ["resolved as another name", { "/etc/hosts": HOSTS.replace("dev", "old") }, ["hostname live"]],
  ["not resolved", { "/etc/hosts": null }, ["hostname live"]],
];
for (const [name, files, wanted] of NAME_ROWS) {
  Deno.test(`hostname: ${name}`, () =>
    withHome(async () => {
      const usual = { [KERNEL]: "dev\n", "/etc/hostname": "dev\n", "/etc/hosts": HOSTS };
      const look = lookOf(factsOf({ ...usual, ...files }));
      assert.deepEqual(await compareOne(hostnameKind, "hostname", { look }), wanted);
    }));
}

const KEY = "ssh-ed25519 AAAAC3Nza machine-dev";
const ROW = "ada:x:1000:1000::/home/ada.guest:/bin/bash";
const RULE = "ada ALL=(ALL) NOPASSWD:ALL\n";
const USER = {
  "/etc/passwd": `root:x:0:0:root:/root:/bin/bash\n${ROW}\n`,
  "/etc/ssh/authorized_keys.d/ada": `${KEY}\n`,
  "/etc/sudoers.d/machine": RULE,
  "/home/ada.guest": "",
};

const USER_ROWS: readonly (readonly [string, Record<string, string | null>, readonly string[]])[] = [
  ["as wanted", {}, []],
  ["absent", { "/etc/passwd": "adam:x:1:1::/:/bin/sh\n" }, ["absent"]],
  ["another uid", { "/etc/passwd": ROW.replace("1000:1000", "1001:1000") }, ["user.uid service"]],
  ["another shell", { "/etc/passwd": ROW.replace("bash", "sh") }, ["user.shell live"]],
  ["another home", { "/etc/passwd": ROW.replace("ada.guest", "ada") }, ["user.home live"]],
  ["no home", { "/home/ada.guest": null }, ["user.home live"]],
  ["no key", { "/etc/ssh/authorized_keys.d/ada": null }, ["user.key live"]],
  ["another key", { "/etc/ssh/authorized_keys.d/ada": "ssh-ed25519 other x\n" }, ["user.key live"]],
  ["no sudo", { "/etc/sudoers.d/machine": null }, ["user.sudo live"]],
  ["another sudo rule", { "/etc/sudoers.d/machine": "ada ALL=(ALL) ALL\n" }, ["user.sudo live"]],
];
for (const [name, files, wanted] of USER_ROWS) {
  Deno.test(`user: ${name}`, () =>
    withHome(async () => {
      const { folder } = worldOf();
      await Deno.mkdir(folder.root, { recursive: true });
      await Deno.writeTextFile(folder.identityPublic, `${KEY}\n`);
      const look = lookOf(factsOf({ ...USER, ...files }));
      assert.deepEqual(await compareOne(userKind, "user", { look }), wanted);
    }));
}

Deno.test("user: a rule that stands there is taken away when sudo is not wanted", () =>
  withHome(async () => {
    const world = worldOf({ machine: { ...MACHINE, user: { ...MACHINE.user, sudo: false } } });
    const { folder } = world;
    await Deno.mkdir(folder.root, { recursive: true });
    await Deno.writeTextFile(folder.identityPublic, `${KEY}\n`);
    const with_ = async (rule: string | null) =>
      await compareOne(userKind, "user", {
        world,
        look: lookOf(factsOf({ ...USER, "/etc/sudoers.d/machine": rule })),
      });
    assert.deepEqual(await with_(null), []);
    assert.deepEqual(await with_(RULE), ["user.sudo live"]);
    assert.deepEqual(await with_("ada ALL=(ALL) ALL\n"), ["user.sudo live"]);
  }));

Deno.test("user: wanted before the machine's keys are made, as after a crash in between", () =>
  withHome(async () => {
    assert.equal((await userKind.desired(worldOf())).get("user")?.publicKey, "");
  }));

const LOADED = (config: object, invocationId = "run1") =>
  JSON.stringify({ version: 1, files: {}, applied: { "engine:docker": { invocationId, config } } });
const GROUP = "docker:x:990:ada\n";
const UP = { "docker.service": {}, "docker.socket": {}, "containerd.service": {} };
const DAEMON = "/etc/docker/daemon.json";

const ENGINE_ROWS: readonly (readonly [string, Parameters<typeof factsOf>, readonly string[]])[] = [
  ["as wanted, never loaded by us", [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, UP], []],
  ["not installed", [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, {
    ...UP,
    "docker.service": null,
  }], ["absent"]],
  [
    "installed and never switched on",
    [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, {
      ...UP,
      "docker.service": { activeState: "inactive", unitFileState: "disabled" },
    }],
    ["absent"],
  ],
  ["the user is not in the group", [
    { [DAEMON]: null, "/etc/group": "docker:x:990:\n", [OWNED_FILE]: null },
    UP,
  ], ["user live"]],
  [
    "one unit is down",
    [{ [DAEMON]: null, "/etc/group": GROUP, [OWNED_FILE]: null }, {
      ...UP,
      "containerd.service": { activeState: "failed" },
    }],
    ["containerd.service live"],
  ],
  [
    "the file was edited, the daemon has what we loaded",
    [{ [DAEMON]: '{"debug": true}', "/etc/group": GROUP, [OWNED_FILE]: LOADED({}) }, UP],
    ["runtime.docker.daemon.debug live"],
  ],
  [
    "the file was edited and loaded by a restart",
    [{ [DAEMON]: '{"mtu": 1400}', "/etc/group": GROUP, [OWNED_FILE]: LOADED({}, "run0") }, UP],
    ["runtime.docker.daemon.mtu service"],
  ],
  [
    "the file is newer than a daemon that we did not load: making it right is a restart",
    [{ [DAEMON]: '{"debug": true}', "/etc/group": GROUP, [OWNED_FILE]: LOADED({}, "run0") }, {
      ...UP,
      "docker.service": { startedMs: 500 },
    }],
    ["runtime.docker.daemon.debug live", "runtime.docker.daemon service"],
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
for (const [name, [files, units], wanted] of ENGINE_ROWS) {
  Deno.test(`engine:docker: ${name}`, () =>
    withHome(async () => {
      const look = lookOf(factsOf(files, units));
      assert.deepEqual(await compareOne(dockerEngineKind, "engine:docker", { look }), wanted);
    }));
}

Deno.test("folders: differences in files and units, each by its name", () =>
  withHome(async () => {
    const wanted = (await foldersKind.desired(worldOf())).get("folders")!;
    const files = Object.fromEntries(wanted.files.map(({ path, content }) => [path, content]));
    const units = Object.fromEntries(wanted.units.map((unit) => [unit, {}]));
    const say = (changed: Record<string, string | null>, down: Record<string, object | null> = {}) => {
      const facts = factsOf({ [OWNED_FILE]: null, ...files, ...changed }, { ...units, ...down });
      return compareOne(foldersKind, "folders", { look: lookOf(facts) });
    };
    assert.deepEqual(await say({}), []);
    const [first] = wanted.files;
    assert.deepEqual(await say({ [first!.path]: "other" }), [`${first!.path} live`]);
    assert.deepEqual(await say({ [first!.path]: null }), [`${first!.path} live`]);
    assert.deepEqual(await say({}, { "home.mount": { activeState: "failed" } }), ["home.mount live"]);
    assert.deepEqual(await say({}, { "home.mount": null }), ["home.mount live"]);
    const none = Object.fromEntries(wanted.files.map(({ path }) => [path, null]));
    assert.deepEqual(await say(none), ["absent"]);
    assert.ok(wanted.files.every(({ content }) => !content.includes("nofail")));
    assert.ok(wanted.files[0]!.content.includes(`What=/dev/disk/by-uuid/${worldOf().record!.dataDiskUuid}`));
    assert.ok(wanted.files.some(({ path, content }) =>
      path.includes("docker.service.d") && content.includes("RequiresMountsFor=")
    ));
  }));

Deno.test("folders: without a data disk its units are ours to take away, and only when we made them", () =>
  withHome(async () => {
    const wanted = (await foldersKind.desired(worldOf())).get("folders")!;
    const world = worldOf({ machine: { ...MACHINE, vm: { ...MACHINE.vm, dataDiskMiB: undefined } } });
    const files = Object.fromEntries(wanted.files.map(({ path, content }) => [path, sha256(content)]));
    const list = JSON.stringify({ version: 1, files, applied: {} });
    const of = async (owned: string | null) =>
      await observeOne(foldersKind, "folders", { world, look: lookOf(factsOf({ [OWNED_FILE]: owned })) });
    assert.equal((await of(list))?.state, "present");
    assert.equal((await of(null))?.state, "absent");
    const scripts: string[] = [];
    await foldersKind.undo(jobOf("folders", (script) => {
      scripts.push(script);
      return Promise.resolve({ code: 0, stdout: list, stderr: "" });
    }));
    for (const path of Object.keys(files)) assert.ok(scripts.at(-1)?.includes(`rm -f ${path}`), path);
    assert.equal((await run(["/bin/sh", "-n", "-c", scripts.at(-1)!])).code, 0);
  }));

/** A guest's answer to the observation script, as its programs write it. */
function answerOf(files: Readonly<Record<string, string>>, units: Readonly<Record<string, string>>): string {
  const paths = Object.keys(files);
  const part = (name: string, lines: readonly string[]) => [`@@machine:${name}`, ...lines, "@@machine:end 0"];
  return [
    ...part("stat", paths.map((path) => `${path}|regular file|644|root:root|1.000`)),
    ...part("hash", paths.map((path) => `${sha256(files[path]!)}  ${path}`)),
    ...part("text", paths.map((path) => `${path}:${files[path]!.trim()}`)),
    ...part(
      "units",
      Object.entries(units).map(([name, run]) =>
        [
          `Id=${name}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nInvocationID=${run}`,
          "ExecMainStartTimestamp=Sun 2026-11-22 13:00:00.000000 UTC\nNeedDaemonReload=no\n",
        ].join("\n")
      ),
    ),
  ].join("\n");
}

Deno.test("engine:docker: what a restart of the VM brought into force is looked at again before it is changed", () =>
  withHome(async () => {
    const list = LOADED({}, "run1");
    const files = { [DAEMON]: '{"mtu": 1400}\n', "/etc/group": GROUP, [OWNED_FILE]: list };
    const units = { "docker.service": "run2", "docker.socket": "", "containerd.service": "" };
    const scripts: string[] = [];
    const job = jobOf("engine:docker", (script) => {
      scripts.push(script);
      const stdout = script.includes("@@machine:boot")
        ? answerOf(files, units)
        : script.startsWith("systemctl show")
        ? "run2\n"
        : list;
      return Promise.resolve({ code: 0, stdout, stderr: "" });
    }, {
      // Before the restart dockerd had our own configuration in force, though the file was edited already.
      look: lookOf(factsOf(files, UP)),
    });
    await dockerEngineKind.apply(job, { daemon: {}, user: "ada" });
    assert.ok(
      scripts.some((script) => /^systemctl restart docker\.service/m.test(script)),
      scripts.join("\n---\n"),
    );
  }));
