import assert from "node:assert/strict";
import { join } from "node:path";
import { makeCertificates } from "./certificates.ts";
import type { MachineFile, Sandbox } from "./sandbox.ts";

const NAME = "eng";
/** Debian's registry in the guest: by plain http, and by https for those who log in. */
const [OPEN, CLOSED] = ["192.168.5.15:5000", "192.168.5.15:5443"];
const PASSWORD = "a secret of 2";
/** crypt(5), bcrypt, of {@link PASSWORD}. */
const USERS = "ada:$2y$05$mAchineTestsSaltSaltSuWLI/n3ZK2f.hH9ChMzo99eq36uRtys6\n";

const UNIT = `
[Service]
ExecStart=/usr/bin/docker-registry serve /etc/registry/%i.yml
[Install]
WantedBy=multi-user.target
`;
const CONFIGURATION = `
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
`;
const OPEN_CONFIGURATION = `${CONFIGURATION}http: {addr: ":5000"}\n`;
const CLOSED_CONFIGURATION = `${CONFIGURATION}
http: {addr: ":5443", tls: {certificate: /etc/registry/cert.pem, key: /etc/registry/key.pem}}
auth: {htpasswd: {realm: test, path: /etc/registry/users}}
`;

/** What a machine's file says so that Debian's registry runs in it twice, on one store. */
export async function registryKeys(sandbox: Sandbox): Promise<MachineFile> {
  const folder = join(sandbox.root, "registry");
  await Deno.mkdir(folder);
  const made = await makeCertificates(folder, { authority: "Registry's own", subjects: ["IP:192.168.5.15"] });
  return {
    packages: { install: ["docker-registry"] },
    files: [
      { path: "/etc/systemd/system/registry@.service", content: UNIT },
      { path: "/etc/registry/open.yml", content: OPEN_CONFIGURATION },
      { path: "/etc/registry/closed.yml", content: CLOSED_CONFIGURATION },
      { path: "/etc/registry/users", content: USERS, mode: "0600" },
      { path: "/etc/registry/cert.pem", source: made.certificate },
      { path: "/etc/registry/key.pem", source: made.key, mode: "0600" },
    ],
    provision: [{
      name: "registries",
      run:
        "systemctl disable -q --now docker-registry && systemctl enable -q --now registry@open registry@closed",
    }],
  };
}

