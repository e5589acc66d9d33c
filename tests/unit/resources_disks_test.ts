import assert from "node:assert/strict";
import { join } from "node:path";
import type { ExtraDisk } from "../../lib/config/types.ts";
import type { GuestOp } from "../../lib/guest/ops.ts";
import type { RawDisk } from "../../lib/resources/platform.ts";
import { diskKind } from "../../lib/resources/disks.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import type { Look } from "../../lib/resources/contract.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  jobOf,
  listOf,
  lookOf,
  MACHINE,
  machineOf,
  opNames,
  platformOf,
  RECORD,
  RUNNING,
  stepOf,
  STOPPED,
  toldOf,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const DISK: ExtraDisk = { name: "scratch", sizeMiB: 1024, format: "ext4", target: "/mnt/scratch" };
const UUID = "11111111-2222-4333-8444-555555555555";
const UNIT = "/etc/systemd/system/mnt-scratch.mount";
const MOUNTINFO = "/proc/self/mountinfo";
const MOUNTED = "36 25 254:32 / /mnt/scratch rw,noatime - ext4 /dev/vdc rw\n";
const NOTE = { target: DISK.target, uuid: UUID };

/** Disk files by their paths below the machine's folder, and what was done to them and to the VM. */
function diskWorld(files: Record<string, RawDisk>, wanted: readonly ExtraDisk[] = [DISK]) {
  const told: string[] = [];
  const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1).replace(".raw", "");
  const platform = platformOf({
    disks: {
      readRaw: (path) => Promise.resolve(files[nameOf(path)]),
      exists: (path) => Promise.resolve(nameOf(path) in files),
      makeRaw(path, { sizeMiB, uuid }) {
        files[nameOf(path)] = { sizeMiB, filesystemMiB: sizeMiB, uuid };
        return Promise.resolve(void told.push(`make ${nameOf(path)} ${sizeMiB}`));
      },
      remove(path) {
        delete files[nameOf(path)];
        return Promise.resolve(void told.push(`remove ${nameOf(path)}`));
      },
    },
    vm: {
      process: () => Promise.resolve(1),
      plugDisk: (_folder, { id }) => Promise.resolve(void told.push(`plug ${id}`)),
      unplugDisk: (_folder, id) => Promise.resolve(void told.push(`unplug ${id}`)),
      resizeDisk: (_folder, id, sizeMiB) => Promise.resolve(void told.push(`resize ${id} ${sizeMiB}`)),
    },
  });
  const machine = machineOf({ vm: { ...MACHINE.vm, disks: wanted } });
  return { world: worldOf({ machine, platform }), told, files };
}

/** A guest that notes its operations in the same list as the platform. */
function diskGuest(told: string[], list: string | null) {
  return guestOf(factsOf({ [OWNED_FILE]: list }), (ops) => {
    const others = ops.filter((op) => op.op !== "write" || op.files[0]?.path !== OWNED_FILE);
    told.push(...opNames(others));
    return {};
  });
}

const WHOLE: RawDisk = { sizeMiB: 1024, filesystemMiB: 1024, uuid: UUID };
const PLUGGED = { ...RUNNING, disks: [...RUNNING.disks, { id: "disk-scratch", sizeMiB: 1024 }] };
const OURS = listOf({ "disk:scratch": NOTE });

/** The unit as it is written for a disk, taken from the operations. */
async function unitText(disk: ExtraDisk): Promise<string> {
  const { world, told } = diskWorld({ scratch: WHOLE }, [disk]);
  const guest = diskGuest(told, null);
  const job = jobOf("disk:scratch", guest, {
    world: { ...world, record: RECORD },
    step: stepOf("disk:scratch", { action: "create" }),
  });
  await withHome(() => diskKind.apply(job, disk));
  const files = guest.ops().flatMap((op: GuestOp) => op.op === "write" ? op.files : []);
  return String(files.find(({ path }) => path.endsWith(".mount"))!.content);
}
const UNIT_TEXT = await unitText(DISK);

interface Found {
  readonly wanted?: readonly ExtraDisk[];
  readonly file?: RawDisk | undefined;
  readonly plugged?: boolean;
  readonly files?: Record<string, FileAnswer>;
}

