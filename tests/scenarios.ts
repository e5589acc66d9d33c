/**
 * Short stories of a machine, with what the plan has to say at each turn. They are run on a real guest and on the
 * simulated one, so that the simulation is held against reality.
 */
export interface Scenario {
  readonly name: string;
  readonly steps: readonly ScenarioStep[];
}

/** One turn: something happens, the plan is compared, an apply follows, and then nothing may differ. */
export interface ScenarioStep {
  readonly happens: Happening;
  /** The lines of the plan in its order: `action address effect: path, path`; a mark behind a path that was changed outside. */
  readonly plan: readonly string[];
}

/** What happens before a plan is made. */
export type Happening =
  /** The file has these keys beside those of {@link SCENARIO_BASE}, and no others. */
  | { readonly kind: "file"; readonly keys: Readonly<Record<string, unknown>> }
  /** Somebody works in the guest as root. */
  | { readonly kind: "hand"; readonly edit: GuestEdit }
  /** The VM dies, the agent dies, or the machine is stopped as it should be. */
  | { readonly kind: "power"; readonly event: "vm-killed" | "agent-killed" | "stopped" };

/** An edit in the guest that a simulated guest can do too. */
export type GuestEdit =
  | { readonly edit: "write"; readonly path: string; readonly content: string }
  | { readonly edit: "remove"; readonly path: string }
  | { readonly edit: "mode"; readonly path: string; readonly mode: string }
  | { readonly edit: "parameter"; readonly key: string; readonly value: string }
  | { readonly edit: "unload-module"; readonly name: string }
  | { readonly edit: "hostname"; readonly name: string }
  | { readonly edit: "unmount"; readonly target: string };

/** The file that every scenario starts from and ends with. */
export const SCENARIO_BASE: Readonly<Record<string, unknown>> = {
  apiVersion: "machine/v1",
  name: "story",
  hostname: "story",
  timezone: "Etc/UTC",
  vm: { cpus: 2, memory: "1GiB", disk: "5GiB", dataDisk: "3GiB" },
  user: { name: "ada", uid: 1200 },
  mounts: [],
  // What the host has differs from one to the next.
  network: { proxy: { inherit: false }, caCerts: { host: false } },
  runtime: { engine: "docker" },
};

const VM = { cpus: 2, memory: "1GiB", disk: "5GiB", dataDisk: "3GiB" };

function file(keys: Readonly<Record<string, unknown>>, ...plan: readonly string[]): ScenarioStep {
  return { happens: { kind: "file", keys }, plan };
}

function hand(edit: GuestEdit, ...plan: readonly string[]): ScenarioStep {
  return { happens: { kind: "hand", edit }, plan };
}

function power(event: "vm-killed" | "agent-killed" | "stopped", ...plan: readonly string[]): ScenarioStep {
  return { happens: { kind: "power", event }, plan };
}

const NOTE = "/etc/note";
const note = (rest: Readonly<Record<string, string>>) => ({ files: [{ path: NOTE, ...rest }] });
const disk = (rest: Readonly<Record<string, string>>) => ({
  vm: { ...VM, disks: [{ name: "more", size: "64MiB", target: "/mnt/more", ...rest }] },
});
const proxy = (rest: Readonly<Record<string, unknown>>) => ({
  network: { proxy: { inherit: false, ...rest }, caCerts: { host: false } },
});
const registries = (all: Readonly<Record<string, unknown>>) => ({
  runtime: { engine: "docker", registries: all },
});
const containerd = (rest: Readonly<Record<string, unknown>>) => ({
  runtime: { engine: "containerd", containerd: { nerdctl: false, ...rest } },
});
const step = (rest: Readonly<Record<string, string>>) => ({
  provision: [{ name: "one", run: "true", ...rest }],
});

