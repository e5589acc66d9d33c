import assert from "node:assert/strict";
import { readRecord, RecordStore } from "../../lib/resources/record.ts";
import { RECORD, withHome, worldOf } from "./resources_fixture.ts";

Deno.test("RecordStore makes a record with an address of its own, private to the user, and reads it back", () =>
  withHome(async () => {
    const { folder } = worldOf();
    assert.equal(await readRecord(folder), undefined);
    const store = new RecordStore(folder, undefined);
    const record = await store.ensure("dev", "/x/machine.yaml");
    assert.match(record.mac, /^52:54:00(:[0-9a-f]{2}){3}$/);
    assert.deepEqual(await readRecord(folder), record);
    assert.equal(((await Deno.stat(folder.record)).mode ?? 0) & 0o777, 0o600);
    assert.equal(((await Deno.stat(folder.root)).mode ?? 0) & 0o777, 0o700);
    assert.deepEqual(await store.ensure("dev", "/other"), record);
  }));

Deno.test("RecordStore.update() drops keys given as undefined and writes only what differs", () =>
  withHome(async () => {
    const { folder } = worldOf();
    const store = new RecordStore(folder, undefined);
    await store.ensure("dev", "-");
    await store.update({ stopped: true, sshPort: 1 });
    const { mtime, ino } = await Deno.stat(folder.record);
    await store.update({ stopped: true });
    assert.deepEqual([(await Deno.stat(folder.record)).mtime, (await Deno.stat(folder.record)).ino], [
      mtime,
      ino,
    ]);
    await store.update({ stopped: undefined });
    assert.deepEqual(await readRecord(folder), store.value);
    assert.ok(!("stopped" in store.value!));
    assert.equal(store.value?.sshPort, 1);
  }));

Deno.test("the key of the fingerprints stands beside the record, for the user alone; a lost one is made anew", () =>
  withHome(async () => {
    const { folder } = worldOf();
    const { fingerprintKey } = await new RecordStore(folder, undefined).ensure("dev", "-");
    assert.match(fingerprintKey, /^[0-9a-f]{64}$/);
    assert.equal(await Deno.readTextFile(folder.fingerprintKey), fingerprintKey);
    assert.equal(((await Deno.stat(folder.fingerprintKey)).mode ?? 0) & 0o777, 0o600);
    assert.ok(!(await Deno.readTextFile(folder.record)).includes(fingerprintKey));
    await Deno.remove(folder.fingerprintKey);
    const record = await readRecord(folder);
    assert.notEqual(record?.fingerprintKey, fingerprintKey);
    await new RecordStore(folder, record).update({ stopped: true });
    assert.deepEqual((await readRecord(folder))?.fingerprintKey, record?.fingerprintKey);
  }));

const BAD: Readonly<Record<string, RegExp>> = {
  '{"formatVersion": 2}': /written by a newer version of machine \(format 2\)/,
  "": /damaged: it is not JSON/,
  '{"formatVersion": 1, "na': /damaged: it is not JSON/,
  "null": /damaged: it holds no machine/,
  "[]": /damaged: it holds no machine/,
  "{}": /damaged: it holds no machine/,
  [JSON.stringify({ ...RECORD, applied: undefined })]: /damaged: it holds no machine/,
};
for (const [text, message] of Object.entries(BAD)) {
  Deno.test(`readRecord() refuses ${text.slice(0, 40) || "an empty file"}`, () =>
    withHome(async () => {
      const { folder } = worldOf();
      await Deno.mkdir(folder.root, { recursive: true });
      await Deno.writeTextFile(folder.record, text);
      await assert.rejects(readRecord(folder), (error) => {
        assert.ok(error instanceof Error && error.name === "UserError", `${error}`);
        assert.match(error.message, message);
        return true;
      });
    }));
}
