import assert from "node:assert/strict";
import { join } from "node:path";
import { removeUnfinished } from "../../lib/host/folders.ts";
import { writeAtomic } from "../../lib/host/files.ts";
import { inFolder, namesIn } from "./folder_fixture.ts";

Deno.test("removeUnfinished() removes what a killed writer left, and nothing else", async () => {
  await inFolder("folders-", async (folder) => {
    await writeAtomic(join(folder, "record.json"), "{}");
    for (
      const name of ["record.json.0a1b2c3d.tmp", "agent.json.ffffffff.tmp", "notes.tmp", "x.0a1b2c3d.tmp.txt"]
    ) {
      await Deno.writeTextFile(join(folder, name), "half");
    }
    await removeUnfinished(folder);
    assert.deepEqual(await namesIn(folder), ["notes.tmp", "record.json", "x.0a1b2c3d.tmp.txt"]);
  });
});

Deno.test("removeUnfinished() finds nothing in a folder that does not exist", async () => {
  await removeUnfinished("/nonexistent/folder");
});
