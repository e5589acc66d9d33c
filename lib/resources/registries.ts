import { applyEdits, modify } from "jsonc-parser";
import { effectOf } from "../config/effects.ts";
import { UserError } from "../host/errors.ts";
import { equal } from "../plan/equal.ts";
import type { GuestFacts } from "../guest/query.ts";
import type { GuestOp } from "../guest/ops.ts";
import type { Address, Observed } from "../plan/types.ts";
import { changeAt, entryPath } from "./change.ts";
import { inGuest, type Job, type Kind, type World } from "./contract.ts";
import { type LoginEntry, loginKey } from "./docker/host_login.ts";
import { idOf, isOf } from "./guest_kind.ts";
import { OWNED_FILE, type OwnedChange, ownedOf } from "./owned.ts";

const KIND = "login";
const PASSWD = "/etc/passwd";

/** A client's configuration in the guest; docker's and nerdctl's read the same. */
interface ClientFile {
  readonly path: string;
  readonly owner: string;
  readonly folder: string;
}

/** A login as wanted. The secret itself stays out: what is wanted is written into plans and fingerprints. */
interface WantedLogin {
  readonly host: string;
  readonly files: readonly ClientFile[];
}

/** How each file differs from what is wanted, in words; those that are right are left out. */
type FoundLogin = Readonly<Record<string, string>>;

/** Logins at registries, taken from the docker client of this computer into the clients of the guest. */
export const loginKind: Kind<WantedLogin, FoundLogin> = {
  kind: KIND,
  phase: 12,
  realm: "guest",
  path: (address) => pathOf(idOf(address)),
  dependsOn: (_address, desired) => ["vm", "folders", ...(desired ? [`user:${ownerName(desired)}`] : [])],
  desired({ machine }) {
    if (!machine || machine.runtime.engine === "none") return new Map();
    const files = [clientFile("/root", "root"), clientFile(machine.user.home, machine.user.name)];
    const hosts = machine.runtime.registries.filter(({ credentials }) => credentials === "host");
    return new Map(hosts.map(({ host }) => [`${KIND}:${host}`, { host, files }]));
  },
  query(world) {
    const desired = [...this.desired(world) as ReadonlyMap<Address, WantedLogin>];
    return { files: [OWNED_FILE, ...desired.flatMap(([, { files }]) => files.map(({ path }) => path))] };
  },
  async observe(world, look, desired) {
    const found = new Map<Address, Observed<FoundLogin>>();
    for (const [address, wanted] of desired) {
      const here = inGuest(look, () => ({ state: "present", owned: true, value: true }));
      // Where nobody can compare, nobody's keychain is opened.
      const observed = here.state === "present" ? await observeLogin(world, wanted, { look, address }) : here;
      found.set(address, observed);
    }
    for (const address of look.guest.state === "facts" ? notedIn(look.guest.facts) : []) {
      if (!found.has(address)) found.set(address, { state: "present", owned: true, value: {} });
    }
    return found;
  },
  compare: ({ host }, found) =>
    Object.entries(found).map(([path, before]) =>
      changeAt(pathOf(host), { before, after: "the host's login" }, {
        isTold: true,
        note: `in ${path}`,
      })
    ),
  expected: () => ({}),
  creation: (_world, _look, { files }) => ({
    effect: effectOf("runtime.registries"),
    reason: `the host's login, in ${files.map(({ path }) => path).join(" and ")}`,
  }),
  removal: () => ({ effect: effectOf("runtime.registries"), reason: "logged out in the guest" }),
  async apply(job, desired) {
    const login = await job.world.platform.registryLogin(desired.host);
    if (login.state !== "present") throw new UserError(whyMissing(desired.host, login));
    await changeFiles(job, desired.files, {
      what: `Logging in at ${desired.host}`,
      entry: login.entry,
      note: { claimed: { [job.step.address]: { files: desired.files.map((file) => ({ ...file })) } } },
    });
  },
  async undo(job) {
    const note = (await job.owned.read()).applied[job.step.address] as { files: ClientFile[] } | undefined;
    await changeFiles(job, note?.files ?? [], {
      what: `Logging out at ${idOf(job.step.address)}`,
      entry: undefined,
      note: { forgotten: [job.step.address] },
    });
  },
};

function pathOf(host: string): string {
  return `${entryPath("runtime.registries", host)}.credentials`;
}

function clientFile(home: string, name: string): ClientFile {
  return { path: `${home}/.docker/config.json`, owner: `${name}:${name}`, folder: `${home}/.docker` };
}

function ownerName({ files }: WantedLogin): string {
  return files.at(-1)!.owner.split(":")[0]!;
}

function notedIn(facts: GuestFacts): Address[] {
  return Object.keys(ownedOf(facts).applied).filter((address) => isOf(KIND, address));
}

function whyMissing(host: string, login: { readonly state: string; readonly reason?: string }): string {
  if (login.state === "unknown") return `the host's login at ${host} is not known: ${login.reason}`;
  return `the docker client of this computer is not logged in at ${host}: docker login ${host}, ` +
    "or credentials: none";
}

