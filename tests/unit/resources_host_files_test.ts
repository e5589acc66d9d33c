import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { makePlan } from "../../lib/plan/plan.ts";
import type { Kind, World } from "../../lib/resources/contract.ts";
import { dockerContextKind } from "../../lib/resources/docker/context.ts";
import {
  currentContext,
  readContexts,
  useContext,
  writeContext,
} from "../../lib/resources/docker/client_config.ts";
import { RecordStore } from "../../lib/resources/record.ts";
import { includeLine, sshConfigKind } from "../../lib/resources/ssh_config.ts";
import { findProgram, run } from "../../lib/host/process.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { jobOf, MACHINE, NO_GUEST, RECORD, UNREACHABLE, withHome, worldOf } from "./resources_fixture.ts";

/** Looks, and applies what differs; gives what the second look says. */
async function converge<D, O>(kind: Kind<D, O>, world: World, store: RecordStore): Promise<string> {
  const [address, desired] = [...await kind.desired(world)][0]!;
  const job = jobOf(address, NO_GUEST, { world: { ...world, record: RECORD }, store });
  await kind.apply(job, desired);
  return await actionOf(kind, world);
}

async function actionOf<D, O>(kind: Kind<D, O>, world: World): Promise<string> {
  const wanted = await kind.desired(world);
  const found = await kind.observe(world, UNREACHABLE, wanted);
  const address = kind.kind;
  const item = {
    address,
    phase: 17,
    realm: kind.realm,
    dependsOn: [],
    desired: wanted.get(address),
    observed: found.get(address)!,
    compare: (desired: unknown, observed: unknown) => kind.compare(desired as D, observed as O),
  };
  return makePlan([item], { machine: "dev", protect: false }).changes[0]!.action;
}

function sshWorld(config: boolean): World {
  return worldOf({ machine: { ...MACHINE, ssh: { port: 0, agent: false, config } } });
}

const USER_CONFIGS = [
  "",
  "Host *\n\tCompression yes",
  "# mine\r\n\r\nHost a\r\n  User b\r\n",
  "Include other\n",
];
for (const before of USER_CONFIGS) {
  Deno.test(`sshconfig: adds its block before ${JSON.stringify(before)} and takes it out again without a trace`, () =>
    withHome(async (home) => {
      const path = join(home, ".ssh", "config");
      await Deno.mkdir(dirname(path));
      if (before !== "") await Deno.writeTextFile(path, before, { mode: 0o644 });
      const world = sshWorld(true);
      const store = new RecordStore(world.folder, RECORD);
      assert.equal(await actionOf(sshConfigKind, world), "create");
      assert.equal(await converge(sshConfigKind, world, store), "none");
      const after = await Deno.readTextFile(path);
      assert.equal(after, `# >>> machine\n${includeLine()}\n# <<< machine\n${before}`);
      await sshConfigKind.undo(jobOf("sshconfig", NO_GUEST, { world: { ...world, record: RECORD }, store }));
      if (before === "") await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
      else assert.equal(await Deno.readTextFile(path), before);
      await assert.rejects(Deno.stat(join(home, ".machine", "ssh_config")), Deno.errors.NotFound);
      assert.equal(await actionOf(sshConfigKind, { ...world, machine: undefined }), "none");
    }));
}

Deno.test("sshconfig: the block goes when the file no longer asks for it; the user's own line stays", () =>
  withHome(async (home) => {
    const path = join(home, ".ssh", "config");
    const store = new RecordStore(worldOf().folder, RECORD);
    assert.equal(await converge(sshConfigKind, sshWorld(true), store), "none");
    assert.equal(await actionOf(sshConfigKind, sshWorld(false)), "update");
    assert.equal(await converge(sshConfigKind, sshWorld(false), store), "none");
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await assert.rejects(Deno.stat(dirname(path)), Deno.errors.NotFound);
    await Deno.mkdir(dirname(path));
    await Deno.writeTextFile(path, `${includeLine()}\n`);
    assert.equal(await actionOf(sshConfigKind, sshWorld(false)), "none");
    assert.equal(await actionOf(sshConfigKind, sshWorld(true)), "none");
  }));

Deno.test("sshconfig: names every machine and leaves the others when one goes", () =>
  withHome(async () => {
    const other = new RecordStore(machineFolder("other"), undefined);
    await other.ensure("other", "/y/machine.yaml");
    await other.update({ machine: { ...MACHINE, name: "other" }, sshPort: 40023 });
    const world = sshWorld(false);
    const store = new RecordStore(world.folder, RECORD);
    assert.equal(await converge(sshConfigKind, world, store), "none");
    const file = join(dirname(world.folder.root), "ssh_config");
    const hosts = async () => (await Deno.readTextFile(file)).match(/^Host .*$/gm);
    assert.deepEqual(await hosts(), ["Host machine-dev", "Host machine-other"]);
    await sshConfigKind.undo(jobOf("sshconfig", NO_GUEST, { world: { ...world, record: RECORD }, store }));
    assert.deepEqual(await hosts(), ["Host machine-other"]);
  }));

