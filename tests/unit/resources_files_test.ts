import assert from "node:assert/strict";
import { join } from "node:path";
import type { FileSpec } from "../../lib/config/types.ts";
import { sha256 } from "../../lib/host/files.ts";
import type { World } from "../../lib/resources/contract.ts";
import { fileKind } from "../../lib/resources/files.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { inFolder } from "./folder_fixture.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  jobOf,
  linesOf,
  listOf,
  lookOf,
  machineOf,
  opNames,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

const MOTD: FileSpec = { path: "/etc/motd", content: "hello\n", owner: "root:root", mode: "0644" };
const OURS = listOf({ "file:/etc/motd": true }, { "/etc/motd": sha256("hello\n") });

function wanting(...files: FileSpec[]): World {
  return worldOf({ machine: machineOf({ files }) });
}

const WANTED: readonly (readonly [string, Record<string, FileAnswer>, string])[] = [
  ["as wanted", {}, "file:/etc/motd none live"],
  ["absent", { "/etc/motd": null }, "file:/etc/motd create live"],
  ["changed outside", { "/etc/motd": "bye\n" }, "file:/etc/motd update live, files[/etc/motd].content"],
  [
    "another owner",
    { "/etc/motd": { text: "hello\n", owner: "ada:ada" } },
    "file:/etc/motd update live, files[/etc/motd].owner",
  ],
  [
    "another mode",
    { "/etc/motd": { text: "hello\n", mode: "600" } },
    "file:/etc/motd update live, files[/etc/motd].mode",
  ],
  [
    "a set-id bit",
    { "/etc/motd": { text: "hello\n", mode: "4644" } },
    "file:/etc/motd update live, files[/etc/motd].mode",
  ],
  [
    "all of it",
    { "/etc/motd": { text: "bye\n", mode: "600", owner: "ada:ada" } },
    "file:/etc/motd update live, files[/etc/motd].content, files[/etc/motd].owner, files[/etc/motd].mode",
  ],
  ["not ours and equal", { [OWNED_FILE]: null }, "file:/etc/motd none live"],
  [
    "not ours and other",
    { "/etc/motd": "Debian\n", [OWNED_FILE]: null },
    "file:/etc/motd update live, files[/etc/motd].content: replaces what stands there (kept)",
  ],
  [
    "not ours and of another mode",
    { "/etc/motd": { text: "hello\n", mode: "600" }, [OWNED_FILE]: null },
    "file:/etc/motd update live, files[/etc/motd].mode",
  ],
];

for (const [name, files, wanted] of WANTED) {
  Deno.test(`file: ${name}`, async () => {
    const look = lookOf(factsOf({ "/etc/motd": "hello\n", [OWNED_FILE]: OURS, ...files }));
    assert.deepEqual(await toldOf(fileKind, { world: wanting(MOTD), look }), [wanted]);
  });
}

Deno.test("file: unknown where it could not be read, as a folder in its place", async () => {
  const look = lookOf(factsOf({ [OWNED_FILE]: OURS }));
  assert.deepEqual(await toldOf(fileKind, { world: wanting(MOTD), look }), [
    "file:/etc/motd blocked live (the guest did not answer)",
  ]);
});

const LEFT: readonly (readonly [string, Record<string, FileAnswer>, readonly string[]])[] = [
  ["ours as written is removed", {}, ["file:/etc/motd delete live"]],
  ["ours and changed is left, and that is said", { "/etc/motd": "somebody's\n" }, [
    "file:/etc/motd delete live (somebody has changed it since: it stays as it is, and is no longer ours)",
  ]],
  ["ours and gone is forgotten", { "/etc/motd": null }, [
    "file:/etc/motd delete live (it is gone already; only its mark goes)",
  ]],
  ["ours and unknown is blocked", { "/etc/motd": undefined as never }, [
    "file:/etc/motd blocked live (the guest did not answer)",
  ]],
  ["what is not ours is not even looked at", { [OWNED_FILE]: null }, []],
];

for (const [name, files, wanted] of LEFT) {
  Deno.test(`file: of those that nobody wants any more, ${name}`, async () => {
    const look = lookOf(factsOf({ "/etc/motd": "hello\n", [OWNED_FILE]: OURS, ...files }));
    assert.deepEqual(await toldOf(fileKind, { world: wanting(), look }), wanted);
  });
}

