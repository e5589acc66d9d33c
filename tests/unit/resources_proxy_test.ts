import assert from "node:assert/strict";
import type { NetworkSettings } from "../../lib/config/types.ts";
import { sha256 } from "../../lib/host/files.ts";
import { envKind } from "../../lib/resources/env.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { proxyKind } from "../../lib/resources/proxy.ts";
import { proxyFiles, proxyVariables, variablesOfUnits } from "../../lib/resources/proxy_files.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  jobOf,
  linesOf,
  lookOf,
  machineOf,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

const ENVIRONMENT = "/etc/environment";
const PROFILE = "/etc/profile.d/machine-proxy.sh";
const APT = "/etc/apt/apt.conf.d/95machine-proxy";
const UNITS = "/etc/systemd/system.conf.d/machine-proxy.conf";
const SUDO = "/etc/sudoers.d/machine-proxy";
const OTHERS = ["/etc/profile.d/machine.sh", OWNED_FILE];
type ProxyWish = Partial<NetworkSettings["proxy"]>;
type Variables = Readonly<Record<string, string>>;

function world(proxy: ProxyWish, env: Variables = {}) {
  const network = { proxy: { inherit: false, except: [], ...proxy }, caCerts: { host: false, files: [] } };
  return worldOf({ machine: machineOf({ network, env }) });
}

/** A guest with nothing but files, kept by what is written into them. */
class Guest {
  readonly files: Record<string, string | undefined>;
  readonly modes: Record<string, string> = {};
  /** What systemd has read. */
  loaded = "";

  constructor(environment?: string) {
    this.files = { [ENVIRONMENT]: environment };
  }

  facts() {
    const answer = (path: string): FileAnswer => {
      const text = this.files[path];
      if (text === undefined) return null;
      const mode = (this.modes[path] ?? "0644").replace(/^0+/, "");
      return { text: text === "" || text.endsWith("\n") ? text : `${text}\n`, sha256: sha256(text), mode };
    };
    const paths = [ENVIRONMENT, PROFILE, APT, UNITS, SUDO, ...OTHERS];
    return factsOf(Object.fromEntries(paths.map((path) => [path, answer(path)])));
  }

  look() {
    return lookOf(this.facts());
  }

  told(proxy: ProxyWish, env: Variables = {}): Promise<readonly string[]> {
    return toldOf(proxyKind, { world: world(proxy, env), look: this.look() });
  }

  async apply(proxy: ProxyWish, env: Variables = {}): Promise<void> {
    const seen = world(proxy, env);
    const wanted = (await proxyKind.desired(seen)).get("proxy")!;
    await proxyKind.apply(this.job("proxy"), wanted);
    assert.deepEqual(await this.told(proxy, env), ["proxy none live"]);
  }

  job(address: string) {
    const guest = guestOf(() => this.facts(), (ops) => {
      for (const op of ops) {
        if (op.op === "write") {
          for (const { path, content, mode } of op.files) {
            this.files[path] = String(content);
            this.modes[path] = mode;
          }
        } else if (op.op === "remove" || op.op === "put-back") this.files[op.path] = undefined;
        else if (op.op === "systemctl") {
          assert.deepEqual(op.args, ["daemon-reload"]);
          this.loaded = this.files[UNITS] ?? "";
        }
      }
      return {};
    });
    return jobOf(address, guest);
  }
}

const HTTP = { http: "http://p.test:3128", except: [".corp.test", "git.test"] };

Deno.test("proxy is put where logins, apt, sudo and services find it", async () => {
  const guest = new Guest("A=1\n");
  assert.deepEqual(await guest.told(HTTP), ["proxy create live (http://p.test:3128)"]);
  await guest.apply(HTTP);
  const none = ".corp.test,git.test,localhost,127.0.0.0/8,::1,192.168.5.0/24";
  assert.equal(
    guest.files[ENVIRONMENT],
    [
      "A=1",
      "# begin machine proxy",
      `HTTP_PROXY="http://p.test:3128"`,
      `NO_PROXY="${none}"`,
      `http_proxy="http://p.test:3128"`,
      `no_proxy="${none}"`,
      "# end machine proxy",
      "",
    ].join("\n"),
  );
  assert.match(guest.files[PROFILE]!, /^export https?_proxy='http:\/\/p\.test:3128'$/m);
  assert.match(guest.files[APT]!, /^Acquire::http::Proxy "http:\/\/p\.test:3128";$/m);
  assert.match(guest.files[APT]!, /^Acquire::https::Proxy "DIRECT";$/m);
  assert.match(guest.files[APT]!, /^Acquire::http::Proxy::git\.test "DIRECT";$/m);
  assert.match(guest.files[SUDO]!, /^Defaults env_keep \+= "HTTP_PROXY NO_PROXY http_proxy no_proxy"$/m);
  assert.match(guest.loaded, /"http_proxy=http:\/\/p\.test:3128"/);
  assert.equal(guest.modes[SUDO], "0440");
});

Deno.test("proxy with a password lets only root read what only root needs, and shows it nowhere", async () => {
  const secret = { http: "http://ada:p%40ss@p.test:1", https: "http://ada:p%40ss@p.test:1" };
  const guest = new Guest("");
  assert.deepEqual(await guest.told(secret), ["proxy create live (http://ada:***@p.test:1)"]);
  await guest.apply(secret);
  assert.deepEqual([APT, UNITS].map((path) => guest.modes[path]), ["0600", "0600"]);
  assert.match(guest.loaded, /http_proxy=http:\/\/ada:p%%40ss@p\.test:1/);
  const other = { ...secret, http: "http://ada:other@p.test:1" };
  const lines = await linesOf(proxyKind, { world: world(other), look: guest.look() });
  assert.deepEqual(lines[0]?.paths.map(({ path, isTold }) => [path, isTold]), [["network.proxy.http", true]]);
  assert.doesNotMatch(JSON.stringify(lines), /p%40ss|other/);
  guest.modes[APT] = "0644";
  assert.deepEqual(await guest.told(secret), ["proxy update live, network.proxy"]);
});