Deno.test("sshconfig: bears what a killed command left beside the machines", () =>
  withHome(async (home) => {
    await Deno.mkdir(join(home, ".machine"));
    await Deno.writeTextFile(join(home, ".machine", "ssh_config.0a1b2c3d.tmp"), "half");
    assert.equal(await actionOf(sshConfigKind, sshWorld(false)), "create");
  }));

const SSH = await findProgram("ssh");
Deno.test({
  name: "sshconfig: ssh understands it",
  ignore: SSH === undefined,
  fn: () =>
    withHome(async (home) => {
      const world = sshWorld(true);
      await converge(sshConfigKind, world, new RecordStore(world.folder, RECORD));
      const { code, stdout } = await run([SSH!, "-F", join(home, ".ssh", "config"), "-G", "machine-dev"]);
      assert.equal(code, 0);
      const settings = [
        "hostname 127.0.0.1",
        "port 40022",
        "user ada",
        `identityfile ${world.folder.identity}`,
      ];
      for (const line of settings) assert.ok(stdout.includes(`\n${line}\n`) || stdout.startsWith(line), line);
    }),
});

function contextWorld(current: boolean, name = "machine-dev"): World {
  const runtime = { ...MACHINE.runtime, docker: { daemon: {}, context: { name, current } } };
  return worldOf({ machine: { ...MACHINE, runtime } });
}

const THEIRS = { name: "theirs", description: "", endpoint: "unix:///y" };

Deno.test("context: is made current and withdrawn, and the one that was current comes back", () =>
  withHome(async (home) => {
    await writeContext(THEIRS);
    await useContext("theirs");
    const before = await Deno.readTextFile(join(home, ".docker", "config.json"));
    const world = contextWorld(true);
    const store = new RecordStore(world.folder, RECORD);
    assert.equal(await actionOf(dockerContextKind, world), "create");
    assert.equal(await converge(dockerContextKind, world, store), "none");
    assert.equal(await currentContext(), "machine-dev");
    assert.equal(store.value?.previousContext, "theirs");
    const job = jobOf("context:docker", NO_GUEST, { world: { ...world, record: RECORD }, store });
    await dockerContextKind.undo(job);
    assert.deepEqual(await readContexts(), [THEIRS]);
    assert.equal(await Deno.readTextFile(join(home, ".docker", "config.json")), before);
    await dockerContextKind.undo(job);
    assert.equal(await currentContext(), "theirs");
  }));

Deno.test("context: falls back to the default one when the former one is gone", () =>
  withHome(async (home) => {
    const world = contextWorld(true);
    const store = new RecordStore(world.folder, { ...RECORD, previousContext: "gone" });
    await converge(dockerContextKind, world, store);
    await dockerContextKind.undo(
      jobOf("context:docker", NO_GUEST, { world: { ...world, record: RECORD }, store }),
    );
    assert.equal(await currentContext(), "default");
    await assert.rejects(Deno.stat(join(home, ".docker", "config.json")), Deno.errors.NotFound);
  }));

Deno.test("context: one of the same name that is not ours is blocked, whatever it says", () =>
  withHome(async () => {
    const world = contextWorld(false);
    await writeContext({ ...THEIRS, name: "machine-dev", endpoint: `unix://${world.folder.dockerSocket}` });
    assert.equal(await actionOf(dockerContextKind, world), "blocked");
    assert.equal(await actionOf(dockerContextKind, { ...world, machine: undefined }), "none");
  }));

Deno.test("context: is made again when it drifts, and renamed without leaving the former one", () =>
  withHome(async () => {
    const store = new RecordStore(worldOf().folder, RECORD);
    assert.equal(await converge(dockerContextKind, contextWorld(true), store), "none");
    const [ours] = await readContexts();
    await writeContext({ ...ours!, endpoint: "unix:///elsewhere" });
    assert.equal(await actionOf(dockerContextKind, contextWorld(true)), "update");
    assert.equal(await converge(dockerContextKind, contextWorld(true), store), "none");
    assert.equal(await actionOf(dockerContextKind, contextWorld(true, "renamed")), "update");
    assert.equal(await converge(dockerContextKind, contextWorld(true, "renamed"), store), "none");
    assert.deepEqual((await readContexts()).map(({ name }) => name), ["renamed"]);
    assert.equal(store.value?.previousContext, "default");
  }));

Deno.test("context: the client's damaged files block this line and nothing else", () =>
  withHome(async (home) => {
    await Deno.mkdir(join(home, ".docker"));
    await Deno.writeTextFile(join(home, ".docker", "config.json"), "{");
    assert.equal(await actionOf(dockerContextKind, contextWorld(true)), "blocked");
  }));
