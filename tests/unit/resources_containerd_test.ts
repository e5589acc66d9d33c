import assert from "node:assert/strict";
import { parse } from "smol-toml";
import type { Json, Registry } from "../../lib/config/types.ts";
import {
  changeOf,
  compareTrees,
  type ConfigSettings,
  configText,
  type ConfigTree,
  CRI,
  hasCri,
  isBad,
  parseConfig,
  wantedConfig,
} from "../../lib/resources/containerd/config_tree.ts";
import { proxyDropIn, proxyHash } from "../../lib/resources/containerd/drop_in.ts";
import { hostFiles } from "../../lib/resources/containerd/hosts.ts";
import { wantedFiles } from "../../lib/resources/registry_files.ts";
import { listTasks } from "../../lib/resources/containerd/tasks.ts";
import { guestOf, MACHINE, withHome } from "./resources_fixture.ts";

/** The file of Debian 13's package. */
const DEBIAN = `version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
`;

function treeOf(text: string): ConfigTree {
  const tree = parseConfig(text);
  assert.ok(!isBad(tree));
  return tree;
}

function settingsOf(parts: Partial<ConfigSettings> = {}): ConfigSettings {
  return { ...MACHINE.runtime.containerd, pluginFolder: "/usr/lib/cni", ...parts };
}

function at(tree: Json | undefined, ...path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((part, key) => (part as ConfigTree | undefined)?.[key], tree);
}

/** The differences between the configurations of two settings, as texts. */
function differences(before: Partial<ConfigSettings>, after: Partial<ConfigSettings>): string[] {
  const wanted = settingsOf(after);
  const trees = [before, after].map((parts) => wantedConfig(treeOf(DEBIAN), settingsOf(parts)));
  return compareTrees(trees[0], trees[1]).map((difference) => changeOf(difference, wanted))
    .map(({ path, before, after, effect, note }) =>
      `${path} ${JSON.stringify(before)} → ${JSON.stringify(after)} ${effect}${note ? ` # ${note}` : ""}`
    );
}

Deno.test("wantedConfig() merges the distribution's tables with ours and the user's, and keeps its version", () => {
  const config = wantedConfig(
    treeOf(DEBIAN),
    settingsOf({
      config: { version: 3, plugins: { [CRI]: { sandbox_image: "pause:3", cni: { max_conf_num: 2 } } } },
    }),
  );
  assert.equal(config["version"], 2);
  assert.equal(config["root"], "/var/lib/containerd");
  assert.deepEqual(at(config, "plugins", CRI, "cni"), {
    bin_dir: "/usr/lib/cni",
    conf_dir: "/etc/cni/net.d",
    max_conf_num: 2,
  });
  assert.equal(at(config, "plugins", CRI, "sandbox_image"), "pause:3");
  assert.equal(at(config, "plugins", CRI, "registry", "config_path"), "/etc/containerd/certs.d");
  assert.equal(at(config, "plugins", "io.containerd.internal.v1.opt", "path"), "/var/lib/containerd/opt");
});

Deno.test("wantedConfig() replaces arrays, and what the user says goes before what we say", () => {
  const distribution: ConfigTree = { version: 2, "required_plugins": ["a", "b"] };
  const config = wantedConfig(
    distribution,
    settingsOf({
      config: { required_plugins: ["c"], plugins: { [CRI]: { containerd: { snapshotter: "zfs" } } } },
    }),
  );
  assert.deepEqual(config["required_plugins"], ["c"]);
  assert.equal(at(config, "plugins", CRI, "containerd", "snapshotter"), "zfs");
});

Deno.test("another folder of CNI's plugins is told by the key that has chosen it, unless the user has said it", () => {
  const other = { pluginFolder: "/opt/cni/bin" };
  assert.equal(
    at(wantedConfig(treeOf(DEBIAN), settingsOf(other)), "plugins", CRI, "cni", "bin_dir"),
    "/opt/cni/bin",
  );
  assert.deepEqual(differences({}, other), [
    'cni.plugins.source "/usr/lib/cni" → "/opt/cni/bin" service',
  ]);
  const config = { plugins: { [CRI]: { cni: { bin_dir: "/srv/cni" } } } };
  assert.deepEqual(differences({ config }, { config, ...other }), []);
  assert.deepEqual(differences(other, { config, ...other }), [
    `runtime.containerd.config.plugins["${CRI}"].cni.bin_dir "/opt/cni/bin" → "/srv/cni" service`,
  ]);
});

