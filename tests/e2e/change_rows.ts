import { type ChangeRow, type Draft, measured, named, type Places, quiet, subject } from "./change_row.ts";
import { PACKAGE } from "./local_repository.ts";
import { NOTHING_INHERITED } from "./sandbox.ts";

/** The machine that the matrix starts with; each row goes on from the file of the row before it. */
export function firstDraft({ folder }: Places): Draft {
  return {
    apiVersion: "machine/v1",
    name: "dev",
    vm: { cpus: 2, memory: "1GiB", disk: "5GiB", dataDisk: "3GiB", disks: [] },
    user: { name: "ada", uid: 1200 },
    mounts: [{ source: folder("a"), target: "/mnt/a", writable: true }],
    env: {},
    packages: { install: [] },
    files: [],
    sysctl: {},
    modules: [],
    network: structuredClone(NOTHING_INHERITED),
    runtime: { engine: "docker", docker: { daemon: {}, context: { current: false } } },
    provision: [],
    ssh: {},
  };
}

const HOLDS_KEYS = "holds other keys, each with a row of its own";
/** Nobody listens there: nothing is fetched through them here. */
const PROXIES = { inherit: false, http: "http://proxy.example:3128", https: "http://proxy.example:3128" };
const ONE_VALUE = "has only one value in this version";

/** Keys that change nothing by themselves. */
const NAMED: readonly ChangeRow[] = [
  named("apiVersion", ONE_VALUE),
  named(
    "name",
    "names another machine; the one that left its file is listed, and deleted by `apply --prune`",
  ),
  named("extends", "changes nothing by itself: the keys that the other file brings do"),
  ...[
    "vm",
    "vm.image",
    "user",
    "packages",
    "network",
    "network.proxy shells",
    "network.proxy daemons",
    "network.caCerts shells",
    "network.caCerts daemons",
    "runtime",
    "runtime.registries",
    "runtime.registries.*.certificates",
    "runtime.docker",
    "runtime.docker.context",
    "runtime.containerd",
    "cni",
    "cni.plugins",
    "artifacts",
    "ssh",
  ].map(
    (key) => named(key, HOLDS_KEYS),
  ),
  ...["shells", "daemons"].map((which) =>
    named(
      `network.caCerts.host ${which}`,
      "depends on what this computer trusts; each authority then costs what one of `network.caCerts.files` does",
    )
  ),
  named("runtime.containerd.nerdctl", "needs the release archive; putting it in and out interrupts nothing"),
  ...["source", "version"].map((key) =>
    named(`cni.plugins.${key}`, "needs a release; another folder of plugins has containerd started anew")
  ),
  named("vm.driver", ONE_VALUE),
  named("vm.image.name", ONE_VALUE),
  named("vm.disks[].format", ONE_VALUE),
  named(
    "vm.disks delete",
    "is no change of the file: a disk that is taken out keeps its file, `delete --data` removes it",
  ),
  named("mounts[].type share", ONE_VALUE),
  named("mounts[].target remount", "a mount at another target is another mount"),
];

