import assert from "node:assert/strict";
import { join } from "node:path";
import { makeCertificates } from "./certificates.ts";
import { packBusybox } from "./container_image.ts";
import { assertConverged } from "./converged.ts";
import { guestState } from "./guest_state.ts";
import { imageServer } from "./image_server.ts";
import { ProxyServer } from "./proxy_server.ts";
import type { Ended } from "./command.ts";
import type { MachineFile, Sandbox } from "./sandbox.ts";

const NAME = "net";
const AUTHORITY = "Test Corp Root";
const PASSWORD = "s3cret-of-the-test";
const PLAIN = "http://pages.test/page";
const SECURE = "https://secure.test/page";

const FILE: MachineFile = {
  apiVersion: "machine/v1",
  name: NAME,
  vm: { cpus: 2, memory: "1GiB", dataDisk: "none" },
  user: { name: "ada" },
  mounts: [],
  runtime: "docker",
};

/** A download by apt's own configuration, and one by nothing but the environment. */
const BY_APT = "/usr/lib/apt/apt-helper";
const BY_ENVIRONMENT = `${BY_APT} -o Acquire::http::Proxy= -o Acquire::https::Proxy=`;
/** Tries once: a failure is what some of the downloads are for. */
const ONCE = "-o Acquire::Retries=0";

/** Places of the guest from which something is fetched. */
const PLACES: Readonly<Record<string, (sandbox: Sandbox, url: string) => Promise<Ended>>> = {
  "a command of the user": (sandbox, url) =>
    sandbox.machine(["exec", "sh", "-c", download(BY_ENVIRONMENT, url)]),
  "a login shell": (sandbox, url) => {
    const shell = ["env", "-i", "HOME=/tmp", "bash", "-lc", download(BY_ENVIRONMENT, url)];
    return sandbox.machine(["exec", ...shell]);
  },
  "sudo": (sandbox, url) => sandbox.machine(["exec", "sudo", "sh", "-c", download(BY_ENVIRONMENT, url)]),
  "a service": (sandbox, url) =>
    sandbox.machine([
      "exec",
      "sudo",
      "systemd-run",
      "--wait",
      "--pipe",
      "-q",
      "sh",
      "-c",
      download(BY_ENVIRONMENT, url),
    ]),
  "apt": (sandbox, url) => sandbox.machine(["exec", "sudo", "env", "-i", "sh", "-c", download(BY_APT, url)]),
};

function download(program: string, url: string): string {
  return `f=$(mktemp -u) && ${program} ${ONCE} download-file ${url} "$f" >&2 && cat "$f" && rm -f "$f"`;
}

