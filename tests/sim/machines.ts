import fc from "fast-check";
import type { Engine, Json } from "../../lib/config/types.ts";
import { ISSUING, ROOT } from "../unit/certificates_fixture.ts";
import type { FileKeys } from "./simulation.ts";

/** The password of a proxy that a file names, which its plans do not show. */
export const FILE_SECRET = "secret-of-the-file";
const SECRET_PROXY = `http://me:${FILE_SECRET}@proxy.invalid:3128`;

/** The authorities that files may name, as PEM, by their paths on the host. */
export const AUTHORITY_FILES = { "~/trust/root.pem": ROOT, "~/trust/issuing.pem": ISSUING };

/** A value of each key that a random machine file may have; what a file leaves out has its default. */
const users = fc.record({
  name: fc.constantFrom("ada", "bob"),
  uid: fc.constantFrom(1000, 1001),
  shell: fc.constantFrom("/bin/bash", "/bin/sh"),
  sudo: fc.boolean(),
});

const files = fc.uniqueArray(
  fc.record({
    path: fc.constantFrom(
      "/etc/motd",
      "/etc/issue",
      "/etc/new/one",
      "/etc/new/two/three",
      "/opt/tool",
      "/home/ada.guest/.config/tool/rc",
      "/usr/local/bin/tool",
    ),
    text: fc.constantFrom("one\n", "two\n", "", "no end", undefined),
    owner: fc.constantFrom("root:root", "USER:USER"),
    mode: fc.constantFrom("0644", "0600", "0755"),
  }),
  { selector: ({ path }) => path, maxLength: 5 },
);

const env = fc.dictionary(
  fc.constantFrom("A", "B", "PATH_OF"),
  fc.constantFrom("1", "two words", 'it\'s "quoted"', "$HOME\\x"),
  { maxKeys: 3 },
);

const sysctl = fc.dictionary(
  fc.constantFrom(
    "vm.max_map_count",
    "vm.swappiness",
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
  ),
  fc.constantFrom(0, 1, 10),
  { maxKeys: 3 },
);

const provision = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("first", "second", "third"),
    run: fc.constantFrom("log", "log\ntouch /opt/did", "echo said\ntouch /opt/did-too"),
    check: fc.constantFrom(undefined, "true", "test -e /opt/did"),
    as: fc.constantFrom("root", "user"),
    when: fc.constantFrom("changed", "changed", "always"),
  }),
  { selector: ({ name }) => name, maxLength: 3 },
);

const daemon = fc.record({
  "debug": fc.boolean(),
  "registry-mirrors": fc.constantFrom(["https://mirror.invalid"], [
    "https://mirror.invalid",
    "https://b.invalid",
  ]),
  "log-driver": fc.constantFrom("local", "json-file"),
  "shutdown-timeout": fc.constantFrom(15, 20),
}, { requiredKeys: [] });

const daemonProxy = fc.constantFrom("", "http://proxy.invalid:3128", "http://127.0.0.1:3128", SECRET_PROXY);

const network = fc.record({
  proxy: fc.record({
    inherit: fc.boolean(),
    http: daemonProxy,
    https: daemonProxy,
    except: fc.subarray([".corp.invalid", "10.0.0.0/8"]),
  }, { requiredKeys: [] }),
  caCerts: fc.record({ host: fc.boolean(), files: fc.subarray(Object.keys(AUTHORITY_FILES)) }, {
    requiredKeys: [],
  }),
});

const certificates = fc.constantFrom(
  {},
  { ca: "~/trust/root.pem" },
  { ca: "~/trust/root.pem", cert: "~/trust/client.pem", key: "~/trust/client.key" },
);

/** Registries by their hosts; of docker.io alone dockerd knows mirrors. */
const registries = fc.record({
  "docker.io": fc.record({
    mirrors: fc.constantFrom(["https://mirror.invalid"], ["https://a.invalid", "http://b.invalid:5000"]),
    credentials: fc.constantFrom("none", "host"),
  }, { requiredKeys: [] }),
  "localhost:5000": fc.record({ insecure: fc.boolean() }),
  "registry.corp.invalid": fc.record({ certificates, credentials: fc.constantFrom("none", "host") }, {
    requiredKeys: [],
  }),
  "other.invalid:8443": fc.record({ mirrors: fc.constant(["https://mirror.invalid/other"]) }),
}, { requiredKeys: [] });

/** As often as they are met. */
const engine = fc.oneof(
  { weight: 6, arbitrary: fc.constant("docker") },
  { weight: 3, arbitrary: fc.constant("containerd") },
  { weight: 1, arbitrary: fc.constant("none") },
);

const containerd = fc.record({
  nerdctl: fc.boolean(),
  cri: fc.constantFrom("auto", true, false),
  snapshotter: fc.constantFrom("overlayfs", "native"),
  config: fc.constantFrom(
    {},
    { debug: { level: "debug" } },
    { debug: { level: "debug" }, grpc: { max_recv_message_size: 1024 } },
    { plugins: { "io.containerd.grpc.v1.cri": { sandbox_image: "pause.invalid/pause:1" } } },
    { oom_score: 0, plugins: { "io.containerd.gc.v1.scheduler": { startup_delay: "1s" } } },
  ),
}, { requiredKeys: [] });