/** Registries as Docker uses them: a mirror, plain http, an authority of its own, and the host's credentials. */
export async function useRegistries(t: Deno.TestContext, sandbox: Sandbox, file: MachineFile): Promise<void> {
  const authority = join(sandbox.root, "registry", "ca.pem");
  const withRegistries = async (registries: MachineFile) => {
    await sandbox.write({ ...file, runtime: { engine: "docker", registries } });
    // Neither --yes nor --allow: nothing may be interrupted.
    return await sandbox.expect(0, ["apply"]);
  };
  const refused = async (argv: readonly string[]) => {
    const { code, out, err } = await sandbox.run(argv);
    assert.notEqual(code, 0, out);
    return out + err;
  };
  const pull = (image: string) => sandbox.docker(["pull", "-q", image]);
  const refusedPull = (image: string) => refused(["docker", "pull", "-q", image]);
  const pullInGuest = (image: string, ...as: string[]) =>
    sandbox.machine(["exec", ...as, "docker", "pull", "-q", image]);
  const idOf = (image: string) => sandbox.docker(["inspect", "--format", "{{.Id}}", image]);
  const image = await idOf("app");
  const started = await startTimes(sandbox);

  await t.step("an image is pushed to a registry in the guest, and pulled from it", async () => {
    const own = "127.0.0.1:5000/library/own";
    await sandbox.docker(["tag", "app", own]);
    await sandbox.docker(["push", "-q", own]);
    await sandbox.docker(["rmi", own]);
    await pull(own);
    assert.equal(await idOf(own), image);
    await sandbox.docker(["rmi", own]);
  });

  await t.step("a registry that speaks plain http is refused before the file allows it", async () => {
    assert.match(await refusedPull(`${OPEN}/library/own`), /HTTP response to HTTPS client/);
  });

  const open = {
    "docker.io": { mirrors: ["http://127.0.0.1:5000"] },
    [OPEN]: { insecure: true },
  };
  await t.step("allowed, it is pulled from; docker.io comes from its mirror; containers go on", async () => {
    await withRegistries(open);
    await pull(`${OPEN}/library/own`);
    await pull("own");
    assert.equal(await idOf("docker.io/library/own:latest"), image);
    assert.equal(await startTimes(sandbox), started);
    await sandbox.expect(0, ["diff"]);
  });

  await t.step("a registry of an authority that nobody here knows is refused", async () => {
    assert.match(await refusedPull(`${CLOSED}/library/own`), /certificate signed by unknown authority/);
  });

  const closed = { certificates: { ca: authority } };
  await t.step("with its authority in the file it is believed, and asks for a login", async () => {
    await withRegistries({ ...open, [CLOSED]: closed });
    assert.match(await refusedPull(`${CLOSED}/library/own`), /no basic auth credentials/);
    assert.equal(await startTimes(sandbox), started);
  });

  await t.step(
    "docker login on the host is for the host's client alone, unless the file says so",
    async () => {
      const login = ["login", "-u", "ada", "--password-stdin", CLOSED];
      await sandbox.docker(login, { stdin: PASSWORD });
      await pull(`${CLOSED}/library/own`);
      const { code, err } = await pullInGuest(`${CLOSED}/library/own`);
      assert.notEqual(code, 0);
      assert.match(err, /no basic auth credentials/);
    },
  );

  await t.step("credentials: host takes the login into the guest, and says no secret", async () => {
    await sandbox.docker(["rmi", `${CLOSED}/library/own`]);
    const { out, err } = await withRegistries({ ...open, [CLOSED]: { ...closed, credentials: "host" } });
    for (const secret of [PASSWORD, btoa(`ada:${PASSWORD}`)]) assert.ok(!(out + err).includes(secret));
    for (const as of [[], ["sudo", "-H"]]) {
      const ended = await pullInGuest(`${CLOSED}/library/own`, ...as);
      assert.equal(ended.code, 0, ended.err);
    }
    const stat = "stat -c '%a %U' /root/.docker/config.json /home/*.guest/.docker/config.json";
    assert.match(await sandbox.inGuest(NAME, stat), /^600 root\n600 (?!root)\w+$/);
    const record = await Deno.readTextFile(sandbox.folder(NAME).record);
    assert.ok(!record.includes(PASSWORD) && !record.includes(btoa(`ada:${PASSWORD}`)));
    await sandbox.expect(0, ["diff"]);
  });

  await t.step(
    "all taken out of the file: all is refused again, and containers went on all the time",
    async () => {
      await withRegistries({});
      assert.match(await refusedPull(`${OPEN}/library/own`), /HTTP response to HTTPS client/);
      assert.match(await refusedPull(`${CLOSED}/library/own`), /certificate signed by unknown authority/);
      assert.match(
        await sandbox.docker(["info", "--format", "{{json .RegistryConfig.Mirrors}}"]),
        /^(null|\[\])$/,
      );
      const configs =
        "ls /root/.docker/config.json /home/*.guest/.docker/config.json /etc/docker/certs.d 2>/dev/null || :";
      assert.equal(await sandbox.inGuest(NAME, configs), "");
      assert.equal(await startTimes(sandbox), started);
      await sandbox.expect(0, ["diff"]);
    },
  );
}

/** The same keys with containerd, which reads them at each pull. */
export async function pullByContainerd(
  t: Deno.TestContext,
  sandbox: Sandbox,
  file: MachineFile,
): Promise<void> {
  const pull = async (image: string, ...words: string[]) => {
    const hosts = ["--hosts-dir", "/etc/containerd/certs.d"];
    return await sandbox.machine(["ctr", "images", "pull", ...hosts, ...words, `${image}:latest`]);
  };
  await t.step("containerd pulls by the same keys, and goes on while they change", async () => {
    const run = () => sandbox.inGuest(NAME, "systemctl show -P InvocationID containerd.service");
    const before = await run();
    const refused = await pull(`${OPEN}/library/own`);
    assert.notEqual(refused.code, 0);
    assert.match(refused.out + refused.err, /HTTP response to HTTPS client/);
    const registries = {
      "docker.io": { mirrors: ["http://127.0.0.1:5000"] },
      [OPEN]: { insecure: true },
      [CLOSED]: { certificates: { ca: join(sandbox.root, "registry", "ca.pem") } },
    };
    await sandbox.write({
      ...file,
      runtime: { engine: "containerd", containerd: { nerdctl: false }, registries },
    });
    await sandbox.expect(0, ["apply"]);
    for (
      const [image, ...words] of [
        [`${OPEN}/library/own`],
        ["docker.io/library/own"],
        [`${CLOSED}/library/own`, "--user", `ada:${PASSWORD}`],
      ] as const
    ) {
      const ended = await pull(image, ...words);
      assert.equal(ended.code, 0, ended.out + ended.err);
    }
    assert.equal(await run(), before);
    await sandbox.expect(0, ["diff"]);
  });
}

/** When each running container was started. */
async function startTimes(sandbox: Sandbox): Promise<string> {
  const ids = await sandbox.docker(["ps", "-q", "--no-trunc"]);
  assert.notEqual(ids, "");
  return await sandbox.docker([
    "inspect",
    "--format",
    "{{.Name}} {{.State.StartedAt}}",
    ...ids.split("\n").sort(),
  ]);
}
