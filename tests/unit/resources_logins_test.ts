import assert from "node:assert/strict";
import { join } from "node:path";
import type { Registry } from "../../lib/config/types.ts";
import type { GuestFileContent, GuestOp } from "../../lib/guest/ops.ts";
import { type HostLogin, hostLogin } from "../../lib/resources/docker/host_login.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { loginKind } from "../../lib/resources/registries.ts";
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
  toldOf,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const AUTH = btoa("ada:s3cret");
const ROOT = "/root/.docker/config.json";
const ADA = "/home/ada.guest/.docker/config.json";
const ADDRESS = "login:r.test";

function worldWith(login: HostLogin, host = "r.test") {
  const registry: Registry = { host, mirrors: [], insecure: false, certificates: {}, credentials: "host" };
  const machine = machineOf({ runtime: { ...MACHINE.runtime, registries: [registry] } });
  return worldOf({ machine, platform: platformOf({ registryLogin: () => Promise.resolve(login) }) });
}

const PRESENT: HostLogin = { state: "present", entry: { auth: AUTH } };

/** A configuration as our user's client would have it. */
function config(text: string, owner = "ada:ada"): FileAnswer {
  return { text, mode: "600", owner };
}

const RIGHT = JSON.stringify({ auths: { "r.test": { auth: AUTH } } });
const NOTED = listOf({ [ADDRESS]: { files: [{ path: ROOT, owner: "root:root", folder: "/root/.docker" }] } });

const ROWS: readonly (readonly [string, HostLogin, Record<string, FileAnswer>, RegExp | undefined])[] = [
  ["no login anywhere", PRESENT, { [ROOT]: null, [ADA]: null, [OWNED_FILE]: null }, /create live/],
  [
    "logged in as on the host",
    PRESENT,
    { [ROOT]: config(RIGHT, "root:root"), [ADA]: config(RIGHT), [OWNED_FILE]: NOTED },
    /none live/,
  ],
  [
    "another login in one of them",
    PRESENT,
    {
      [ROOT]: config(RIGHT, "root:root"),
      [ADA]: config('{"auths": {"r.test": {"auth": "eA=="}}}'),
      [OWNED_FILE]: NOTED,
    },
    /update live, runtime\.registries\["r\.test"\]\.credentials: in \/home\/ada/,
  ],
  [
    "a file that others can read",
    PRESENT,
    { [ROOT]: { text: RIGHT, mode: "644", owner: "root:root" }, [ADA]: config(RIGHT), [OWNED_FILE]: NOTED },
    /update live, .*in \/root/,
  ],
  ["taken away outside", PRESENT, { [ROOT]: null, [ADA]: null, [OWNED_FILE]: NOTED }, /update live/],
  [
    "the host is not logged in",
    { state: "absent" },
    { [ROOT]: null, [ADA]: null, [OWNED_FILE]: null },
    /blocked.*not logged in at r\.test: docker login r\.test/,
  ],
  [
    "the host does not tell",
    { state: "unknown", reason: "docker-credential-x is locked" },
    { [ROOT]: null, [ADA]: null, [OWNED_FILE]: null },
    /blocked.*not known: docker-credential-x is locked/,
  ],
  [
    "a file in the guest that is no JSON",
    PRESENT,
    { [ROOT]: config("{", "root:root"), [ADA]: null, [OWNED_FILE]: null },
    /blocked.*not valid JSON/,
  ],
  [
    "a helper in the guest, which would go before",
    PRESENT,
    { [ROOT]: config('{"credsStore": "pass"}', "root:root"), [ADA]: null, [OWNED_FILE]: null },
    /blocked.*credential helper, "pass"/,
  ],
];

for (const [name, login, files, wanted] of ROWS) {
  Deno.test(`login: ${name}`, () =>
    withHome(async () => {
      const [line] = await toldOf(loginKind, { world: worldWith(login), look: lookOf(factsOf(files)) });
      assert.match(line ?? "", wanted!);
      assert.doesNotMatch(line ?? "", /s3cret/);
      assert.ok(!line?.includes(AUTH));
    }));
}

/** Puts the login in, or takes it out, where these files are; gives what is written, and the names of all operations. */
async function changed(files: Record<string, FileAnswer>, task: "apply" | "undo") {
  const guest = guestOf(factsOf(files));
  const world = worldWith(PRESENT);
  const job = jobOf(ADDRESS, guest, {
    world: { ...world, record: worldOf().record! },
    step: { ...jobOf(ADDRESS, guest).step, address: ADDRESS },
  });
  const wanted = (await loginKind.desired(world)).get(ADDRESS)!;
  await (task === "apply" ? loginKind.apply(job, wanted) : loginKind.undo(job));
  const written = guest.ops().flatMap((op: GuestOp): readonly GuestFileContent[] =>
    op.op === "write" ? op.files : []
  );
  return { names: opNames(guest.ops()), file: (path: string) => written.findLast((it) => it.path === path) };
}

const FOREIGN = '{\n  "auths": {\n    "other.test": {"auth": "eA=="}\n  },\n  "detachKeys": "ctrl-e"\n}\n';