/** A proxy with a password, and a server that an authority of its own vouches for: without both it is not reached. */
export async function useNetwork(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  const folder = join(sandbox.root, "certificates");
  await Deno.mkdir(folder);
  const files = await makeCertificates(folder, { authority: AUTHORITY, subjects: ["DNS:secure.test"] });
  const serve = imageServer("bb", await Deno.readFile(await packBusybox(sandbox)));
  const at = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using plain = Deno.serve(at, serve);
  const [cert, key] = await Promise.all(
    [files.certificate, files.key].map((file) => Deno.readTextFile(file)),
  );
  await using secure = Deno.serve({ ...at, cert: cert!, key: key! }, serve);
  await using proxy = new ProxyServer({
    targets: { "pages.test:80": plain.addr.port, "secure.test:443": secure.addr.port },
    login: `ada:${PASSWORD}`,
  });
  const address = `http://ada:${PASSWORD}@127.0.0.1:${proxy.port}`;
  const host = { env: { http_proxy: address, https_proxy: address, no_proxy: ".local.test" } };
  const withProxy = { ...FILE, network: { proxy: { inherit: true }, caCerts: { host: false } } };
  const withBoth = {
    ...FILE,
    network: { proxy: { inherit: true }, caCerts: { host: false, files: [files.authority] } },
  };

  await sandbox.write(FILE);
  await sandbox.expect(0, ["apply"], { timeoutMs: 900_000 });
  const [boot, before] = [await sandbox.bootId(NAME), await guestState(sandbox, NAME)];

  await t.step("without the proxy nothing is reached", async () => {
    for (const fetch of [PLACES["a command of the user"]!, PLACES["apt"]!]) {
      assert.notEqual((await fetch(sandbox, PLAIN)).code, 0);
    }
    assert.deepEqual(proxy.taken(), []);
  });

  await t.step("the host's proxy is shown without its password, and costs dockerd a restart", async () => {
    await sandbox.write(withProxy);
    const { out, err } = await sandbox.expect(2, ["diff"], host);
    assert.match(
      out,
      new RegExp(`\\+ proxy +create +live +http://ada:\\*\\*\\*@192\\.168\\.5\\.2:${proxy.port}`),
    );
    assert.match(out, /~ engine:docker +update +service/);
    const applied = await sandbox.expect(0, ["apply", "--yes"], host);
    const kept = await Promise.all(
      ["record.json", "events.jsonl", "agent.log"].map((name) => readKept(sandbox, name)),
    );
    for (const text of [out, err, applied.out, applied.err, ...kept]) {
      assert.ok(!text.includes(PASSWORD), text);
    }
    await sandbox.expect(0, ["diff"], host);
  });

  await t.step("the proxy is used by logins, sudo, services and apt", async () => {
    for (const [place, fetch] of Object.entries(PLACES)) {
      proxy.taken();
      const { code, out, err } = await fetch(sandbox, PLAIN);
      assert.deepEqual([code, out], [0, "a page\n"], `${place}\n${err}`);
      const asked = proxy.taken().filter(({ authorized }) => authorized);
      assert.deepEqual(
        asked.map(({ method, target }) => `${method} ${target}`),
        ["GET pages.test:80"],
        place,
      );
    }
  });

  await t.step(
    "a server of an authority that nobody knows is refused, by programs and by dockerd",
    async () => {
      const { code, err } = await PLACES["apt"]!(sandbox, SECURE);
      assert.notEqual(code, 0);
      assert.match(err, /certificate/i);
      const pull = await sandbox.run(["docker", "pull", "secure.test/bb"]);
      assert.notEqual(pull.code, 0);
      assert.match(pull.err, /x509/);
    },
  );

  await t.step("the authority is trusted by programs at once, by dockerd after its restart", async () => {
    await sandbox.write(withBoth);
    const { out } = await sandbox.expect(2, ["diff"], host);
    assert.match(out, new RegExp(`\\+ ca:[0-9a-f]{16} +create +live +${AUTHORITY}`));
    assert.match(out, /~ engine:docker +update +service/);
    await sandbox.expect(0, ["apply", "--yes"], host);
    await sandbox.expect(0, ["diff"], host);
    for (const [place, fetch] of Object.entries(PLACES)) {
      proxy.taken();
      const { code, out, err } = await fetch(sandbox, SECURE);
      assert.deepEqual([code, out], [0, "a page\n"], `${place}\n${err}`);
      assert.ok(proxy.taken().some((it) => it.authorized && it.target === "secure.test:443"), place);
    }
  });

  await t.step(
    "docker pulls from a registry that only the proxy reaches and only the authority vouches for",
    async () => {
      proxy.taken();
      await sandbox.docker(["pull", "-q", "secure.test/bb"]);
      assert.ok(proxy.taken().some((it) => it.authorized && it.target === "secure.test:443"));
      assert.equal(await sandbox.docker(["run", "--rm", "secure.test/bb", "echo", "ran"]), "ran");
      await sandbox.docker(["rmi", "secure.test/bb"]);
    },
  );

  for (const [what, edit, told] of EDITS) {
    await t.step(`${what} by hand is found, and made good without any interruption`, async () => {
      await sandbox.inGuest(NAME, edit);
      const { out } = await sandbox.expect(2, ["diff"], host);
      assert.match(out, told);
      assert.doesNotMatch(out, new RegExp(PASSWORD));
      await sandbox.expect(0, ["apply"], host);
      await sandbox.expect(0, ["diff"], host);
    });
  }

  await t.step("the bundle is that of Debian's own program, to the byte", async () => {
    const script =
      "cp /etc/ssl/certs/ca-certificates.crt /root/ours; update-ca-certificates >/dev/null 2>&1; " +
      "cmp /root/ours /etc/ssl/certs/ca-certificates.crt; rm /root/ours";
    await sandbox.inGuest(NAME, script, 600_000);
  });

  await t.step("both go, everywhere, and the guest has not started anew", async () => {
    await sandbox.write(FILE);
    await sandbox.expect(0, ["apply", "--yes"]);
    await assertConverged(sandbox);
    assert.deepEqual(await guestState(sandbox, NAME), before);
    assert.doesNotMatch(await sandbox.inGuest(NAME, "systemctl show-environment"), /proxy/i);
    assert.equal(await sandbox.docker(["info", "--format", "{{.HTTPProxy}}{{.HTTPSProxy}}{{.NoProxy}}"]), "");
    proxy.taken();
    for (const [place, fetch] of Object.entries(PLACES)) {
      assert.notEqual((await fetch(sandbox, PLAIN)).code, 0, place);
    }
    assert.deepEqual(proxy.taken(), []);
    assert.equal(await sandbox.bootId(NAME), boot);
  });
  await sandbox.expect(0, ["delete", "--yes"]);
}

/** Changes of a guest by hand, and what is said of them. */
const EDITS: readonly (readonly [what: string, script: string, told: RegExp])[] = [
  ["a login's proxy that was removed", "rm /etc/profile.d/machine-proxy.sh", /~ proxy +update +live/],
  [
    "a service's proxy that was changed",
    "sed -i s/192.168.5.2/10.9.9.9/g /etc/systemd/system.conf.d/machine-proxy.conf && systemctl daemon-reload",
    /network\.proxy\.http +.*10\.9\.9\.9/,
  ],
  [
    "an authority that was removed",
    "rm /usr/local/share/ca-certificates/machine-*.crt",
    /~ ca:\S+ +update +live/,
  ],
  [
    "a bundle that was put back",
    "f=/etc/ssl/certs/ca-certificates.crt; head -c 100000 $f >$f.x && touch -r $f $f.x && mv $f.x $f",
    /not in \/etc\/ssl\/certs\/ca-certificates\.crt/,
  ],
];

/** A file of the machine's folder; empty when there is none. */
async function readKept(sandbox: Sandbox, name: string): Promise<string> {
  return await Deno.readTextFile(join(sandbox.folder(NAME).root, name)).catch(() => "");
}
