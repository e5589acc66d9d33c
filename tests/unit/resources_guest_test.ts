import assert from "node:assert/strict";
import { dockerEngineKind } from "../../lib/resources/docker/engine.ts";
import { foldersKind } from "../../lib/resources/folders.ts";
import { hostnameKind } from "../../lib/resources/hostname.ts";
import { userKind } from "../../lib/resources/user.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { sha256 } from "../../lib/host/files.ts";
import {
  compareOne,
  factsOf,
  guestOf,
  jobOf,
  lookOf,
  MACHINE,
  observeOne,
  opNames,
  STOPPED,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

for (const kind of [hostnameKind, userKind, foldersKind, dockerEngineKind] as const) {
  Deno.test(`${kind.kind}: unknown when the guest does not answer, known after its start when it is down`, () =>
    withHome(async () => {
      const world = worldOf();
      const wanted = await kind.desired(world) as ReadonlyMap<string, never>;
      const [address] = [...wanted.keys()];
      const of = async (look: typeof STOPPED) => (await kind.observe(world, look, wanted)).get(address!);
      assert.equal((await of(UNREACHABLE))?.state, "unknown");
      assert.equal((await of(lookOf(factsOf({ [OWNED_FILE]: null }))))?.state, "unknown");
      assert.equal((await of({ ...STOPPED, guest: { state: "absent" } }))?.state, "absent");
      assert.deepEqual(await of(STOPPED), { state: "unknown", reason: "known after start", until: "vm" });
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
      const usual = {
        [KERNEL]: "dev\n",
        "/etc/hostname": "dev\n",
        "/etc/hosts": HOSTS,
        [OWNED_FILE]: null,
      };
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
  [OWNED_FILE]: null,
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
      assert.deepEqual(await compareOne(userKind, "user:ada", { look }), wanted);
    }));
}

Deno.test("user: a rule that stands there is taken away when sudo is not wanted", () =>
  withHome(async () => {
    const world = worldOf({ machine: { ...MACHINE, user: { ...MACHINE.user, sudo: false } } });
    const { folder } = world;
    await Deno.mkdir(folder.root, { recursive: true });
    await Deno.writeTextFile(folder.identityPublic, `${KEY}\n`);
    const with_ = async (rule: string | null) =>
      await compareOne(userKind, "user:ada", {
        world,
        look: lookOf(factsOf({ ...USER, "/etc/sudoers.d/machine": rule })),
      });
    assert.deepEqual(await with_(null), []);
    assert.deepEqual(await with_(RULE), ["user.sudo live"]);
    assert.deepEqual(await with_("ada ALL=(ALL) ALL\n"), ["user.sudo live"]);
  }));

Deno.test("user: wanted before the machine's keys are made, as after a crash in between", () =>
  withHome(async () => {
    assert.equal((await userKind.desired(worldOf())).get("user:ada")?.publicKey, "");
  }));

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
    const list = JSON.stringify({ version: 1, files, applied: { folders: true } });
    const of = async (owned: string | null) =>
      await observeOne(foldersKind, "folders", { world, look: lookOf(factsOf({ [OWNED_FILE]: owned })) });
    assert.equal((await of(list))?.state, "present");
    assert.equal(await of(null), undefined, "nothing to take away");
    const guest = guestOf(factsOf({ [OWNED_FILE]: list }));
    await foldersKind.undo(jobOf("folders", guest));
    const names = opNames(guest.ops());
    for (const path of Object.keys(files)) assert.ok(names.includes(`put-back ${path}`), path);
    for (const unit of wanted.units) assert.ok(names.includes(`retire-unit ${unit}`), unit);
    assert.ok(
      guest.ops().every((op) => op.op !== "retire-unit" || op.keepRunning),
      "nothing is unmounted under running containers",
    );
  }));

Deno.test("user: another name is another login: the former one goes, its home and the rule of the new one stay", () =>
  withHome(async () => {
    const world = worldOf({ machine: { ...MACHINE, user: { ...MACHINE.user, name: "bob" } } });
    const { folder } = world;
    await Deno.mkdir(folder.root, { recursive: true });
    await Deno.writeTextFile(folder.identityPublic, `${KEY}\n`);
    const facts = factsOf({
      ...USER,
      "/etc/ssh/authorized_keys.d/bob": null,
      [OWNED_FILE]: JSON.stringify({
        version: 1,
        files: {},
        applied: { "user:ada": { home: "/home/ada.guest" } },
      }),
    });
    const found = await userKind.observe(world, lookOf(facts), await userKind.desired(world));
    assert.deepEqual([...found].map(([address, { state }]) => `${address} ${state}`).sort(), [
      "user:ada present",
      "user:bob absent",
    ]);
    const ada = found.get("user:ada");
    assert.ok(ada?.state === "present" && ada.owned);
    const guest = guestOf(facts);
    await userKind.undo(jobOf("user:ada", guest, { look: lookOf(facts) }));
    const names = opNames(guest.ops());
    assert.deepEqual(names.slice(0, 2), ["put-back /etc/ssh/authorized_keys.d/ada", "remove-login ada"]);
    assert.ok(!names.some((name) => name.includes("sudoers") || name.includes("/home")), names.join("\n"));
  }));

Deno.test("user: is made with its key and its rule, and without the rule when sudo is not wanted", () =>
  withHome(async () => {
    for (const sudo of [true, false]) {
      const guest = guestOf(factsOf({ [OWNED_FILE]: null }));
      await userKind.apply(jobOf("user:ada", guest), { ...MACHINE.user, sudo, publicKey: KEY });
      const names = opNames(guest.ops());
      assert.ok(names.includes("login"), names.join("\n"));
      assert.ok(
        names.some((name) => name.includes("write /etc/ssh/authorized_keys.d/ada")),
        names.join("\n"),
      );
      assert.equal(names.some((name) => /^write .*\/etc\/sudoers\.d\/machine/.test(name)), sudo);
      assert.equal(names.includes("put-back /etc/sudoers.d/machine"), !sudo);
    }
  }));
