import { effectOf } from "../config/effects.ts";
import type { GuestUser } from "../config/types.ts";
import type { GuestFacts } from "../guest/query.ts";
import { readTextIfPresent } from "../host/files.ts";
import type { Observed } from "../plan/types.ts";
import { Differences } from "./change.ts";
import type { World } from "./contract.ts";
import { guestKind, idOf } from "./guest_kind.ts";
import { ownedOf, type OwnedOp } from "./owned.ts";

const PASSWD = "/etc/passwd";
const SUDOERS = "/etc/sudoers.d/machine";

/** The user as found. */
interface FoundUser {
  readonly uid: number;
  readonly shell: string;
  readonly home: string;
  /**
   * Whether the rule of ours is there; "other" when something else stands in its place, "marked" when a removal was cut
   * off before the guest's list knew of it.
   */
  readonly sudo: boolean | "other" | "marked";
  /** The public key that lets in; empty when none does. */
  readonly key: string;
  /** Whether the home folder is there and theirs. */
  readonly homeReady: boolean;
}

/** The user wanted, with the key that lets the host in as them. */
interface WantedUser extends GuestUser {
  readonly publicKey: string;
}

/** The guest's user: the one of `shell` and `exec`. Another name is another login; the former one goes, its home stays. */
export const userKind = guestKind<WantedUser, FoundUser>({
  kind: "user",
  phase: 10, // after the data disk's folders: /home is on it
  path: () => "user",
  dependsOn: () => ["vm", "folders"],
  desired: async (world) => {
    const user = world.machine?.user;
    return new Map(user ? [[`user:${user.name}`, { ...user, publicKey: await publicKey(world) }]] : []);
  },
  query: ({ machine }, addresses) => ({
    files: [PASSWD, SUDOERS, ...addresses.map((address) => keyFile(idOf(address)))],
    hashes: machine ? [machine.user.home] : [],
  }),
  read: ({ facts, address, world, note }) =>
    observeUser(facts, { name: idOf(address), world, isOurs: note !== undefined }),
  compare(desired, observed) {
    const found = new Differences();
    found.compare("user.uid", observed.uid, desired.uid);
    found.compare("user.shell", observed.shell, desired.shell);
    found.compare("user.home", observed.home, desired.home);
    found.compare("user.sudo", observed.sudo, desired.sudo);
    const isOurs = observed.key === desired.publicKey;
    const key = isOurs ? "ours" : observed.key === "" ? "missing" : "another one";
    found.compare("user.key", key, "ours", { isTold: true });
    found.compare("user.home", observed.homeReady ? "ready" : "missing", "ready", { isTold: true });
    return found.changes;
  },
  expected: ({ uid, shell, home, sudo, publicKey: key }) => ({
    uid,
    shell,
    home,
    sudo,
    key,
    homeReady: true,
  }),
  removal: () => ({ effect: effectOf("user.name"), reason: "the login goes, its home folder stays" }),
  change(desired) {
    const { name, uid, shell, home } = desired;
    const ops: OwnedOp[] = [
      { op: "login", login: { name, uid, shell, home } },
      { op: "own", file: { path: keyFile(name), content: `${desired.publicKey}\n`, mode: "0644" } },
      desired.sudo
        ? { op: "own", file: { path: SUDOERS, content: sudoRule(name), mode: "0440" } }
        : { op: "disown", path: SUDOERS },
    ];
    return { what: `Making the user "${name}"`, ops, claimed: { [`user:${name}`]: { home } } };
  },
  undoing({ step }) {
    const name = idOf(step.address);
    return {
      what: `Removing the user "${name}"`,
      ops: [{ op: "disown", path: keyFile(name) }, { op: "remove-login", name }],
      forgotten: [step.address],
    };
  },
});

/** sshd reads the key outside of the home, so that a mount over the home locks nobody out. */
function keyFile(name: string): string {
  return `/etc/ssh/authorized_keys.d/${name}`;
}

function sudoRule(name: string): string {
  return `${name} ALL=(ALL) NOPASSWD:ALL\n`;
}

/** The machine's own key; empty until the pair is made, when no guest can have it either. */
async function publicKey(world: World): Promise<string> {
  return (await readTextIfPresent(world.folder.identityPublic))?.trim() ?? "";
}

function observeUser(
  facts: GuestFacts,
  { name, world, isOurs }: { readonly name: string; readonly world: World; readonly isOurs: boolean },
): Observed<FoundUser> {
  const passwd = facts.file(PASSWD);
  if (passwd.state !== "present") {
    const reason = passwd.state === "unknown" ? passwd.reason : `the guest has no ${PASSWD}`;
    return { state: "unknown", reason };
  }
  const row = passwd.value.text.split("\n").map((line) => line.split(":")).find(([login]) => login === name);
  if (!row) return { state: "absent" };
  const isWanted = world.machine?.user.name === name;
  const [key, sudoers, home] = [
    facts.file(keyFile(name)),
    facts.file(SUDOERS),
    isWanted ? facts.file(world.machine!.user.home) : { state: "absent" as const },
  ];
  for (const fact of [key, sudoers]) if (fact.state === "unknown") return fact;
  return {
    state: "present",
    owned: isOurs || isWanted,
    value: {
      uid: Number(row[2]),
      home: row[5] ?? "",
      shell: row[6] ?? "",
      sudo: sudoers.state === "present"
        ? sudoers.value.text === sudoRule(name) || "other"
        : isWanted && !world.machine!.user.sudo && SUDOERS in ownedOf(facts).files && "marked",
      key: key.state === "present" ? key.value.text.trim() : "",
      homeReady: home.state !== "absent",
    },
  };
}