/** Changes under which everything goes on. */
const LIVE: readonly ChangeRow[] = [
  quiet("protect", "false → true", {
    edit: (it) => it.protect = true,
    reason: "decides what a later apply may do",
  }),
  measured("hostname", "dev → renamed", (it) => it.hostname = "renamed"),
  measured("timezone", "the host's → Asia/Tokyo", (it) => it.timezone = "Asia/Tokyo"),
  measured("env", "a variable added", (it) => it.env = { COLOUR: "red" }),
  measured("env", "its value changed", (it) => it.env = { COLOUR: "dark blue" }),
  measured("env", "taken out", (it) => it.env = {}),
  measured("sysctl", "a parameter added", (it) => it.sysctl = { "vm.swappiness": 11 }),
  measured("sysctl", "its value changed", (it) => it.sysctl = { "vm.swappiness": 12 }),
  measured("sysctl", "taken out", (it) => it.sysctl = {}),
  measured("modules", "a module added", (it) => it.modules = ["dummy"]),
  measured("modules", "taken out", (it) => it.modules = []),
  measured("packages.install", "a package added", (it) => it.packages.install = [PACKAGE]),
  measured("packages.install", "taken out", (it) => it.packages.install = []),
  measured("files", "a file added", (it) => it.files = [{ path: "/etc/machine-test", content: "one\n" }]),
  measured("files[].content", "one → two", (it) => it.files[0]!.content = "two\n"),
  measured("files[].owner", "root:root → ada:ada", (it) => it.files[0]!.owner = "ada:ada"),
  measured("files[].mode", "0644 → 0600", (it) => it.files[0]!.mode = "0600"),
  measured("files[].path", "another path", (it) => it.files[0]!.path = "/etc/machine test/b"),
  measured("files[].source", "a file of the host instead of content", (it, { folder }) => {
    delete it.files[0]!.content;
    it.files[0]!.source = `${folder("a")}/inside`;
  }),
  measured("files", "taken out", (it) => it.files = []),
  measured("provision", "a step added", (it) => it.provision = [{ name: "one", run: "true" }]),
  measured(
    "provision[].run",
    "edited",
    (it) => it.provision[0]!.run = 'touch "/tmp/step-$(id -u)" /tmp/step',
  ),
  measured("provision[].as", "root → user", (it) => it.provision[0]!.as = "user", { guest: "rm /tmp/step" }),
  quiet("provision[].check", "one added that succeeds", {
    edit: (it) => it.provision[0]!.check = "test -e /tmp/step",
    reason: "says that nothing is to be done",
  }),
  measured(
    "provision[].check",
    "one added that fails",
    (it) => it.provision[0]!.check = "test -e /tmp/step",
    {
      guest: "rm /tmp/step",
    },
  ),
  quiet("provision[].when", "changed → always", {
    edit: (it) => it.provision[0]!.when = "always",
    reason: "decides when an apply runs the step; that it runs is no difference",
  }),
  measured("provision[].name", "another name, so another step", (it) => {
    it.provision = [{ name: "two", run: "true" }];
  }),
  measured("provision", "taken out", (it) => it.provision = []),
  measured(
    "runtime.docker.daemon reload",
    "registry-mirrors added",
    (it) => it.runtime.docker.daemon = { "registry-mirrors": ["https://a.example"] },
  ),
  measured(
    "runtime.docker.daemon reload",
    "registry-mirrors taken out",
    (it) => it.runtime.docker.daemon = {},
  ),
  measured("runtime.registries.*.mirrors", "a mirror added", (it) => {
    it.runtime.registries = { "docker.io": { mirrors: ["https://b.example"] } };
  }),
  measured("runtime.registries.*.insecure", "a registry that may speak http", (it) => {
    it.runtime.registries!["localhost:5000"] = { insecure: true };
  }),
  measured("runtime.registries.*.insecure", "true → false", (it) => {
    it.runtime.registries!["localhost:5000"]!.insecure = false;
  }),
  measured("runtime.registries.*.certificates.ca", "an authority of its own", (it, { certificates }) => {
    it.runtime.registries!["localhost:5000"]!.certificates = { ca: certificates.authority };
  }),
  measured(
    "runtime.registries.*.certificates.cert",
    "a certificate to show, with its key",
    (it, { certificates }) => {
      Object.assign(it.runtime.registries!["localhost:5000"]!.certificates!, {
        cert: certificates.certificate,
        key: certificates.key,
      });
    },
    { also: [subject("runtime.registries.*.certificates.key")] },
  ),
  measured("runtime.registries.*.credentials", "none → host", (it) => {
    it.runtime.registries!["localhost:5000"]!.credentials = "host";
  }),
  measured("runtime.registries.*.mirrors", "all taken out", (it) => it.runtime.registries = {}),
  quiet("artifacts.mirror", "another one", {
    edit: (it, { folder }) => it.artifacts = { mirror: folder("a") },
    reason: "decides where a release comes from, not which",
  }),
  quiet("artifacts.offline", "false → true", {
    edit: (it) => it.artifacts = { offline: true },
    reason: "decides whether a release may come over the network",
  }),
  measured("runtime.docker.context.name", "another name", (it) => it.runtime.docker.context.name = "mine"),
  measured("runtime.docker.context.current", "false → true", (it) => {
    it.runtime.docker.context.current = true;
  }),
  quiet("runtime.docker.context.current", "true → false", {
    edit: (it) => it.runtime.docker.context.current = false,
    reason: "leaves the choice to you: the context that is current stays so",
  }),
  measured("ssh.port", "chosen by machine → another one", (it, { port }) => it.ssh.port = port),
  measured("ssh.config", "false → true", (it) => it.ssh.config = true),
  quiet("ssh.agent", "false → true", {
    edit: (it) => it.ssh.agent = true,
    reason: "is for the next `shell` and `exec`",
  }),
  measured("user.shell", "/bin/bash → /bin/sh", (it) => it.user.shell = "/bin/sh"),
  measured("user.sudo", "true → false", (it) => it.user.sudo = false),
  measured("vm.disk grow", "5GiB → 6GiB", (it) => it.vm.disk = "6GiB"),
  measured("vm.dataDisk grow", "3GiB → 4GiB", (it) => it.vm.dataDisk = "4GiB"),
  measured("vm.disks add", "a disk added", (it) => {
    it.vm.disks = [{ name: "scratch", size: "64MiB", target: "/mnt/scratch" }];
  }),
  measured("vm.disks[].size grow", "64MiB → 96MiB", (it) => it.vm.disks[0]!.size = "96MiB"),
  measured("vm.disks[].target", "/mnt/scratch → /mnt/other", (it) => it.vm.disks[0]!.target = "/mnt/other"),
  measured("vm.disks remove", "taken out: its file is kept", (it) => it.vm.disks = []),
  measured("vm.disks add", "the same disk comes back with what is on it", (it) => {
    it.vm.disks = [{ name: "scratch", size: "96MiB", target: "/mnt/scratch" }];
  }),
  measured("vm.disks[].name add", "another name, so another disk", (it) => it.vm.disks[0]!.name = "second", {
    also: [subject("vm.disks[].name remove")],
  }),
  quiet("mounts[].optional", "false → true", {
    edit: (it) => it.mounts[0]!.optional = true,
    reason: "decides what a missing source means",
  }),
  measured("mounts[].options", "cache: none", (it) => it.mounts[0]!.options = { cache: "none" }),
  measured("mounts[].type remount", "something else mounted there in the guest", () => {}, {
    guest: "umount /mnt/a; mount -t tmpfs none /mnt/a",
  }),
  measured("mounts[].writable remount", "mounted read-only in the guest", () => {}, {
    guest: "mount -o remount,ro /mnt/a",
  }),
  measured("mounts remount", "unmounted in the guest", () => {}, { guest: "umount /mnt/a" }),
  measured("mounts remove", "taken out", (it) => it.mounts = []),
  measured("mounts remount", "the same mount comes back before the next start", (it, { folder }) => {
    it.mounts = [{ source: folder("a"), target: "/mnt/a", writable: true }];
  }),
];

