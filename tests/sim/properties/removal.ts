import assert from "node:assert/strict";
import fc from "fast-check";
import type { Json } from "../../../lib/config/types.ts";
import { deleteMachine } from "../../../lib/apply/delete.ts";
import { EXIT } from "../../../lib/host/errors.ts";
import { useContext, writeContext } from "../../../lib/resources/docker/client_config.ts";
import { EFFECTS } from "../../../lib/plan/effects.ts";
import { machineFile } from "../machines.ts";
import { type FileKeys, linesOf, NAME } from "../simulation.ts";
import { withoutWhatStays } from "../state.ts";
import type { Property } from "./property.ts";

/** The keys without which the same machine is left, with nothing of its own in the guest. */
function bare({ vm, user, runtime }: FileKeys): FileKeys {
  return {
    mounts: [],
    vm: { ...(vm as { readonly [key: string]: Json }), disks: [] },
    user: user!,
    runtime: runtime!,
  };
}

export const removal: Property<FileKeys> = {
  name: "removal",
  says: "what leaves the file leaves the guest, which then is as it was before it came",
  samples: machineFile,
  async holds(simulation, keys) {
    const base = await simulation.load(bare(keys));
    await simulation.reach(base);
    const before = simulation.state();
    await simulation.reach(await simulation.load(keys));
    await simulation.reach(base);
    assert.deepEqual(linesOf(await simulation.diff(base)), []);
    assert.deepEqual(withoutWhatStays(simulation.state()), withoutWhatStays(before));
  },
};

export const halfMade: Property<readonly [FileKeys, number]> = {
  name: "half-made",
  says: "a protected machine whose first apply was killed is protected already",
  samples: fc.tuple(machineFile, fc.nat(60)),
  async holds(simulation, [keys, killAt]) {
    await simulation.apply(await simulation.load({ ...keys, protect: true }), {}, { killAt });
    if (Object.keys(simulation.host.diskSizes()).length === 0) return; // killed before there was anything of it
    const approval = { allowed: new Set(EFFECTS) };
    const remove = { ...simulation.options(), name: NAME, data: true, approval };
    const course = await simulation.command(() => deleteMachine(remove));
    assert.ok(course.ended && course.value.exitCode === EXIT.needsPerson);
    assert.match(course.value.reason ?? "", /"protect: true" refuses this/);
  },
};

export const deletion: Property<readonly [FileKeys, number | undefined]> = {
  name: "deletion",
  says: "delete with its data leaves nothing on the host, also when it is killed and repeated",
  samples: fc.tuple(machineFile, fc.option(fc.nat(30), { nil: undefined })),
  async holds(simulation, [keys, killAt]) {
    const theirs = { name: "theirs", description: "", endpoint: "unix:///theirs.sock" };
    await writeContext(theirs);
    await useContext(theirs.name);
    const before = await simulation.hostFiles();
    await simulation.reach(await simulation.load(keys));
    const remove = () =>
      deleteMachine({
        ...simulation.options(),
        name: NAME,
        data: true,
        approval: { allowed: new Set(EFFECTS) },
      });
    const first = killAt === undefined ? undefined : await simulation.command(remove, { killAt });
    if (!first?.ended) {
      const last = await simulation.command(remove).catch((error: Error) => {
        // Killed after the last file was gone: then there is nothing left to delete.
        assert.match(error.message, /There is no machine/);
      });
      if (last) assert.ok(last.ended && last.value.exitCode === 0);
    }
    assert.equal(simulation.host.isRunning(simulation.folder), false);
    assert.equal(simulation.host.hasAgent(simulation.folder), false);
    // Empty folders of docker and ssh may stay when it was killed while it removed them.
    const isLeft = ([path, content]: readonly [string, string]) =>
      killAt === undefined || content !== "a folder" || !/\/\.(?:docker|ssh)/.test(path);
    const left = (files: Readonly<Record<string, string>>) => Object.entries(files).filter(isLeft).sort();
    assert.deepEqual(left(await simulation.hostFiles()), left(before));
  },
};