const REMOVALS: readonly (readonly [string, FileAnswer, readonly string[]])[] = [
  ["as written", "hello\n", ["put-back /etc/motd", `write ${OWNED_FILE}`, "drop-kept /etc/motd"]],
  ["changed outside", "theirs\n", [`write ${OWNED_FILE}`, "drop-kept /etc/motd"]],
  ["of another mode alone", { text: "hello\n", mode: "600" }, [
    "put-back /etc/motd",
    `write ${OWNED_FILE}`,
    "drop-kept /etc/motd",
  ]],
  ["gone", null, ["put-back /etc/motd", `write ${OWNED_FILE}`, "drop-kept /etc/motd"]],
];

for (const [name, file, wanted] of REMOVALS) {
  Deno.test(`file: what is done to remove one that is ${name}`, async () => {
    const facts = factsOf({ "/etc/motd": file, [OWNED_FILE]: OURS });
    const guest = guestOf(facts);
    await fileKind.undo(jobOf("file:/etc/motd", guest, { look: lookOf(facts) }));
    assert.deepEqual(opNames(guest.ops()), wanted);
    const list = guest.ops().find((op) => op.op === "write")!;
    assert.equal(list.files[0]!.content, JSON.stringify({ version: 1, files: {}, applied: {} }));
  });
}

Deno.test("file: what stood there is kept before ours is written, and it is noted in between", async () => {
  const guest = guestOf();
  const world = wanting({ ...MOTD, owner: "ada:ada", mode: "4755" });
  const [desired] = [...(await fileKind.desired(world)).values()];
  await fileKind.apply(
    jobOf("file:/etc/motd", guest, { world: { ...world, record: world.record! } }),
    desired!,
  );
  assert.deepEqual(opNames(guest.ops()), ["keep /etc/motd", `write ${OWNED_FILE}`, "write /etc/motd"]);
  const [, list, file] = guest.ops();
  assert.ok(list?.op === "write" && file?.op === "write");
  assert.equal(list.files[0]!.content, OURS);
  assert.deepEqual(file.files, [{ path: "/etc/motd", content: "hello\n", mode: "4755", owner: "ada:ada" }]);
});

Deno.test("file: the host's source is copied byte for byte, and its change is a difference", () =>
  inFolder("files-", async (folder) => {
    const source = join(folder, "it's a source");
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
    await Deno.writeFile(source, bytes);
    const world = wanting({ path: "/opt/x", source, owner: "root:root", mode: "0755" });
    const guest = guestOf();
    const [desired] = [...(await fileKind.desired(world)).values()];
    await fileKind.apply(
      jobOf("file:/opt/x", guest, { world: { ...world, record: world.record! } }),
      desired!,
    );
    const files = guest.ops().flatMap((op) => op.op === "write" ? op.files : []);
    assert.deepEqual(files.find(({ path }) => path === "/opt/x")?.content, bytes);
    const found = { text: "", sha256: sha256(bytes), mode: "755" };
    const list = listOf({ "file:/opt/x": true }, { "/opt/x": sha256(bytes) });
    const look = lookOf(factsOf({ "/opt/x": found, [OWNED_FILE]: list }));
    assert.deepEqual(await toldOf(fileKind, { world, look }), ["file:/opt/x none live"]);
    await Deno.writeTextFile(source, "other");
    assert.deepEqual(await toldOf(fileKind, { world, look }), [
      "file:/opt/x update live, files[/opt/x].content",
    ]);
  }));

Deno.test("file: a source that cannot be read blocks this one, and says why", async () => {
  const spec = { path: "/opt/x", source: "/no/such/source", owner: "root:root", mode: "0644" };
  const world = wanting(MOTD, spec);
  const look = lookOf(factsOf({ "/etc/motd": null, "/opt/x": null, [OWNED_FILE]: null }));
  const [motd, blocked] = await linesOf(fileKind, { world, look });
  assert.equal(motd?.action, "create");
  assert.equal(blocked?.action, "blocked");
  assert.match(blocked?.reason ?? "", /its source cannot be read: .*\/no\/such\/source/);
});

Deno.test("file: a plan shows no content, which may be a secret", async () => {
  const look = lookOf(factsOf({ "/etc/motd": "their SECRET\n", [OWNED_FILE]: null }));
  const world = wanting({ ...MOTD, content: "our SECRET\n" });
  assert.doesNotMatch(JSON.stringify(await linesOf(fileKind, { world, look })), /SECRET/);
});