const OWN_NETWORK = { cniVersion: "1.0.0", name: "own", plugins: [{ type: "bridge" }] };

/** Changes that interrupt programs in the guest. */
const SERVICE: readonly ChangeRow[] = [
  measured("user.name", "ada → eve", (it) => it.user.name = "eve"),
  measured("user.uid", "1200 → 1300", (it) => it.user.uid = 1300),
  measured(
    "runtime.docker.daemon restart",
    "log-opts added",
    (it) => it.runtime.docker.daemon = { "log-opts": { "max-size": "7m" } },
  ),
  measured("network.proxy.http daemons", "proxies for everything", (it) => {
    it.network.proxy = { ...PROXIES, except: [".corp.test"] };
  }, {
    also: [
      subject("network.proxy.https daemons"),
      subject("network.proxy.except daemons"),
      subject("network.proxy.inherit daemons"),
    ],
  }),
  measured("network.caCerts.files daemons", "an authority added", (it, { certificates }) => {
    it.network.caCerts.files = [certificates.authority];
  }),
  measured("runtime.engine stop", "docker → containerd", (it) => {
    it.runtime.engine = "containerd";
    it.runtime.containerd = { nerdctl: false };
  }),
  measured("runtime.containerd.cri", "true → false", (it) => it.runtime.containerd!.cri = false),
  measured("runtime.containerd.snapshotter", "overlayfs → native", (it) => {
    it.runtime.containerd!.snapshotter = "native";
  }),
  measured("cni.network", "auto → none", (it) => it.cni = { network: "none" }),
  measured("cni.network.conflist", "a network of the file's own", (it) => {
    it.cni = { network: { conflist: OWN_NETWORK } };
  }),
  measured("cni.network", "taken out", (it) => delete it.cni),
  measured("runtime.containerd.config", "a key added", (it) => {
    it.runtime.containerd!.config = { debug: { level: "info" } };
  }),
  measured("runtime.containerd.config", "taken out", (it) => it.runtime.containerd!.config = {}),
  measured("runtime.engine stop", "containerd → none", (it) => it.runtime.engine = "none"),
];