const ROWS: Readonly<Record<string, readonly [Found, readonly string[]]>> = {
  "as wanted": [{}, ["disk:scratch none live"]],
  "never there": [
    { file: undefined, plugged: false, files: { [UNIT]: null, [MOUNTINFO]: "", [OWNED_FILE]: null } },
    ["disk:scratch create live (mounted on /mnt/scratch)"],
  ],
  "its file was kept from before": [
    { plugged: false, files: { [UNIT]: null, [MOUNTINFO]: "", [OWNED_FILE]: null } },
    ["disk:scratch create live (mounted on /mnt/scratch)"],
  ],
  "not plugged": [{ plugged: false }, ["disk:scratch update live, vm.disks[scratch]"]],
  "not mounted": [
    { files: { [MOUNTINFO]: "" } },
    ["disk:scratch update live, vm.disks[scratch].target"],
  ],
  "something else mounted there": [
    { files: { [MOUNTINFO]: MOUNTED.replace("ext4", "tmpfs") } },
    ["disk:scratch update live, vm.disks[scratch].target"],
  ],
  "another unit": [
    { files: { [UNIT]: `${UNIT_TEXT}#` } },
    ["disk:scratch update live, vm.disks[scratch].target"],
  ],
  "the unit is gone": [{ files: { [UNIT]: null } }, ["disk:scratch update live, vm.disks[scratch].target"]],
  "plugged by a command that was killed before it was noted": [
    { files: { [UNIT]: null, [MOUNTINFO]: "", [OWNED_FILE]: null } },
    ["disk:scratch update live, vm.disks[scratch].target"],
  ],
  "larger in the file": [
    { wanted: [{ ...DISK, sizeMiB: 2048 }] },
    ["disk:scratch update live, vm.disks[scratch].size"],
  ],
  "smaller in the file": [
    { wanted: [{ ...DISK, sizeMiB: 512 }] },
    ["disk:scratch recreate data-loss, vm.disks[scratch].size: a disk cannot shrink: it is made anew, empty"],
  ],
  "no longer wanted": [
    { wanted: [] },
    ["disk:scratch delete live (unmounted and unplugged; its file is kept)"],
  ],
  "no longer wanted and never ours": [{ wanted: [], plugged: false, files: { [OWNED_FILE]: null } }, []],
  "its unit cannot be read": [
    { files: { [UNIT]: undefined as never } },
    ["disk:scratch blocked live (the guest did not answer)"],
  ],
};

for (const [name, [found, wanted]] of Object.entries(ROWS)) {
  Deno.test(`disk: ${name}`, () =>
    withHome(async () => {
      const file = "file" in found ? found.file : WHOLE;
      const { world } = diskWorld(file ? { scratch: file } : {}, found.wanted);
      const usual = { [UNIT]: UNIT_TEXT, [MOUNTINFO]: MOUNTED, [OWNED_FILE]: OURS };
      const facts = factsOf({ ...usual, ...found.files });
      const look = lookOf(facts, { vm: found.plugged === false ? RUNNING : PLUGGED });
      assert.deepEqual(await toldOf(diskKind, { world, look }), wanted);
    }));
}

Deno.test("disk: a file that is gone is a difference, and nothing is called unchanged", () =>
  withHome(async () => {
    const { world } = diskWorld({});
    const facts = factsOf({ [UNIT]: UNIT_TEXT, [MOUNTINFO]: MOUNTED, [OWNED_FILE]: OURS });
    const [line] = await toldOf(diskKind, { world, look: lookOf(facts, { vm: PLUGGED }) });
    assert.match(line!, /^disk:scratch (update|recreate) .*vm\.disks\[scratch\]/);
  }));

Deno.test("disk: known later when the machine is down", () =>
  withHome(async () => {
    const { world } = diskWorld({ scratch: WHOLE });
    assert.deepEqual(await toldOf(diskKind, { world, look: STOPPED }), [
      "disk:scratch deferred live (known after start)",
    ]);
  }));

Deno.test("disk: the system's and the data disk on the guest's list are none of its own", () =>
  withHome(async () => {
    const { world } = diskWorld({}, []);
    const list = listOf({ "disk:system": {}, "disk:data": {} });
    assert.deepEqual(await toldOf(diskKind, { world, look: lookOf(factsOf({ [OWNED_FILE]: list })) }), []);
  }));

/** Applies or undoes, and gives everything that was done in its order. */
async function done(
  action: "create" | "update" | "recreate" | "delete",
  at: {
    readonly files?: Record<string, RawDisk>;
    readonly wanted?: ExtraDisk;
    readonly list?: string | null;
    readonly look?: Look;
  } = {},
): Promise<
  { readonly told: readonly string[]; readonly files: Record<string, RawDisk>; readonly notes: string[] }
> {
  const { wanted = DISK, list = OURS } = at;
  const { world, told, files } = diskWorld(at.files ?? { scratch: WHOLE }, [wanted]);
  const notes: string[] = [];
  const job = jobOf("disk:scratch", diskGuest(told, list), {
    world: { ...world, record: RECORD },
    step: stepOf("disk:scratch", { action }),
    look: at.look ?? lookOf(factsOf({}), { vm: PLUGGED }),
    note: (text) => notes.push(text),
  });
  await withHome(async () => {
    await Deno.mkdir(join(world.folder.root, "disks"), { recursive: true });
    if (action === "delete") await diskKind.undo(job);
    else await diskKind.apply(job, wanted);
  });
  return { told, files, notes };
}