/** A network of the user's own, with a bridge and plugins of its own. */
function conflist(name: string, ...types: readonly string[]): Json {
  const bridge = { type: "bridge", bridge: name, ipam: { type: "host-local", subnet: "10.90.0.0/16" } };
  return { conflist: { cniVersion: "1.0.0", name, plugins: [bridge, ...types.map((type) => ({ type }))] } };
}

const cni = fc.record({
  network: fc.oneof(
    fc.constantFrom<Json>("auto", "auto", "flannel", "none"),
    fc.constantFrom(conflist("mine0"), conflist("mine1", "tuning", "portmap")),
  ),
  plugins: fc.constantFrom<Json>(
    {},
    { source: "auto" },
    { source: "package" },
    { source: "release" },
    { source: "release", version: "v1.6.0" },
    { version: "v1.6.0" },
  ),
}, { requiredKeys: [] });

const disks = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("more", "scratch"),
    size: fc.constantFrom("256MiB", "512MiB"),
    target: fc.constantFrom("/mnt/one", "/mnt/two", "/srv/deep/three"),
  }),
  { selector: ({ name }) => name, maxLength: 2 },
);

const mounts = fc.uniqueArray(
  fc.record({
    source: fc.constantFrom("~/work", "~/notes"),
    target: fc.constantFrom("/srv/work", "/srv/notes"),
    writable: fc.boolean(),
  }),
  { selector: ({ target }) => target, maxLength: 2 },
);

const vm = fc.record({
  cpus: fc.constantFrom(1, 2),
  memory: fc.constantFrom("512MiB", "1GiB"),
  disk: fc.constantFrom("4GiB", "6GiB"),
  dataDisk: fc.constantFrom("1GiB", "2GiB", "none"),
  disks,
});

/** What a random file is made of. */
const parts = fc.record({
  vm,
  user: users,
  files,
  provision,
  daemon,
  engine,
  registries,
  containerd,
  cni,
  network,
  mounts,
  sysctl,
  env,
  hostname: fc.constantFrom("dev", "other"),
  timezone: fc.constantFrom("Etc/UTC", "Europe/Berlin", "Asia/Calcutta"),
  install: fc.uniqueArray(fc.constantFrom("jq", "git", "curl", "vim", "zsh", "less"), { maxLength: 4 }),
  modules: fc.uniqueArray(fc.constantFrom("dummy", "br_netfilter", "tcp_cubic", "overlay"), { maxLength: 3 }),
  current: fc.boolean(),
  config: fc.boolean(),
});

/** A random machine file without mistakes: what it names is there when its turn comes. */
export const machineFile: fc.Arbitrary<FileKeys> = parts.map((it): FileKeys => {
  const isBridged = "net.bridge.bridge-nf-call-iptables" in it.sysctl;
  return {
    hostname: it.hostname,
    timezone: it.timezone,
    vm: { ...it.vm, disks: apart(it.vm.disks) },
    user: it.user,
    env: it.env,
    sysctl: it.sysctl,
    modules: [...new Set([...it.modules, ...(isBridged ? ["br_netfilter"] : [])])],
    packages: { install: [...it.install, ...(it.timezone === "Asia/Calcutta" ? ["tzdata-legacy"] : [])] },
    files: it.files.map(({ path, text, owner, mode }) => ({
      path,
      owner: owner.replaceAll("USER", it.user.name),
      mode,
      ...(text === undefined ? { source: "~/notes/source" } : { content: text }),
    })),
    provision: it.provision.map(stepOf),
    mounts: it.mounts,
    ssh: { config: it.config },
    network: it.network,
    runtime: {
      engine: it.engine,
      registries: registriesFor(it.engine, it.registries),
      docker: { daemon: it.daemon, context: { current: it.current } },
      containerd: it.containerd,
    },
    cni: it.cni,
  };
});

/** dockerd knows mirrors of Docker's own registry alone. */
function registriesFor(engine: string, registries: Readonly<Record<string, Json>>): Json {
  const { "other.invalid:8443": other, ...both } = registries;
  return engine === "docker" || other === undefined ? both : registries;
}

/** A disk's place is its own. */
function apart<T extends { readonly target: string }>(disks: readonly T[]): readonly T[] {
  return disks.filter(({ target }, index) => disks.findIndex((other) => other.target === target) === index);
}

/** A step whose check passes once it has run. */
function stepOf({ check, run, ...step }: {
  readonly name: string;
  readonly run: string;
  readonly check: string | undefined;
  readonly as: string;
  readonly when: string;
}): Json {
  const named = run.replace("log", `log ${step.name}`);
  const commands = check === "test -e /opt/did" ? `${named}\ntouch /opt/did` : named;
  return { ...step, run: commands, ...(check === undefined ? {} : { check }) };
}

/** The same file without what runs at every apply. */
export function quiet(keys: FileKeys): FileKeys {
  const steps = keys["provision"] as readonly { readonly [key: string]: Json }[];
  return { ...keys, provision: steps.map((step) => ({ ...step, when: "changed" })) };
}

/** The same file with another engine. */
export function withEngine(keys: FileKeys, engine: Engine): FileKeys {
  const { registries, ...runtime } = keys["runtime"] as { readonly [key: string]: Json };
  const known = registriesFor(engine, registries as { readonly [key: string]: Json });
  return { ...keys, runtime: { ...runtime, registries: known, engine } };
}
