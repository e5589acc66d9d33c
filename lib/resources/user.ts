import type { GuestUser } from "../config/types.ts";
import type { GuestFacts } from "../guest/query.ts";
import { quote } from "../guest/quote.ts";
import { readTextIfPresent } from "../host/files.ts";
import type { Change, Effect, Observed } from "../plan/types.ts";
import { inGuest, type Kind, type World } from "./contract.ts";

const PASSWD = "/etc/passwd";

/** The user as found. */
interface FoundUser {
  readonly uid: number;
  readonly shell: string;
  readonly home: string;
  /** Whether the rule of ours is there; "other" when something else stands in its place. */
  readonly sudo: boolean | "other";
  /** The public key that lets in; empty when none does. */
  readonly key: string;
  /** Whether the home folder is there and theirs. */
  readonly homeReady: boolean;
}

/** The user wanted, with the key that lets the host in as them. */
interface WantedUser extends GuestUser {
  readonly publicKey: string;
}

/** The guest's user: the one of `shell` and `exec`. */
export const userKind: Kind<WantedUser, FoundUser> = {
  kind: "user",
  phase: 10, // after the data disk's folders: /home is on it
  realm: "guest",
  path: () => "user",
  dependsOn: () => ["vm", "folders"],
  desired: async (world) =>
    new Map(world.machine ? [["user", { ...world.machine.user, publicKey: await publicKey(world) }]] : []),
  query: ({ machine }) => machine ? { files: [PASSWD, machine.user.home, ...filesOf(machine.user)] } : {},
  observe(world, look) {
    const observed = world.machine
      ? inGuest(look, (facts) => observeUser(world, facts))
      : { state: "absent" as const };
    return Promise.resolve(new Map<string, Observed<FoundUser>>([["user", observed]]));
  },
  compare(desired, observed) {
    const changes: Change[] = [];
    const differ = (path: string, before: unknown, after: unknown, effect: Effect = "live") => {
      if (before !== after) changes.push({ path, before, after, effect });
    };
    differ("user.uid", observed.uid, desired.uid, "service");
    differ("user.shell", observed.shell, desired.shell);
    differ("user.home", observed.home, desired.home);
    differ("user.sudo", observed.sudo, desired.sudo);
    const key = observed.key === "" ? "missing" : observed.key === desired.publicKey ? "ours" : "another one";
    differ("user.key", key, "ours");
    differ("user.home", observed.homeReady ? "ready" : "missing", "ready");
    return changes;
  },
  async apply(job, desired) {
    const [key, sudoers] = filesOf(desired);
    const [name, home, shell] = [quote(desired.name), quote(desired.home), quote(desired.shell)];
    await job.owned.run({
      what: `Making the user "${desired.name}"`,
      before: [
        // One flow for a new and a known user; useradd's own home copying would fail on the mounted /home.
        `if id -u ${name} >/dev/null 2>&1; then usermod -u ${desired.uid} -d ${home} -s ${shell} ${name}`,
        `else groupadd -f -g ${desired.uid} ${name}; useradd -M -u ${desired.uid} -g ${name} -d ${home} -s ${shell} ${name}; fi`,
        `if [ ! -d ${home} ]; then mkdir -p ${home}; cp -r /etc/skel/. ${home}/; chmod 0755 ${home}; fi`,
        `[ "$(stat -c %u ${home})" = ${desired.uid} ] || chown -R ${name}: ${home}`,
      ],
      files: [
        { path: key!, content: `${desired.publicKey}\n`, mode: "0644" },
        ...(desired.sudo ? [{ path: sudoers!, content: sudoRule(desired), mode: "0440" }] : []),
      ],
      ...(desired.sudo ? {} : { removed: [sudoers!] }),
      signal: job.signal,
    });
  },
  // The guest's system disk takes the user along; the home stays on the data disk.
  undo: () => Promise.resolve(),
};

/** sshd reads the key outside of the home, so that a mount over the home locks nobody out. */
function filesOf(user: GuestUser): string[] {
  return [`/etc/ssh/authorized_keys.d/${user.name}`, "/etc/sudoers.d/machine"];
}

function sudoRule(user: GuestUser): string {
  return `${user.name} ALL=(ALL) NOPASSWD:ALL\n`;
}

/** The machine's own key; empty until the pair is made, when no guest can have it either. */
async function publicKey(world: World): Promise<string> {
  return (await readTextIfPresent(world.folder.identityPublic))?.trim() ?? "";
}

function observeUser(world: World, facts: GuestFacts): Observed<FoundUser> {
  const user = world.machine!.user;
  const passwd = facts.file(PASSWD);
  if (passwd.state !== "present") {
    return {
      state: "unknown",
      reason: passwd.state === "unknown" ? passwd.reason : `the guest has no ${PASSWD}`,
    };
  }
  const row = passwd.value.text.split("\n").map((line) => line.split(":")).find(([name]) =>
    name === user.name
  );
  if (!row) return { state: "absent" };
  const [key, sudoers] = filesOf(user).map((path) => facts.file(path));
  const home = facts.file(user.home);
  for (const fact of [key!, sudoers!]) if (fact.state === "unknown") return fact;
  return {
    state: "present",
    owned: true,
    value: {
      uid: Number(row[2]),
      home: row[5] ?? "",
      shell: row[6] ?? "",
      sudo: sudoers!.state === "present" && (sudoers!.value.text === sudoRule(user) || "other"),
      key: key!.state === "present" ? key!.value.text.trim() : "",
      homeReady: home.state !== "absent",
    },
  };
}
