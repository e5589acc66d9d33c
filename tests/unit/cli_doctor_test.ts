import assert from "node:assert/strict";
import { type DoctorFacts, gatherFacts } from "../../lib/cli/doctor/facts.ts";
import { type Finding, isBlocking, neededPackages } from "../../lib/cli/doctor/finding.ts";
import { asRoot, installCommands, unitsToMask } from "../../lib/cli/doctor/fix.ts";
import { judge } from "../../lib/cli/doctor/judge.ts";
import { packagesText, reportJson, reportText } from "../../lib/cli/doctor/report.ts";
import { EXIT, UserError } from "../../lib/host/errors.ts";
import { PLAIN } from "../../lib/ui/style.ts";

const PROGRAMS: DoctorFacts["programs"] = {
  "qemu-system-x86_64": "/usr/bin/qemu-system-x86_64",
  "qemu-system-aarch64": undefined,
  "qemu-img": "/usr/bin/qemu-img",
  mmdebstrap: "/usr/bin/mmdebstrap",
  mke2fs: "/usr/sbin/mke2fs",
  setpriv: "/usr/bin/setpriv",
  unshare: "/usr/bin/unshare",
  newuidmap: "/usr/bin/newuidmap",
  ssh: "/usr/bin/ssh",
  docker: "/usr/bin/docker",
  "apt-get": "/usr/bin/apt-get",
  sudo: "/usr/bin/sudo",
  systemctl: "/usr/bin/systemctl",
  containerd: undefined,
};

function known<T>(value: T): { known: true; value: T } {
  return { known: true, value };
}

const UNKNOWN = { known: false, reason: "nobody answers" } as const;

/** A Debian 12 host where everything is right, but for what a test makes otherwise. */
function factsWith(changes: Partial<DoctorFacts> = {}): DoctorFacts {
  return {
    host: { os: "linux", arch: "x86_64", uid: 1000, user: "ada" },
    programs: PROGRAMS,
    debianCodename: "bookworm",
    aptSource: known(true),
    archiveKeys: known(["debian-archive-trixie-stable.gpg"]),
    dockerPackage: undefined,
    kvm: "openable",
    qemuVersion: known("10.0.2"),
    namespaces: known("ok"),
    subordinateIds: known({ subuid: true, subgid: true }),
    space: [
      { use: "cache", path: "/home/ada/.cache/machine", freeMiB: known(50_000) },
      { use: "machines", path: "/home/ada/.machine", freeMiB: known(50_000) },
    ],
    home: "/home/ada/.machine",
    ...changes,
  };
}

function without(...names: (keyof DoctorFacts["programs"])[]): Pick<DoctorFacts, "programs"> {
  return { programs: { ...PROGRAMS, ...Object.fromEntries(names.map((name) => [name, undefined])) } };
}

function finding(id: string, facts: DoctorFacts): Finding {
  const found = judge(facts).find((entry) => entry.id === id);
  assert.ok(found, `no finding ${id}`);
  return found;
}

Deno.test("judge() finds nothing in the way on a good host", () => {
  const findings = judge(factsWith());
  assert.equal(isBlocking(findings), false);
  assert.deepEqual(findings.filter((entry) => entry.state !== "ok").map((entry) => entry.id), ["kvm"]);
  assert.equal(new Set(findings.map((entry) => entry.id)).size, findings.length);
  assert.match(reportText(findings, PLAIN), /This computer is ready\.\n$/);
});

const ROOT = { os: "linux", arch: "x86_64", uid: 0, user: "root" } as const;

const CASES: readonly (readonly [
  id: string,
  state: Finding["state"],
  changes: Partial<DoctorFacts>,
  remedy?: RegExp,
])[] = [
  ["program:qemu-system-x86_64", "missing", without("qemu-system-x86_64"), /qemu-system-x86$/],
  ["program:qemu-img", "missing", without("qemu-img"), /qemu-utils/],
  ["program:mmdebstrap", "missing", without("mmdebstrap"), /mmdebstrap/],
  ["program:mke2fs", "missing", without("mke2fs"), /e2fsprogs/],
  ["program:setpriv", "missing", without("setpriv"), /util-linux/],
  ["program:newuidmap", "missing", without("newuidmap"), /uidmap/],
  ["program:ssh", "warning", without("ssh"), /openssh-client/],
  [
    "subordinate-ids",
    "missing",
    { subordinateIds: known({ subuid: true, subgid: false }) },
    /usermod --add-subuids .* ada$/,
  ],
  ["subordinate-ids", "unknown", { subordinateIds: UNKNOWN }],
  ["user-namespaces", "missing", { namespaces: known({ refused: "Operation not permitted" }) }, /userns/],
  ["user-namespaces", "unknown", { namespaces: UNKNOWN }],
  ["archive-keys", "missing", { archiveKeys: known([]) }, /debian-archive-keyring/],
  ["archive-keys", "unknown", { archiveKeys: UNKNOWN }],
  ["apt-sources", "missing", { aptSource: known(false) }, /apt-get update/],
  ["apt-sources", "unknown", { aptSource: UNKNOWN }],
  ["system", "missing", { debianCodename: undefined }, /Debian/],
  ["system", "missing", { host: { os: "darwin", arch: "aarch64", uid: 501, user: "ada" } }, /Debian/],
  ["docker-client", "warning", { ...without("docker"), dockerPackage: "docker.io" }, /docker\.io/],
  ["kvm", "warning", { kvm: "absent" }, /firmware/],
  ["kvm", "warning", { kvm: "forbidden" }, /usermod -aG kvm ada/],
  ["kvm", "unknown", { kvm: "openable" }],
  ["emulation", "warning", { qemuVersion: known("7.2.22") }, /QEMU 10/],
  ["emulation", "unknown", { qemuVersion: UNKNOWN }],
  [
    "space:cache",
    "missing",
    { space: [{ use: "cache", path: "/c", freeMiB: known(3071) }] },
    /XDG_CACHE_HOME/,
  ],
  ["space:cache", "ok", { space: [{ use: "cache", path: "/c", freeMiB: known(3072) }] }],
  ["space:machines", "unknown", { space: [{ use: "machines", path: "/c", freeMiB: UNKNOWN }] }],
  ["home-path", "ok", { home: `/${"h".repeat(45)}` }],
  ["home-path", "missing", { home: `/${"h".repeat(46)}` }, /MACHINE_HOME/],
  ["home-path", "missing", { home: `/${"ü".repeat(23)}` }, /MACHINE_HOME/],
  ["root", "warning", { host: ROOT }, /mount only/],
];

