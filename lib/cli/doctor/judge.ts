import { displayPath } from "../../host/paths.ts";
import type { DoctorFacts, ProgramName } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** Decides what the facts mean for running machines, worst things not hidden behind good ones. Pure. */
export function judge(facts: DoctorFacts): readonly Finding[] {
  return [
    judgeSystem(facts),
    ...requiredPrograms(facts).map((need) => judgeProgram(need, facts)),
    ...(facts.host.uid === 0 ? [] : judgeNamespaces(facts)),
    judgeKeys(facts),
    judgeSources(facts),
    judgeDocker(facts),
    judgeKvm(facts),
    ...judgeEmulation(facts),
    ...facts.space.map(judgeSpace),
    judgeHome(facts),
    ...judgeRoot(facts),
  ];
}

interface Need {
  readonly program: ProgramName;
  readonly package: string;
  readonly why: string;
  readonly optional?: boolean;
}

function requiredPrograms({ host }: DoctorFacts): readonly Need[] {
  const qemu = host.arch === "x86_64" ? "qemu-system-x86" : "qemu-system-arm";
  return [
    { program: `qemu-system-${host.arch}`, package: qemu, why: "runs the virtual machine" },
    { program: "qemu-img", package: "qemu-utils", why: "makes and resizes disks" },
    { program: "mmdebstrap", package: "mmdebstrap", why: "builds the guest's system from Debian packages" },
    { program: "mke2fs", package: "e2fsprogs", why: "formats disks on this side, never in the guest" },
    { program: "setpriv", package: "util-linux", why: "ends a build's processes when the command ends" },
    { program: "unshare", package: "util-linux", why: "builds the image in a world of its own" },
    ...(host.uid === 0 ? [] : [
      { program: "newuidmap", package: "uidmap", why: "lets a user build the image without root" } as const,
    ]),
    {
      program: "ssh",
      package: "openssh-client",
      why: "reaches the guest with tools of your own",
      optional: true,
    },
  ];
}

function judgeSystem({ host, debianCodename }: DoctorFacts): Finding {
  const base = { id: "system", why: "images are built from the packages of a Debian host" };
  if (host.os !== "linux") {
    return {
      ...base,
      state: "missing",
      what: `This is ${host.os}`,
      remedy: "Use a Debian 12 or 13 host for now",
    };
  }
  return debianCodename === undefined
    ? {
      ...base,
      state: "missing",
      what: "This Linux is not Debian",
      remedy: "Use a Debian 12 or 13 host for now",
    }
    : { ...base, state: "ok", what: `Debian ${debianCodename}, ${host.arch}` };
}

function judgeProgram(need: Need, { programs }: DoctorFacts): Finding {
  const path = programs[need.program];
  const base = { id: `program:${need.program}`, why: need.why };
  if (path !== undefined) return { ...base, state: "ok", what: path };
  return {
    ...base,
    state: need.optional ? "warning" : "missing",
    what: `${need.program} is not installed`,
    remedy: `apt-get install ${need.package}`,
    package: need.package,
  };
}