Deno.test("proxy that differs is a line of the key that says it, and is healed", async () => {
  const guest = new Guest("");
  await guest.apply(HTTP);
  const table: (readonly [ProxyWish, string])[] = [
    [{ ...HTTP, http: "http://q.test:1" }, "network.proxy.http"],
    [{ ...HTTP, https: "http://q.test:1" }, "network.proxy.https"],
    [{ ...HTTP, except: [] }, "network.proxy.except"],
  ];
  for (const [wish, path] of table) {
    assert.deepEqual(await guest.told(wish), [`proxy update live, ${path}`]);
    await guest.apply(wish);
    assert.deepEqual(await guest.told(HTTP), [`proxy update live, ${path}`]);
    await guest.apply(HTTP);
  }
});

Deno.test("proxy is made good in whichever place somebody has changed it", async () => {
  const edits:
    readonly (readonly [path: string, edit: (text: string) => string | undefined, line: string])[] = [
      [ENVIRONMENT, () => "", "network.proxy.http"],
      [ENVIRONMENT, (text) => text.replace(/^no_proxy.*$/m, `no_proxy="x"`), "network.proxy.except"],
      [PROFILE, () => undefined, "network.proxy.http"],
      [PROFILE, (text) => text.replaceAll("p.test", "q.test"), "network.proxy.http"],
      [UNITS, (text) => text.replaceAll("p.test", "q.test"), "network.proxy.http"],
      [UNITS, (text) => `# by hand\n${text}`, "network.proxy"],
      [APT, () => undefined, "network.proxy"],
      [APT, (text) => `${text}// by hand\n`, "network.proxy"],
      [SUDO, () => undefined, "network.proxy"],
    ];
  for (const [path, edit, line] of edits) {
    const guest = new Guest("");
    await guest.apply(HTTP);
    guest.files[path] = edit(guest.files[path]!);
    const told = await guest.told(HTTP);
    assert.equal(told.length, 1, path);
    assert.match(told[0]!, new RegExp(`^proxy update live, ${line}(,|$)`), path);
    await guest.apply(HTTP);
  }
});

Deno.test("proxy that systemd has not read yet is a difference: the command was killed before", async () => {
  const guest = new Guest("");
  await guest.apply(HTTP);
  const list = JSON.parse(guest.files[OWNED_FILE]!);
  const { loaded: _, ...note } = list.applied.proxy;
  guest.files[OWNED_FILE] = JSON.stringify({ ...list, applied: { proxy: note } });
  const [line] = await linesOf(proxyKind, { world: world(HTTP), look: guest.look() });
  assert.deepEqual(line?.paths.map(({ before }) => before), ["systemd has not read it"]);
  await guest.apply(HTTP);
});

Deno.test("proxy leaves to the user's environment what it sets, in either case", async () => {
  const guest = new Guest("");
  const env = { HTTP_PROXY: "http://mine:1" };
  await guest.apply(HTTP, env);
  assert.doesNotMatch(guest.files[ENVIRONMENT]! + guest.files[PROFILE]!, /http_proxy/i);
  assert.match(guest.files[ENVIRONMENT]!, /^no_proxy=/m);
  assert.match(guest.loaded, /http_proxy=/);
  assert.deepEqual(await guest.told(HTTP), ["proxy update live, network.proxy.http"]);
});

Deno.test("proxy that goes leaves nothing, in whichever order it and the environment came and go", async () => {
  const env = { EDITOR: "vim" };
  for (const before of [undefined, "", "A=1\n", "A=1"]) {
    for (const order of ["proxy first", "env first"]) {
      for (const undoing of [["proxy", "env"], ["env", "proxy"]]) {
        const guest = new Guest(before);
        const steps = [
          () => guest.apply(HTTP, env),
          () => envKind.apply(guest.job("env"), env),
        ];
        for (const step of order === "proxy first" ? steps : steps.reverse()) await step();
        for (const address of undoing) {
          await (address === "env" ? envKind : proxyKind).undo(guest.job(address));
          const left = [proxyKind, envKind].filter((kind) =>
            undoing.indexOf(kind.kind) > undoing.indexOf(address)
          );
          for (const kind of left) {
            const [line] = await linesOf(kind, { world: world(HTTP, env), look: guest.look() });
            assert.equal(line?.action, "none", `${before} ${order} ${undoing} ${kind.kind}`);
          }
        }
        assert.equal(guest.files[ENVIRONMENT], before, `${before}, ${order}, ${undoing}`);
        assert.equal(guest.loaded, "");
        for (const path of [PROFILE, APT, UNITS, SUDO]) assert.equal(guest.files[path], undefined);
      }
    }
  }
});

Deno.test("proxy of the host that is none of http's is blocked, with the way out of it", async () => {
  const usual = worldOf();
  const host = { ...usual.host, proxy: { http: "socks5://u:secret@p:1", https: "", except: [] } };
  const told = await toldOf(proxyKind, { world: worldOf({ host }), look: new Guest("").look() });
  assert.equal(told.length, 1);
  assert.match(told[0]!, /^proxy blocked live \(.*"socks5:\/\/u:\*\*\*@p:1".*network\.proxy\.http/);
});

Deno.test("variablesOfUnits() reads what proxyFiles() writes", () => {
  const proxy = { http: "http://a:%25%41@p:1", https: "http://p:2", except: ["a", ".b"] };
  assert.deepEqual(variablesOfUnits(proxyFiles(proxy)[UNITS]!.content), proxyVariables(proxy));
});