const CRI_ROWS: readonly (readonly [string, ConfigTree, Partial<ConfigSettings>, Json | undefined])[] = [
  ["on, as the distribution has it", {}, {}, undefined],
  ["off", {}, { cri: false }, [CRI]],
  ["off beside others", { disabled_plugins: ["x"] }, { cri: false }, ["x", CRI]],
  ["off by its short name already", { disabled_plugins: ["cri"] }, { cri: false }, ["cri"]],
  ["on where the distribution has it off", { disabled_plugins: ["cri", "x"] }, {}, ["x"]],
  ["off by the user's own list", {}, { config: { disabled_plugins: ["cri"] } }, ["cri"]],
];
for (const [name, distribution, parts, list] of CRI_ROWS) {
  Deno.test(`wantedConfig(): Kubernetes' interface ${name}`, () => {
    const config = wantedConfig(distribution, settingsOf(parts));
    assert.deepEqual(config["disabled_plugins"], list);
    assert.equal(hasCri(config), !/^off/.test(name));
  });
}

Deno.test("a configuration is the same after it was written and read", () => {
  const config = wantedConfig(
    treeOf(DEBIAN),
    settingsOf({
      config: { debug: { level: 'a "quoted" \\ one' }, oom_score: -5, "x.y": { z: [1, [2], { a: 0.5 }] } },
    }),
  );
  assert.deepEqual(compareTrees(treeOf(configText(config)), config), []);
  assert.match(configText(config), /^# Written by machine[^]*\n$/);
});

Deno.test("parseConfig() says what is wrong with a text that is no TOML", () => {
  const config = parseConfig("version = \n");
  assert.ok(isBad(config) && config.problem !== "");
});

Deno.test("a difference stands at the key that decides about it, with quotes where they are needed", () => {
  assert.deepEqual(differences({}, { cri: false }), ["runtime.containerd.cri true → false service"]);
  assert.deepEqual(differences({}, { snapshotter: "native" }), [
    'runtime.containerd.snapshotter "overlayfs" → "native" service # images are unpacked again',
  ]);
  assert.deepEqual(differences({}, { config: { plugins: { [CRI]: { sandbox_image: "p" } } } }), [
    `runtime.containerd.config.plugins["${CRI}"].sandbox_image undefined → "p" service`,
  ]);
  assert.deepEqual(differences({}, { config: { root: "/srv/c" } }), [
    'runtime.containerd.config.root "/var/lib/containerd" → "/srv/c" service ' +
    "# hides the present images and containers until it is changed back",
  ]);
  assert.deepEqual(differences({ config: { debug: { level: "info" } } }, { config: { debug: {} } }), [
    'runtime.containerd.config.debug.level "info" → undefined service',
  ]);
});

const MIRROR: Registry = {
  host: "localhost:5000",
  mirrors: [],
  insecure: true,
  certificates: {},
  credentials: "none",
};
const PLAIN: Registry = { ...MIRROR, host: "docker.io", insecure: false };

/** The hosts.toml of the first of some registries, and its text. */
async function hostsOf(
  ...registries: readonly Registry[]
): Promise<{ text: string; toml: unknown } | undefined> {
  const files = await hostFiles({ ...MACHINE, runtime: { ...MACHINE.runtime, registries } });
  const path = `/etc/containerd/certs.d/${registries[0]!.host}/hosts.toml`;
  const text = files.find((file) => file.path === path)?.content;
  return typeof text === "string" ? { text, toml: structuredClone(parse(text)) } : undefined;
}

Deno.test("hosts.toml: mirrors in their order, then the registry itself, trusted as their own hosts are", async () => {
  const mirrors = ["https://b.test", "http://localhost:5000", "https://a.test/proxy"];
  const hosts = await hostsOf({ ...PLAIN, mirrors }, MIRROR);
  assert.deepEqual(hosts?.toml, {
    server: "https://registry-1.docker.io",
    capabilities: ["pull", "resolve", "push"],
    host: {
      "https://b.test": { capabilities: ["pull", "resolve"] },
      "http://localhost:5000": { capabilities: ["pull", "resolve"], skip_verify: true },
      "https://a.test/proxy": { capabilities: ["pull", "resolve"] },
    },
  });
  const places = mirrors.map((mirror) => hosts!.text.indexOf(`[host."${mirror}"]`));
  assert.ok(places.every((place, index) => place > (places[index - 1] ?? 0)), hosts!.text);
});

Deno.test("hosts.toml: an insecure registry is tried by TLS and without, and stands in a table as well", async () => {
  const own = { capabilities: ["pull", "resolve", "push"], "skip_verify": true };
  assert.deepEqual((await hostsOf(MIRROR))?.toml, {
    server: "http://localhost:5000",
    ...own,
    host: { "http://localhost:5000": own },
  });
});

Deno.test("hosts.toml: none for a registry of which there is nothing to say", async () => {
  assert.equal(await hostsOf(PLAIN), undefined);
  assert.equal(await hostsOf({ ...PLAIN, credentials: "host" }), undefined);
});

Deno.test("hosts.toml: certificates stand beside it, the key for root alone; a missing one is said", () =>
  withHome(async (home) => {
    for (const name of ["ca", "cert", "key"]) await Deno.writeTextFile(`${home}/${name}.pem`, name);
    const certificates = { ca: `${home}/ca.pem`, cert: `${home}/cert.pem`, key: `${home}/key.pem` };
    const registries = [{ ...PLAIN, host: "r.test", certificates }];
    const machine = { ...MACHINE, runtime: { ...MACHINE.runtime, registries } };
    const files = await hostFiles(machine);
    const folder = "/etc/containerd/certs.d/r.test";
    assert.deepEqual(files.map(({ path, mode }) => [path, mode]), [
      [`${folder}/hosts.toml`, "0644"],
      [`${folder}/ca.crt`, "0644"],
      [`${folder}/client.cert`, "0644"],
      [`${folder}/client.key`, "0600"],
    ]);
    assert.deepEqual((await hostsOf(...registries))?.toml, {
      server: "https://r.test",
      ...{
        capabilities: ["pull", "resolve", "push"],
        ca: `${folder}/ca.crt`,
        client: [[`${folder}/client.cert`, `${folder}/client.key`]],
      },
      host: {
        "https://r.test": {
          capabilities: ["pull", "resolve", "push"],
          ca: `${folder}/ca.crt`,
          client: [[`${folder}/client.cert`, `${folder}/client.key`]],
        },
      },
    });
    await Deno.remove(certificates.key);
    assert.match(
      String(await wantedFiles(hostFiles(machine))),
      /^A certificate of runtime\.registries cannot be read: /,
    );
  }));

Deno.test("proxyDropIn() quotes what systemd would read as more than text, and hides a password from others", () => {
  const proxy = { http: "http://ada:p%40s@p.test:3128", https: "", except: ["localhost", ".corp.test"] };
  assert.deepEqual(proxyDropIn(proxy), {
    mode: "0600",
    content: '[Service]\nEnvironment="HTTP_PROXY=http://ada:p%%40s@p.test:3128"\n' +
      'Environment="NO_PROXY=localhost,.corp.test"\n',
  });
  assert.equal(proxyDropIn({ ...proxy, http: "http://p.test:3128" })?.mode, "0644");
  assert.equal(proxyDropIn({ http: "", https: "", except: [] }), undefined);
  assert.equal(proxyHash({ http: "", https: "", except: [] }), "");
  assert.notEqual(proxyHash(proxy), proxyHash({ ...proxy, http: "http://ada:other@p.test:3128" }));
});

Deno.test("listTasks() reads namespaces and what runs in them; a containerd that is silent is an error", async () => {
  const output =
    "namespace default\ntask default 1f web\ntask default c1\nnamespace k8s.io\ntask k8s.io 2a pod/app";
  assert.deepEqual(await listTasks(guestOf(undefined, () => ({ output }))), {
    namespaces: ["default", "k8s.io"],
    running: [
      { namespace: "default", id: "1f", name: "web" },
      { namespace: "default", id: "c1", name: "c1" },
      { namespace: "k8s.io", id: "2a", name: "pod/app" },
    ],
  });
  await assert.rejects(
    listTasks(guestOf(undefined, () => ({ ok: false, output: "ctr: no socket" }))),
    /containerd does not list its containers/,
  );
});
