import assert from "node:assert/strict";
import { basename, join } from "node:path";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import { deleteMachine } from "../../lib/apply/delete.ts";
import { diffMachine } from "../../lib/apply/diff.ts";
import { applyMachine } from "../../lib/apply/apply.ts";
import { underLock } from "../../lib/apply/operation.ts";
import { makeDataDisk, makeOverlay } from "../../lib/drivers/qemu/disks.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { runOrThrow } from "../../lib/host/process.ts";
import type { Effect } from "../../lib/plan/types.ts";
import { currentContext, readContexts, writeContext } from "../../lib/resources/docker/client_config.ts";
import { readRecord, RecordStore } from "../../lib/resources/record.ts";
import { MACHINE, RECORD, withHome } from "./resources_fixture.ts";
import { namesIn } from "./folder_fixture.ts";

const EVERYTHING: readonly Effect[] = ["live", "service", "restart", "recreate", "data-loss"];

function options(allowed: readonly Effect[] = EVERYTHING) {
  const never = new AbortController().signal;
  return {
    name: "dev",
    emit: (_event: ApplyEvent) => {},
    stopSignal: never,
    abortSignal: never,
    lockTimeoutMs: 0,
    command: "machine delete dev",
    approval: { allowed: new Set(allowed) },
  };
}