Deno.test("judge() says what each fact means and what to do about it", () => {
  for (const [id, state, changes, remedy] of CASES) {
    const found = finding(id, factsWith(changes));
    assert.equal(found.state, state, `${id}: ${found.what}`);
    if (remedy) assert.match(found.remedy ?? "", remedy, id);
    assert.notEqual(found.why, "", id);
    if (state === "missing") assert.ok(found.remedy, `${id} has no remedy`);
  }
});

Deno.test("judge() blocks on what is missing, never on what is unknown or only worth knowing", () => {
  for (const [id, state, changes] of CASES) {
    const own = judge(factsWith(changes)).filter((entry) => entry.id === id);
    assert.equal(isBlocking(own), state === "missing", id);
  }
});

Deno.test("judge() asks for no user namespaces from root", () => {
  const ids = judge(factsWith({ host: ROOT, ...without("newuidmap"), namespaces: UNKNOWN })).map((entry) =>
    entry.id
  );
  assert.ok(!ids.includes("user-namespaces") && !ids.includes("program:newuidmap"));
});

Deno.test("neededPackages() names each package once, with every reason", () => {
  const facts = factsWith({ ...without("setpriv", "unshare", "docker"), dockerPackage: "docker.io" });
  const packages = neededPackages(judge(facts));
  assert.deepEqual(packages.map((entry) => entry.name), ["util-linux", "docker.io"]);
  assert.equal(packages[0]!.why.length, 2);
  assert.deepEqual(neededPackages(judge(factsWith())), []);
  const text = packagesText(packages, unitsToMask(["docker.io"], facts));
  assert.match(text, /^Packages to install:\n {2}util-linux {2}.*; .*\n {2}docker\.io /);
  assert.match(text, /systemctl unmask docker\.service docker\.socket containerd\.service/);
});

Deno.test("installCommands() keeps Docker's daemon from starting before its package comes", () => {
  const commands = installCommands(["mmdebstrap", "docker.io"], factsWith({ host: ROOT }));
  assert.deepEqual(commands.map((command) => command.argv.join(" ")), [
    "systemctl mask docker.service docker.socket containerd.service",
    "env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends mmdebstrap docker.io",
  ]);
});

Deno.test("unitsToMask() leaves alone what is there already, and needs systemd", () => {
  const containerd = { programs: { ...PROGRAMS, containerd: "/usr/bin/containerd" } };
  assert.deepEqual(unitsToMask(["docker.io"], containerd), ["docker.service", "docker.socket"]);
  assert.deepEqual(unitsToMask(["docker-cli"], containerd), []);
  assert.deepEqual(unitsToMask(["docker.io"], without("systemctl")), []);
});

Deno.test("asRoot() uses sudo for a user, and asks for a person where there is none", () => {
  assert.deepEqual(asRoot(["apt-get", "update"], factsWith({ host: ROOT })), ["apt-get", "update"]);
  assert.deepEqual(asRoot(["apt-get", "update"], factsWith()), ["/usr/bin/sudo", "apt-get", "update"]);
  assert.throws(
    () =>
      asRoot(
        ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "git"],
        factsWith(without("sudo")),
      ),
    (error) =>
      error instanceof UserError && error.exitCode === EXIT.needsPerson &&
      error.hint === "As root: apt-get install git",
  );
});

Deno.test("reportText() shows why and the remedy of what is not right, and how to go on", () => {
  const text = reportText(judge(factsWith(without("mmdebstrap"))), PLAIN);
  assert.match(
    text,
    /^✗ mmdebstrap is not installed\n {4}builds the guest's system.*\n {4}remedy: apt-get install mmdebstrap$/m,
  );
  assert.match(text, /\n1 thing is in the way\. machine doctor --fix installs what packages bring\.\n$/);
  const byHand = reportText(judge(factsWith({ home: `/${"h".repeat(60)}` })), PLAIN);
  assert.match(byHand, /\n1 thing is in the way\.\n$/);
});

Deno.test("reportJson() has every field of its format", () => {
  const [first] = judge(factsWith(without("mmdebstrap"))).filter((entry) => entry.state === "missing");
  assert.deepEqual(reportJson([first!]), {
    formatVersion: "1",
    ready: false,
    findings: [{
      id: "program:mmdebstrap",
      state: "missing",
      what: "mmdebstrap is not installed",
      why: "builds the guest's system from Debian packages",
      remedy: "apt-get install mmdebstrap",
      package: "mmdebstrap",
    }],
  });
});

Deno.test("gatherFacts() looks at this computer", async () => {
  const facts = await gatherFacts();
  assert.equal(facts.host.uid, Deno.uid());
  assert.ok(facts.programs.setpriv === undefined || facts.programs.setpriv.startsWith("/"));
  for (const { freeMiB } of facts.space) assert.ok(freeMiB.known && freeMiB.value > 0);
  for (const found of judge(facts)) assert.match(found.id, /^[a-z][a-z0-9:_-]*$/);
});