const MOUNT = [
  `write ${UNIT}`,
  "make-folder /mnt/scratch",
  "systemctl enable -q --no-reload mnt-scratch.mount",
  "systemctl daemon-reload",
  "systemctl start mnt-scratch.mount",
];
const UNMOUNT = [
  "retire-unit mnt-scratch.mount",
  `put-back ${UNIT}`,
  "systemctl daemon-reload",
  "remove-folder /mnt/scratch",
  `drop-kept ${UNIT}`,
];
const KEEP = `keep ${UNIT}`;

Deno.test("disk: a new one is made, plugged and mounted", async () => {
  const { told, files } = await done("create", { files: {}, list: null });
  assert.deepEqual(told, ["make scratch 1024", "plug disk-scratch", KEEP, ...MOUNT]);
  assert.match(files["scratch"]!.uuid, /^[0-9a-f-]{36}$/);
});

Deno.test("disk: a kept one comes back with what is on it", async () => {
  const { told, files } = await done("create", { list: null });
  assert.deepEqual(told, ["plug disk-scratch", KEEP, ...MOUNT]);
  assert.equal(files["scratch"]!.uuid, UUID);
});

Deno.test("disk: a kept one that is to be larger is mounted before it is grown", async () => {
  const { told } = await done("create", { list: null, wanted: { ...DISK, sizeMiB: 2048 } });
  assert.deepEqual(told, [
    "plug disk-scratch",
    KEEP,
    ...MOUNT,
    "resize disk-scratch 2048",
    "grow-filesystem",
  ]);
});

Deno.test("disk: grows while it is mounted", async () => {
  const { told } = await done("update", { wanted: { ...DISK, sizeMiB: 2048 } });
  assert.ok(!told.some((line) => /^(make|remove|unplug|retire-unit|put-back) /.test(line)), told.join("\n"));
  assert.deepEqual(told.slice(-2), ["resize disk-scratch 2048", "grow-filesystem"]);
});

Deno.test("disk: moves to another target with what is on it", async () => {
  const wanted = { ...DISK, target: "/mnt/other" };
  const { told, files } = await done("update", { wanted });
  assert.deepEqual(told.slice(0, UNMOUNT.length), UNMOUNT);
  assert.ok(told.includes("write /etc/systemd/system/mnt-other.mount"), told.join("\n"));
  assert.ok(told.includes("make-folder /mnt/other"));
  assert.ok(!told.some((line) => /^(make|remove|unplug) /.test(line)), told.join("\n"));
  assert.equal(files["scratch"]!.uuid, UUID);
});

Deno.test("disk: made anew it is unmounted and unplugged before its file goes", async () => {
  const { told, files } = await done("recreate", { wanted: { ...DISK, sizeMiB: 512 } });
  assert.deepEqual(told.slice(0, UNMOUNT.length + 4), [
    ...UNMOUNT,
    "unplug disk-scratch",
    "remove scratch",
    "make scratch 512",
    "plug disk-scratch",
  ]);
  assert.notEqual(files["scratch"]!.uuid, UUID);
});

Deno.test("disk: one whose file is gone leaves the VM before a new one comes", async () => {
  const { told } = await done("update", { files: {} });
  const order = [
    "retire-unit mnt-scratch.mount",
    "unplug disk-scratch",
    "make scratch 1024",
    "plug disk-scratch",
  ];
  const places = order.map((line) => told.indexOf(line));
  assert.ok(places.every((place) => place >= 0), told.join("\n"));
  assert.deepEqual(places, places.toSorted((a, b) => a - b));
});

Deno.test("disk: taken away it is unmounted and unplugged; its file stays, and that is said", async () => {
  const { told, files, notes } = await done("delete");
  assert.deepEqual(told, [...UNMOUNT, "unplug disk-scratch"]);
  assert.equal(files["scratch"], WHOLE);
  assert.match(notes.join(), /The disk "scratch" is kept in .*disks\/scratch\.raw/);
  assert.deepEqual((await done("delete", { files: {} })).notes, []);
});

Deno.test("disk: its unit mounts by the filesystem's own name, and never keeps the guest from booting", () => {
  assert.match(UNIT_TEXT, new RegExp(`^What=/dev/disk/by-uuid/${UUID}$`, "m"));
  assert.match(UNIT_TEXT, /^Where=\/mnt\/scratch$/m);
  assert.match(UNIT_TEXT, /^WantedBy=multi-user\.target$/m);
  assert.doesNotMatch(UNIT_TEXT, /RequiredBy|local-fs/);
});