/** A machine that was applied, stopped, and left all its files. */
async function makeStopped(home: string): Promise<ReturnType<typeof machineFolder>> {
  const folder = machineFolder("dev");
  const base = join(home, "base.qcow2");
  await runOrThrow(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"]);
  const store = new RecordStore(folder, undefined);
  await store.ensure("dev", RECORD.origin);
  await store.update({ machine: MACHINE, sshPort: 40022, dataDiskUuid: RECORD.dataDiskUuid, stopped: true });
  await makeDataDisk(folder.dataDisk, 256, RECORD.dataDiskUuid!);
  await makeOverlay(folder.disk, base, 128);
  const secrets = [
    folder.identity,
    folder.identityPublic,
    folder.hostKey,
    folder.hostKeyPublic,
    folder.credentials,
  ];
  const others = [folder.knownHosts, folder.agentConfig, folder.agentLog, folder.agentLock];
  for (const file of [...secrets, ...others, `${folder.record}.0a1b2c3d.tmp`]) {
    await Deno.writeTextFile(file, "x");
  }
  await writeContext({
    name: "machine-dev",
    description: `machine dev (${join(home, ".machine")})`,
    endpoint: `unix://${folder.dockerSocket}`,
  });
  return folder;
}

Deno.test("deleteMachine() leaves the data disk and the record that knows it, and nothing else", () =>
  withHome(async (home) => {
    const folder = await makeStopped(home);
    const outcome = await deleteMachine({ ...options(["live"]), data: false });
    assert.deepEqual([outcome.exitCode, outcome.failed], [0, []]);
    assert.deepEqual(await namesIn(folder.root), ["data.raw", "record.json"]);
    assert.deepEqual(await namesIn(join(home, ".machine")), ["dev"]);
    assert.deepEqual(await readContexts(), []);
    assert.equal(await currentContext(), "default");
    const record = await readRecord(folder);
    assert.ok(record?.dataKeptAt);
    assert.deepEqual([record.dataDiskUuid, record.machine, record.sshPort], [
      RECORD.dataDiskUuid,
      undefined,
      undefined,
    ]);
  }));

Deno.test("deleteMachine() twice keeps the data disk and the day it was kept", () =>
  withHome(async (home) => {
    const folder = await makeStopped(home);
    await deleteMachine({ ...options(["live"]), data: false });
    const first = await readRecord(folder);
    const outcome = await deleteMachine({ ...options(["live"]), data: false });
    assert.equal(outcome.exitCode, 0);
    assert.deepEqual(await namesIn(folder.root), ["data.raw", "record.json"]);
    assert.equal((await readRecord(folder))?.dataKeptAt, first?.dataKeptAt);
  }));

for (const kept of [false, true]) {
  Deno.test(`deleteMachine() with the data${kept ? " that was kept" : ""} needs leave for it, then leaves nothing`, () =>
    withHome(async (home) => {
      const folder = await makeStopped(home);
      if (kept) await deleteMachine({ ...options(["live"]), data: false });
      // The lock and the journal are of every command that might have changed something.
      const others = async () =>
        (await namesIn(folder.root)).filter((name) => !/^(lock|events\.jsonl)$|\.tmp$/.test(name));
      const before = await others();
      const refused = await deleteMachine({
        ...options(["live", "service", "restart", "recreate"]),
        data: true,
      });
      assert.equal(refused.exitCode, 4);
      assert.match(refused.reason ?? "", /--allow data-loss/);
      assert.deepEqual(await others(), before);
      assert.equal((await deleteMachine({ ...options(), data: true })).exitCode, 0);
      await assert.rejects(Deno.stat(join(home, ".machine")), Deno.errors.NotFound);
    }));
}

Deno.test("deleteMachine() refuses a protected machine", () =>
  withHome(async (home) => {
    const folder = await makeStopped(home);
    const store = new RecordStore(folder, await readRecord(folder));
    await store.update({ machine: { ...MACHINE, protect: true } });
    const outcome = await deleteMachine({ ...options(), data: true });
    assert.equal(outcome.exitCode, 4);
    assert.match(outcome.reason ?? "", /protect: true/);
    assert.ok((await namesIn(folder.root)).includes("disk.qcow2"));
  }));

Deno.test("deleteMachine() of a name that nobody knows says so and makes nothing", () =>
  withHome(async (home) => {
    await assert.rejects(deleteMachine({ ...options(), data: false }), /There is no machine "dev"/);
    assert.deepEqual(await namesIn(home), []);
  }));

const loaded = { machine: MACHINE, origin: RECORD.origin, positionOf: () => undefined };

Deno.test("diffMachine() looks at a machine whose first apply was killed before its keys were made", () =>
  withHome(async () => {
    const store = new RecordStore(machineFolder("dev"), undefined);
    await store.ensure("dev", RECORD.origin);
    await store.update({ machine: MACHINE, sshPort: 40022, dataDiskUuid: RECORD.dataDiskUuid });
    const { plan } = await diffMachine(loaded, new AbortController().signal);
    assert.equal(plan.changes.find(({ address }) => address === "user:ada")?.action, "create");
  }));

Deno.test("diffMachine() writes nothing and tells of another origin", () =>
  withHome(async (home) => {
    await makeStopped(home);
    const before = await snapshot(home);
    const { plan, notes } = await diffMachine(
      { ...loaded, origin: "/other.yaml" },
      new AbortController().signal,
    );
    assert.deepEqual(await snapshot(home), before);
    assert.match(notes.join(), /last applied from \/x\/machine\.yaml/);
    assert.equal(
      plan.changes.find(({ address }) => address === "vm")?.paths[0]?.note,
      "stopped; apply starts it",
    );
  }));

Deno.test("applyMachine() from another file asks to take over, and changes nothing", () =>
  withHome(async (home) => {
    await makeStopped(home);
    const before = await snapshot(home);
    const apply = applyMachine({
      ...options(),
      loaded: { ...loaded, origin: "/other.yaml" },
      takeOver: false,
      dryRun: false,
    });
    await assert.rejects(apply, (error) => {
      assert.match(`${error}`, /was last applied from \/x\/machine\.yaml, not from \/other\.yaml/);
      assert.equal(error instanceof Error && "exitCode" in error && error.exitCode, 4);
      return true;
    });
    assert.deepEqual(await snapshot(home), before);
  }));

Deno.test("applyMachine() that nobody agreed to makes nothing", () =>
  withHome(async (home) => {
    const outcome = await applyMachine({ ...options([]), loaded, takeOver: false, dryRun: false });
    assert.equal(outcome.exitCode, 4);
    assert.deepEqual(outcome.done, []);
    assert.ok(outcome.open.length > 0);
    assert.deepEqual(await namesIn(home), []);
  }));

Deno.test("applyMachine() as a dry run tells that there are differences", () =>
  withHome(async (home) => {
    const outcome = await applyMachine({ ...options(), loaded, takeOver: false, dryRun: true });
    assert.equal(outcome.exitCode, 2);
    assert.deepEqual(await namesIn(home), []);
  }));

/** Every file below a folder with its time of change. */
async function snapshot(folder: string): Promise<Record<string, number>> {
  const times: Record<string, number> = {};
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    times[path] = (await Deno.lstat(path)).mtime?.getTime() ?? 0;
    if (isDirectory) Object.assign(times, await snapshot(path));
  }
  return times;
}

Deno.test("underLock() removes what a killed command was writing, and nothing else", () =>
  withHome(async () => {
    const folder = machineFolder("dev");
    await Deno.mkdir(folder.root, { recursive: true, mode: 0o700 });
    for (const name of ["record.json.0a1b2c3d.tmp", "record.json"]) {
      await Deno.writeTextFile(join(folder.root, name), "{}");
    }
    let names: readonly string[] = [];
    const outcome = { exitCode: 0, done: [], failed: [], skipped: [], open: [] };
    await underLock(folder, options(), async () => {
      names = (await namesIn(folder.root)).filter((name) => name !== basename(folder.events));
      return outcome;
    });
    assert.deepEqual(names, ["lock", "record.json"]);
  }));