function judgeNamespaces({ host, namespaces, subordinateIds }: DoctorFacts): Finding[] {
  const why = "without root, the image is built in a user namespace with ids of its own";
  return [judgeIds(), judgeProbe()];

  function judgeIds(): Finding {
    const base = { id: "subordinate-ids", why };
    if (!subordinateIds.known) return { ...base, state: "unknown", what: subordinateIds.reason };
    const { subuid, subgid } = subordinateIds.value;
    if (subuid && subgid) {
      return { ...base, state: "ok", what: `/etc/subuid and /etc/subgid have ids for ${host.user}` };
    }
    const where = [...(subuid ? [] : ["/etc/subuid"]), ...(subgid ? [] : ["/etc/subgid"])].join(" and ");
    return {
      ...base,
      state: "missing",
      what: `No ids for ${host.user} in ${where}`,
      remedy: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${host.user}`,
    };
  }

  function judgeProbe(): Finding {
    const base = { id: "user-namespaces", why };
    if (!namespaces.known) return { ...base, state: "unknown", what: namespaces.reason };
    if (typeof namespaces.value === "string") {
      return { ...base, state: "ok", what: "A user namespace could be made" };
    }
    return {
      ...base,
      state: "missing",
      what: `No user namespace could be made: ${namespaces.value.refused}`,
      remedy: "sudo sysctl -w kernel.unprivileged_userns_clone=1, once uidmap and the ids above are there",
    };
  }
}

function judgeKeys({ archiveKeys }: DoctorFacts): Finding {
  const base = { id: "archive-keys", why: "the guest's packages are checked with Debian's keys" };
  if (!archiveKeys.known) return { ...base, state: "unknown", what: archiveKeys.reason };
  if (archiveKeys.value.length > 0) return { ...base, state: "ok", what: "The keys of Debian 13 are there" };
  return {
    ...base,
    state: "missing",
    what: "The keys of Debian 13 are not in /usr/share/keyrings",
    remedy: "apt-get install debian-archive-keyring",
    package: "debian-archive-keyring",
  };
}

function judgeSources({ aptSource, debianCodename }: DoctorFacts): Finding {
  const base = { id: "apt-sources", why: "the image is built from the same servers that this host uses" };
  if (!aptSource.known) return { ...base, state: "unknown", what: aptSource.reason };
  return aptSource.value ? { ...base, state: "ok", what: `apt has a source of ${debianCodename}` } : {
    ...base,
    state: "missing",
    what: "apt has no source of Debian's own release",
    remedy: "Add your release's main source to /etc/apt/sources.list.d, then: apt-get update",
  };
}

function judgeDocker({ programs, dockerPackage }: DoctorFacts): Finding {
  const base = { id: "docker-client", why: "uses the machine's Docker from this side, by its context" };
  if (programs.docker !== undefined) return { ...base, state: "ok", what: programs.docker };
  return {
    ...base,
    state: "warning",
    what: "There is no docker client",
    remedy: `apt-get install --no-install-recommends ${dockerPackage ?? "docker-cli"}`,
    ...(dockerPackage === undefined ? {} : { package: dockerPackage }),
  };
}

function judgeKvm({ kvm, host }: DoctorFacts): Finding {
  const base = { id: "kvm", why: "with it machines are several times faster; without it they are emulated" };
  if (kvm === "absent") {
    return {
      ...base,
      state: "warning",
      what: "There is no /dev/kvm",
      remedy:
        "Switch virtualisation on in the firmware, or nested virtualisation in the hypervisor of this host",
    };
  }
  if (kvm === "forbidden") {
    return {
      ...base,
      state: "warning",
      what: `${host.user} may not open /dev/kvm`,
      remedy: `sudo usermod -aG kvm ${host.user}, then log in again`,
    };
  }
  // Some hosts offer the device and yet run no guest: only a guest that gets somewhere proves it.
  return {
    ...base,
    state: "unknown",
    what: "/dev/kvm can be opened; the first start proves whether a guest runs",
  };
}

/** Emulation in QEMU before 10 breaks 16-byte compare-and-swap, so machines run without that instruction. */
function judgeEmulation({ host, qemuVersion }: DoctorFacts): Finding[] {
  if (host.arch !== "x86_64") return [];
  const base = { id: "emulation", why: "applies where machines are emulated" };
  if (!qemuVersion.known) return [{ ...base, state: "unknown", what: qemuVersion.reason }];
  const version = qemuVersion.value;
  return [
    Number.parseInt(version) >= 10 ? { ...base, state: "ok", what: `QEMU ${version} emulates x86-64-v2` } : {
      ...base,
      state: "warning",
      what: `QEMU ${version} emulates no x86-64-v2: images that need it, such as UBI 9, do not start`,
      remedy: "QEMU 10 or newer, or a host with a working KVM",
    },
  ];
}

/** A built image, one machine's system disk, and what comes into it. */
const NEEDED_MIB = 3072;

function judgeSpace({ use, path, freeMiB }: DoctorFacts["space"][number]): Finding {
  const why = use === "cache" ? "images are built and kept there" : "machines' disks grow there";
  const base = { id: `space:${use}`, why };
  if (!freeMiB.known) return { ...base, state: "unknown", what: `${displayPath(path)}: ${freeMiB.reason}` };
  const what = `${(freeMiB.value / 1024).toFixed(1)} GiB free for ${displayPath(path)}`;
  if (freeMiB.value >= NEEDED_MIB) return { ...base, state: "ok", what };
  const name = use === "cache" ? "XDG_CACHE_HOME" : "MACHINE_HOME";
  return {
    ...base,
    state: "missing",
    what,
    remedy: `Free ${NEEDED_MIB / 1024} GiB, or point ${name} at another disk`,
  };
}

/** Unix socket paths end at 104 bytes (macOS) or 108 (Linux); the longest of ours needs 58 after this folder. */
const HOME_BYTES = 46;

function judgeHome({ home }: DoctorFacts): Finding {
  const bytes = new TextEncoder().encode(home).length;
  const base = { id: "home-path", why: "sockets lie in it, and the system limits the length of their paths" };
  if (bytes <= HOME_BYTES) return { ...base, state: "ok", what: displayPath(home) };
  return {
    ...base,
    state: "missing",
    what: `${home} has ${bytes} bytes, ${HOME_BYTES} are possible`,
    remedy: "Set MACHINE_HOME to a shorter path",
  };
}

function judgeRoot({ host }: DoctorFacts): Finding[] {
  if (host.uid !== 0) return [];
  return [{
    id: "root",
    state: "warning",
    what: "Machines run as root here",
    why: "root in a guest writes files as root into folders that are mounted writable",
    remedy: "Run machine as a user, or mount only what the guest may change",
  }];
}