/** What is live where nothing runs containers, and costs the engine a restart where something does. */
const WITHOUT_ENGINE: readonly ChangeRow[] = [
  measured("network.proxy.http shells", "other proxies", (it) => {
    it.network.proxy = { ...PROXIES, http: "http://other.example:3128", except: [] };
  }, {
    also: [
      subject("network.proxy.https shells"),
      subject("network.proxy.except shells"),
      subject("network.proxy.inherit shells"),
    ],
  }),
  measured("network.proxy.http shells", "taken out", (it) => it.network.proxy = { inherit: false }),
  measured("network.caCerts.files shells", "taken out", (it) => it.network.caCerts.files = []),
  measured("runtime.engine start", "none → docker", (it) => it.runtime.engine = "docker"),
];

/** Changes that start the guest anew. */
const RESTART: readonly ChangeRow[] = [
  measured("mounts add", "a mount added", (it, { folder }) => {
    it.mounts.push({ source: folder("b"), target: "/mnt/b" });
  }),
  measured("mounts[].source remount", "another folder of the host mounted there in the guest", () => {}, {
    guest: "tag=$(findmnt -no SOURCE /mnt/b); umount /mnt/a /mnt/b; " +
      "mount -t 9p -o trans=virtio,version=9p2000.L $tag /mnt/a",
  }),
  measured("mounts[].source share", "another folder", (it, { folder }) => it.mounts[1]!.source = folder("c")),
  measured("mounts[].target share", "/mnt/b → /mnt/c", (it) => it.mounts[1]!.target = "/mnt/c"),
  measured("mounts[].writable share", "false → true", (it) => it.mounts[1]!.writable = true),
  measured("vm.memory", "1GiB → 1280MiB", (it) => it.vm.memory = "1280MiB"),
  measured("vm.accel", "auto → tcg", (it) => it.vm.accel = "tcg", {
    dependsOnHost: "restart, unless auto means the same",
  }),
  measured("vm.cpu", "auto → another model", (it) => it.vm.cpu = "max,-cx16,-rdrand"),
];

/** Changes that make disks anew. */
const ANEW: readonly ChangeRow[] = [
  quiet("vm.arch", "host → the same by its name", {
    edit: (it) => it.vm.arch = Deno.build.arch,
    reason: "only the host's own is supported",
  }),
  quiet("vm.image.source", "auto → build", {
    edit: (it) => it.vm.image = { name: "debian-13", source: "build" },
    reason: "auto means build; how an image came here is never compared",
  }),
  measured("vm.disk shrink", "6GiB → 5GiB", (it) => it.vm.disk = "5GiB"),
  measured("vm.disks[].size shrink", "96MiB → 64MiB", (it) => it.vm.disks[0]!.size = "64MiB"),
  measured("vm.dataDisk shrink", "4GiB → 3GiB", (it) => it.vm.dataDisk = "3GiB"),
  measured("vm.dataDisk none", "3GiB → none", (it) => it.vm.dataDisk = "none"),
  measured("vm.dataDisk attach", "none → 3GiB", (it) => it.vm.dataDisk = "3GiB"),
  // The last one: fewer make every row after it slower.
  measured("vm.cpus", "2 → 1", (it) => it.vm.cpus = 1),
];

/** Every row, in the order in which they are run. */
export const CHANGE_ROWS: readonly ChangeRow[] = [
  ...NAMED,
  ...LIVE,
  ...SERVICE,
  ...WITHOUT_ENGINE,
  ...RESTART,
  ...ANEW,
];