async function observeLogin(
  world: World,
  { host, files }: WantedLogin,
  { look, address }: { readonly look: Parameters<typeof inGuest>[0]; readonly address: Address },
): Promise<Observed<FoundLogin>> {
  const login = await world.platform.registryLogin(host);
  if (login.state !== "present") return { state: "unknown", reason: whyMissing(host, login) };
  return inGuest(look, (facts) => {
    const found: Record<string, string> = {};
    let entries = 0;
    for (const file of files) {
      const fact = facts.file(file.path);
      if (fact.state === "unknown") return { state: "unknown", reason: `${file.path}: ${fact.reason}` };
      const config = fact.state === "present" ? readConfig(file.path, fact.value.text) : {};
      if (typeof config === "string") return { state: "unknown", reason: config };
      const entry = config.auths?.[loginKey(host)];
      if (entry !== undefined) entries++;
      if (entry === undefined) found[file.path] = "none";
      else if (!equal(entry, login.entry)) found[file.path] = "another login";
      else if (fact.state === "present" && (fact.value.mode !== "600" || fact.value.owner !== file.owner)) {
        found[file.path] = `${fact.value.owner}, mode ${fact.value.mode}`;
      }
    }
    const isNoted = address in ownedOf(facts).applied;
    return entries === 0 && !isNoted ? { state: "absent" } : { state: "present", owned: true, value: found };
  });
}

interface GuestConfig {
  readonly auths?: Readonly<Record<string, LoginEntry>>;
}

/** A client's configuration, or why nothing can be put into it. */
function readConfig(path: string, text: string): GuestConfig | string {
  if (text.trim() === "") return {};
  try {
    const config = JSON.parse(text) as GuestConfig & { readonly credsStore?: string };
    if (typeof config !== "object" || config === null || Array.isArray(config)) throw new SyntaxError();
    if (!config.credsStore) return config;
    return `${path} in the guest has a credential helper, "${config.credsStore}", which goes before: ` +
      "remove credsStore there";
  } catch (error) {
    if (error instanceof SyntaxError) {
      return `${path} in the guest is not valid JSON: mend or remove it there`;
    }
    throw error;
  }
}

/** Sets or removes one entry in each file; every other byte of it stays. */
async function changeFiles(
  job: Job,
  files: readonly ClientFile[],
  { what, entry, note }: {
    readonly what: string;
    readonly entry: LoginEntry | undefined;
    readonly note: Pick<OwnedChange, "claimed" | "forgotten">;
  },
): Promise<void> {
  const facts = await (await job.guest()).look({ files: [PASSWD, ...files.map(({ path }) => path)] });
  const key = loginKey(idOf(job.step.address));
  const ops = files.flatMap((file) => {
    const fact = facts.file(file.path);
    if (fact.state === "unknown") {
      throw new UserError(`Cannot read ${file.path} in the guest: ${fact.reason}`);
    }
    const before = fact.state === "present" ? fact.value.text : "";
    const config = readConfig(file.path, before);
    if (typeof config === "string") throw new UserError(config);
    const owner = entry === undefined && !hasLogin(facts, file) ? "root:root" : file.owner;
    return opsFor({ ...file, owner }, before, withEntry(before, { key, entry, config }));
  });
  await job.owned.run({ what, ops, ...note }, job.signal);
}

/** A login may have gone before what lies in its home, which stays. */
function hasLogin(facts: GuestFacts, { owner }: ClientFile): boolean {
  const passwd = facts.file(PASSWD);
  const name = owner.split(":")[0]!;
  return passwd.state !== "present" ||
    passwd.value.text.split("\n").some((line) => line.startsWith(`${name}:`));
}

function opsFor(file: ClientFile, before: string, after: string): GuestOp[] {
  const { path, owner, folder } = file;
  const isEmpty = Object.keys(JSON.parse(after === "" ? "{}" : after) as object).length === 0;
  if (!isEmpty) return [{ op: "write", files: [{ path, content: after, mode: "0600", owner }] }];
  // The folder may be all that is left, where this was cut off before.
  return [...(before === "" ? [] : [{ op: "remove", path } as const]), { op: "remove-folder", path: folder }];
}

function withEntry(
  text: string,
  { key, entry, config }: {
    readonly key: string;
    readonly entry: LoginEntry | undefined;
    readonly config: GuestConfig;
  },
): string {
  const start = text.trim() === "" ? "{}\n" : text;
  const others = Object.keys(config.auths ?? {}).some((name) => name !== key);
  if (entry === undefined && config.auths?.[key] === undefined) return text;
  // The last entry takes the list of entries along.
  const path = entry === undefined && !others ? ["auths"] : ["auths", key];
  // Laying it out would lay out the entries beside it as well; only a file of our own is.
  const isOwn = text.trim() === "";
  const options = isOwn ? { formattingOptions: { tabSize: 1, insertSpaces: false, eol: "\n" } } : {};
  return applyEdits(start, modify(start, path, entry, options));
}