/** The scenarios. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "the environment comes, changes, is edited by somebody, and goes",
    steps: [
      file({ env: { COLOUR: "red" } }, "create env live"),
      file({ env: { COLOUR: "red", SIZE: "9 m" } }, "update env live: env.SIZE"),
      hand(
        { edit: "write", path: "/etc/environment", content: "OTHER=1\n" },
        "update env live: env.COLOUR (changed outside), env.SIZE (changed outside)",
      ),
      file({}, "delete env live"),
    ],
  },
  {
    name: "a file comes, changes, is edited and removed by somebody, and goes",
    steps: [
      file(note({ content: "one\n" }), `create file:${NOTE} live`),
      file(
        note({ content: "two\n", mode: "0600" }),
        `update file:${NOTE} live: files[${NOTE}].content, files[${NOTE}].mode`,
      ),
      hand(
        { edit: "write", path: NOTE, content: "theirs\n" },
        `update file:${NOTE} live: files[${NOTE}].content (changed outside)`,
      ),
      hand({ edit: "remove", path: NOTE }, `create file:${NOTE} live (removed outside)`),
      file({}, `delete file:${NOTE} live`),
    ],
  },
  {
    name: "the file and the guest change one thing at different places",
    steps: [
      file(note({ content: "one\n" }), `create file:${NOTE} live`),
      hand(
        { edit: "mode", path: NOTE, mode: "0666" },
        `update file:${NOTE} live: files[${NOTE}].mode (changed outside)`,
      ),
      file(
        { ...note({ content: "two\n" }), env: { A: "b" } },
        "create env live",
        `update file:${NOTE} live: files[${NOTE}].content`,
      ),
      file({}, `delete file:${NOTE} live`, "delete env live"),
    ],
  },
  {
    name: "a kernel parameter comes, changes, is set by somebody, and goes",
    steps: [
      file({ sysctl: { "vm.swappiness": 11 } }, "create sysctl:vm.swappiness live"),
      file({ sysctl: { "vm.swappiness": 12 } }, 'update sysctl:vm.swappiness live: sysctl["vm.swappiness"]'),
      hand(
        { edit: "parameter", key: "vm.swappiness", value: "99" },
        'update sysctl:vm.swappiness live: sysctl["vm.swappiness"] (changed outside)',
      ),
      file({}, "delete sysctl:vm.swappiness live"),
    ],
  },
  {
    name: "a kernel module comes, is unloaded by somebody, and goes",
    steps: [
      file({ modules: ["dummy"] }, "create module:dummy live"),
      hand(
        { edit: "unload-module", name: "dummy" },
        "update module:dummy live: modules[dummy] (changed outside)",
      ),
      file({}, "delete module:dummy live"),
    ],
  },
  {
    name: "host name and time zone change, and somebody sets another host name",
    steps: [
      file(
        { hostname: "other", timezone: "Asia/Tokyo" },
        "update hostname live: hostname",
        "update timezone live: timezone",
      ),
      hand({ edit: "hostname", name: "theirs" }, "update hostname live: hostname (changed outside)"),
      file({}, "update hostname live: hostname", "update timezone live: timezone"),
    ],
  },
  {
    name: "a package that is there already is no difference, and stays when it leaves the file",
    steps: [file({ packages: { install: ["sudo"] } }), file({})],
  },
  {
    name: "a provision step runs, runs again when it is edited, and is forgotten",
    steps: [
      file(step({}), "create provision:one live"),
      file(step({ run: "true again" }), "update provision:one live: provision[one].run"),
      file(step({ run: "true again", check: "true" })),
      file({}, "delete provision:one live"),
    ],
  },
  {
    name: "a disk comes, grows, moves, is unmounted by somebody, goes, and comes back",
    steps: [
      file(disk({}), "create disk:more live"),
      file(disk({ size: "96MiB" }), "update disk:more live: vm.disks[more].size"),
      file(disk({ size: "96MiB", target: "/srv/more" }), "update disk:more live: vm.disks[more].target"),
      hand(
        { edit: "unmount", target: "/srv/more" },
        "update disk:more live: vm.disks[more].target (changed outside)",
      ),
      file({}, "delete disk:more live"),
      file(disk({ size: "96MiB" }), "create disk:more live"),
      file({}, "delete disk:more live"),
    ],
  },
  {
    name: "the user changes shell and number, and becomes another",
    steps: [
      file({ user: { name: "ada", uid: 1200, shell: "/bin/sh" } }, "update user:ada live: user.shell"),
      file({ user: { name: "ada", uid: 1300 } }, "update user:ada service: user.uid, user.shell"),
      file({}, "update user:ada service: user.uid"),
    ],
  },
  {
    name: "memory needs a restart",
    steps: [
      file({ vm: { ...VM, memory: "1280MiB" } }, "update vm restart: vm.memory"),
      file({}, "update vm restart: vm.memory"),
    ],
  },
  {
    name: "dockerd's configuration is reloaded, or dockerd restarted",
    steps: [
      file(
        { runtime: { engine: "docker", docker: { daemon: { debug: true } } } },
        "update engine:docker live: runtime.docker.daemon.debug",
      ),
      file(
        { runtime: { engine: "docker", docker: { daemon: { "log-level": "warn" } } } },
        "update engine:docker service: runtime.docker.daemon.debug, runtime.docker.daemon.log-level",
      ),
      file({}, "update engine:docker service: runtime.docker.daemon.log-level"),
    ],
  },
  {
    name: "dockerd is told of registries while it runs",
    steps: [
      file(
        registries({
          "docker.io": { mirrors: ["https://mirror.invalid"] },
          "localhost:5000": { insecure: true },
        }),
        'update engine:docker live: runtime.registries, runtime.registries["docker.io"].mirrors',
      ),
      file(
        registries({ "docker.io": { mirrors: ["https://other.invalid"] } }),
        'update engine:docker live: runtime.registries, runtime.registries["docker.io"].mirrors',
      ),
      file({}, 'update engine:docker live: runtime.registries["docker.io"].mirrors'),
    ],
  },
  {
    name: "a proxy comes, is edited by somebody, and goes",
    steps: [
      file(
        proxy({ http: "http://proxy.invalid:3128", https: "http://me:word@proxy.invalid:3128" }),
        "create proxy live",
        "update engine:docker service: network.proxy",
      ),
      hand(
        { edit: "remove", path: "/etc/apt/apt.conf.d/95machine-proxy" },
        "update proxy live: network.proxy (changed outside)",
      ),
      hand(
        { edit: "write", path: "/etc/profile.d/machine-proxy.sh", content: "export http_proxy='http://x'\n" },
        "update proxy live: network.proxy.http (changed outside), network.proxy.https (changed outside), " +
          "network.proxy.except (changed outside)",
      ),
      file({}, "delete proxy live", "update engine:docker service: network.proxy"),
    ],
  },
  {
    name: "the engine becomes another one, has its configuration changed, goes, and comes back",
    steps: [
      file(
        containerd({}),
        "delete context:docker live",
        "delete socket:docker live",
        "delete engine:docker service",
        "update agent live: agent.config",
        "create cni live",
        "create engine:containerd live",
        "create socket:containerd live",
      ),
      file(
        containerd({ config: { debug: { level: "debug" } } }),
        "update engine:containerd service: runtime.containerd.config.debug.level",
      ),
      hand(
        { edit: "write", path: "/etc/containerd/config.toml", content: "version = \n" },
        "update engine:containerd service: runtime.containerd.config (changed outside)",
      ),
      hand(
        { edit: "write", path: "/etc/cni/net.d/05-machine.conflist", content: "{}\n" },
        "update cni live: cni.network (changed outside)",
      ),
      file(
        containerd({ cri: false }),
        "update engine:containerd service: runtime.containerd.config.debug.level, runtime.containerd.cri",
      ),
      file(
        { runtime: { engine: "none" } },
        "delete socket:containerd live",
        "delete engine:containerd service",
        "delete cni live",
        "update agent live: agent.config",
      ),
      file(
        {},
        "update agent live: agent.config",
        "create engine:docker live",
        "create socket:docker live",
        "create context:docker live",
      ),
    ],
  },
  {
    name: "the agent dies, the VM dies, and the machine is stopped",
    steps: [
      power(
        "agent-killed",
        "create agent live (removed outside)",
        "create socket:docker live (removed outside)",
      ),
      power("vm-killed", "update vm live: vm.running"),
      power("stopped", "update vm live: vm.running", "create agent live"),
    ],
  },
];

/** What a plan says in the form of {@link ScenarioStep}: without what is deferred until the rest is done. */
export function linesOf(plan: {
  readonly changes: readonly {
    readonly address: string;
    readonly action: string;
    readonly effect: string;
    readonly reason?: string | null;
    readonly paths: readonly { readonly path: string; readonly note?: string | null }[];
  }[];
}): string[] {
  return plan.changes.filter(({ action }) => action !== "none" && action !== "deferred").map((change) => {
    const mark = (text: string | null | undefined) => {
      const outside = /(changed|removed) outside/.exec(text ?? "");
      return outside ? ` (${outside[0]})` : "";
    };
    const paths = change.paths.map(({ path, note }) => `${path}${mark(note)}`).join(", ");
    const line = `${change.action} ${change.address} ${change.effect}`;
    return `${line}${paths === "" ? "" : `: ${paths}`}${mark(change.reason)}`;
  });
}