Deno.test("login: only our entry is put in, and the file is for its owner alone", () =>
  withHome(async () => {
    const { file } = await changed({ [ROOT]: null, [ADA]: config(FOREIGN), [OWNED_FILE]: null }, "apply");
    assert.deepEqual(JSON.parse(String(file(ROOT)!.content)), { auths: { "r.test": { auth: AUTH } } });
    const { content, mode, owner } = file(ADA)!;
    assert.deepEqual([mode, owner], ["0600", "ada:ada"]);
    assert.deepEqual(JSON.parse(String(content)), {
      auths: { "other.test": { auth: "eA==" }, "r.test": { auth: AUTH } },
      detachKeys: "ctrl-e",
    });
    assert.ok(
      String(content).startsWith('{\n  "auths": {\n    "other.test": {"auth": "eA=="}'),
      String(content),
    );
    assert.ok(!String(file(OWNED_FILE)!.content).includes(AUTH), "the list holds the secret");
  }));

Deno.test("login: only our entry is taken out, and a file that says nothing any more goes", () =>
  withHome(async () => {
    const files = [ROOT, ADA].map((path) => ({
      path,
      owner: "x:x",
      folder: path.replace("/config.json", ""),
    }));
    const both = {
      ...JSON.parse(FOREIGN),
      auths: { "other.test": { auth: "eA==" }, "r.test": { auth: AUTH } },
    };
    const list = listOf({ [ADDRESS]: { files } });
    const before = { [ROOT]: config(RIGHT), [ADA]: config(JSON.stringify(both)), [OWNED_FILE]: list };
    const { names, file } = await changed(before, "undo");
    assert.ok(
      names.includes(`remove ${ROOT}`) && names.includes("remove-folder /root/.docker"),
      names.join("\n"),
    );
    assert.deepEqual(JSON.parse(String(file(ADA)!.content)), JSON.parse(FOREIGN));
    assert.deepEqual(JSON.parse(String(file(OWNED_FILE)!.content)).applied, {});
  }));

/** A docker client's configuration on this computer, and helpers in PATH by their name and script. */
async function hostWith(
  config: unknown,
  helpers: Readonly<Record<string, string>>,
  host: string,
): Promise<HostLogin> {
  let login: HostLogin | undefined;
  await withHome(async (home) => {
    await Deno.mkdir(join(home, ".docker"));
    const text = typeof config === "string" ? config : JSON.stringify(config);
    await Deno.writeTextFile(join(home, ".docker", "config.json"), text);
    for (const [name, script] of Object.entries(helpers)) {
      await Deno.writeTextFile(join(home, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, {
        mode: 0o755,
      });
    }
    const path = Deno.env.get("PATH")!;
    Deno.env.set("PATH", `${home}:${path}`);
    try {
      login = await hostLogin(host);
    } finally {
      Deno.env.set("PATH", path);
    }
  });
  return login!;
}

const SAYS = `read server; echo '{"ServerURL":"'"$server"'","Username":"ada","Secret":"s3cret"}'`;

Deno.test("hostLogin() reads what the client keeps in its file, under the names that clients use", async () => {
  const entry = { auth: AUTH };
  assert.deepEqual(await hostWith({ auths: { "r.test": entry } }, {}, "r.test"), PRESENT);
  assert.deepEqual(await hostWith({ auths: { "https://r.test/v1/": entry } }, {}, "r.test"), PRESENT);
  assert.deepEqual(
    await hostWith({ auths: { "https://index.docker.io/v1/": entry } }, {}, "docker.io"),
    PRESENT,
  );
  assert.deepEqual(await hostWith({ auths: { "other.test": entry } }, {}, "r.test"), { state: "absent" });
  // What a helper leaves behind in the file is no login
  assert.deepEqual(await hostWith({ auths: { "r.test": {} } }, {}, "r.test"), { state: "absent" });
});

Deno.test("hostLogin() asks the helper of the registry, else that of all", async () => {
  assert.deepEqual(await hostWith({ credsStore: "all" }, { all: SAYS }, "r.test"), PRESENT);
  const both = { credsStore: "all", credHelpers: { "r.test": "own" } };
  const token = `echo '{"ServerURL":"x","Username":"<token>","Secret":"t0ken"}'`;
  assert.deepEqual(await hostWith(both, { all: SAYS, own: token }, "r.test"), {
    state: "present",
    entry: { identitytoken: "t0ken" },
  });
  const none = "echo credentials not found in native keychain; exit 1";
  assert.deepEqual(await hostWith({ credsStore: "all" }, { all: none }, "r.test"), { state: "absent" });
});

Deno.test("hostLogin() does not take what it cannot find out for no login", async () => {
  const rows: readonly (readonly [unknown, Readonly<Record<string, string>>, RegExp])[] = [
    ["{", {}, /not valid JSON/],
    [{ credsStore: "none-such" }, {}, /docker-credential-none-such is not installed/],
    [
      { credsStore: "all" },
      { all: "echo the keychain is locked >&2; exit 1" },
      /does not tell: the keychain is locked/,
    ],
    [{ credsStore: "all" }, { all: "echo hello" }, /something else than JSON/],
    [{ credsStore: "../x" }, {}, /no name of a program/],
  ];
  for (const [config, helpers, reason] of rows) {
    const login = await hostWith(config, helpers, "r.test");
    assert.equal(login.state, "unknown");
    assert.match(login.state === "unknown" ? login.reason : "", reason);
  }
});
