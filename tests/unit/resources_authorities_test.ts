import assert from "node:assert/strict";
import { join } from "node:path";
import { derBlocks, readCertificate } from "../../lib/host/certificates.ts";
import { authorityKind } from "../../lib/resources/authorities.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { EXPIRED, idOfPem, OTHER, ROOT } from "./certificates_fixture.ts";
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
  platformOf,
  RECORD,
  stepOf,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

const BUNDLE = "/etc/ssl/certs/ca-certificates.crt";
const [ROOT_CA, OTHER_CA] = [`ca:${idOfPem(ROOT)}`, `ca:${idOfPem(OTHER)}`];

function fileOf(pem: string): string {
  return `/usr/local/share/ca-certificates/machine-${idOfPem(pem)}.crt`;
}

/** A world on a host that trusts these, and whose file names further ones. */
function world(host: readonly string[], files: readonly string[] = []) {
  const authorities = host.map((pem) => readCertificate(derBlocks(new TextEncoder().encode(pem))[0]!));
  const leftOut = [{ subject: "Old CA", reason: "it expired on 2021-01-01" }];
  const network = { proxy: { inherit: false, except: [] }, caCerts: { host: true, files } };
  return worldOf({
    machine: machineOf({ network }),
    platform: platformOf({ trust: () => Promise.resolve({ authorities, leftOut, unreadable: [] }) }),
  });
}

/** A guest with these authorities of ours, in the bundle too unless said otherwise. */
function look(pems: readonly string[], files: Readonly<Record<string, FileAnswer>> = {}) {
  const notes = pems.map((pem) => {
    const { subject, expiresMs } = readCertificate(derBlocks(new TextEncoder().encode(pem))[0]!);
    return [`ca:${idOfPem(pem)}`, { subject, expiresMs }] as const;
  });
  const all = [ROOT, OTHER, EXPIRED].map((pem): [string, FileAnswer] => [
    fileOf(pem),
    pems.includes(pem) ? pem : null,
  ]);
  return lookOf(factsOf({
    ...Object.fromEntries(all),
    [BUNDLE]: `Debian's\n${pems.join("")}`,
    [OWNED_FILE]: listOf(Object.fromEntries(notes)),
    ...files,
  }));
}

Deno.test("ca: what is wanted and not there is made, by its name", async () => {
  assert.deepEqual(await toldOf(authorityKind, { world: world([ROOT]), look: look([]) }), [
    `${ROOT_CA} create live (Corp Root CA)`,
  ]);
  assert.deepEqual(await toldOf(authorityKind, { world: world([ROOT]), look: look([ROOT]) }), [
    `${ROOT_CA} none live`,
  ]);
});

Deno.test("ca: one whose file or whose place in the bundle is gone is a difference", async () => {
  const before = async (files: Readonly<Record<string, FileAnswer>>) => {
    const [line] = await linesOf(authorityKind, { world: world([ROOT]), look: look([ROOT], files) });
    return [line?.action, line?.effect, ...line?.paths.map(({ path, before }) => `${path}: ${before}`) ?? []];
  };
  const differs = (told: string) => ["update", "live", `network.caCerts: ${told}`];
  assert.deepEqual(await before({ [fileOf(ROOT)]: null }), differs("missing"));
  assert.deepEqual(await before({ [fileOf(ROOT)]: OTHER }), differs("another file"));
  assert.deepEqual(await before({ [BUNDLE]: "Debian's\n" }), differs(`not in ${BUNDLE}`));
  assert.deepEqual(await before({ [BUNDLE]: null }), differs(`not in ${BUNDLE}`));
  assert.deepEqual(await before({ [BUNDLE]: `Debian's\n${OTHER}` }), differs(`not in ${BUNDLE}`));
});

Deno.test("ca: one that nobody wants goes, and its line says why", async () => {
  assert.deepEqual(await toldOf(authorityKind, { world: world([]), look: look([ROOT]) }), [
    `${ROOT_CA} delete live (Corp Root CA is no longer trusted)`,
  ]);
  assert.deepEqual(await toldOf(authorityKind, { world: world([]), look: look([EXPIRED]) }), [
    `ca:${idOfPem(EXPIRED)} delete live (Old CA has expired)`,
  ]);
});

Deno.test("ca: a source that cannot be read is blocked, and nothing that may be in it goes", () =>
  inFolder("ca-", async (folder) => {
    const file = join(folder, "gone.pem");
    const told = await toldOf(authorityKind, { world: world([OTHER], [file]), look: look([ROOT, OTHER]) });
    assert.equal(told.length, 3);
    assert.ok(told.includes(`${OTHER_CA} none live`));
    assert.match(told.find((line) => line.startsWith(ROOT_CA))!, /blocked live \(.*may still be wanted/);
    const source = told.find((line) => ![ROOT_CA, OTHER_CA].some((address) => line.startsWith(address)));
    assert.match(source!, /^ca:[0-9a-f]{16} blocked live \(.*gone\.pem cannot be read/);
  }));

Deno.test("ca: what cannot be looked at is unknown", async () => {
  for (const path of [BUNDLE, fileOf(ROOT)]) {
    const facts = look([ROOT]);
    assert.ok(facts.guest.state === "facts");
    const { facts: all } = facts.guest;
    const hidden = { ...all, file: (name: string) => name === path ? UNKNOWN : all.file(name) };
    const told = await toldOf(authorityKind, { world: world([ROOT]), look: lookOf(hidden) });
    assert.deepEqual(told, [`${ROOT_CA} blocked live (no answer)`]);
  }
});

const UNKNOWN = { state: "unknown", reason: "no answer" } as const;

Deno.test("ca: several are one change of the bundle, and what is left out is said", async () => {
  const seen = world([ROOT, OTHER]);
  const guest = guestOf();
  const notes: string[] = [];
  const desired = await authorityKind.desired(seen);
  const job = {
    ...jobOf(ROOT_CA, guest, { world: { ...seen, record: RECORD } }),
    note: (text: string) => notes.push(text),
  };
  const jobs = [ROOT_CA, OTHER_CA].map((address) => ({
    job: { ...job, step: stepOf(address) },
    desired: desired.get(address),
  }));
  await authorityKind.together!(jobs);
  const told = opNames(guest.ops());
  assert.equal(told.filter((name) => name === "refresh-authorities").length, 1);
  assert.ok(told.some((name) => name === `write ${fileOf(ROOT)} ${fileOf(OTHER)}`), told.join("\n"));
  assert.ok(told.indexOf("refresh-authorities") > told.findIndex((name) => name.includes(fileOf(OTHER))));
  assert.deepEqual(notes, ["Old CA is left out: it expired on 2021-01-01"]);
  await authorityKind.together!(jobs.map(({ job }) => ({ job, desired: undefined })));
  assert.equal(opNames(guest.ops()).filter((name) => name === "refresh-authorities").length, 2);
});
