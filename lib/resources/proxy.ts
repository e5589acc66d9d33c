import { sha256 } from "../host/files.ts";
import type { Change, Observed } from "../plan/types.ts";
import { changeAt } from "./change.ts";
import { guestKind, type Sight } from "./guest_kind.ts";
import {
  blockVariables,
  ENVIRONMENT,
  environmentText,
  profilePath,
  profileVariables,
  removingVariables,
  settingVariables,
  type Variables,
} from "./login_variables.ts";
import { maskedAddress, NEVER_BY_PROXY, type Proxy, unusableProxy, wantedProxy } from "./network_facts.ts";
import { ownedOf } from "./owned.ts";
import { APT, FILES, proxyFiles, proxyVariables, SUDO, UNITS, variablesOfUnits } from "./proxy_files.ts";

const ADDRESS = "proxy";
const BLOCK = "machine proxy";
const PROFILE = profilePath(BLOCK);

/** The proxies as wanted, in every place of the guest where a program looks for them. */
interface WantedProxy {
  readonly proxy: Proxy;
  /** For logins: without the names that the user's own environment sets. */
  readonly variables: Variables;
  /** Why the host's cannot be handed on. */
  readonly unusable?: string;
}

/** The proxies as found. */
interface FoundProxy {
  /** What each place says, by its name for people. */
  readonly logins: Readonly<Record<string, Variables>>;
  readonly units: Variables;
  /** The files that are ours as a whole: SHA-256 and permission bits. */
  readonly files: Readonly<Record<string, string>>;
  /** The hash of the configuration that systemd has read. */
  readonly loaded: string | undefined;
}

/** How it was before, and which configuration systemd has read since. */
type ProxyNote = { readonly loaded?: string };

/**
 * The proxies of logins, sudo, apt and of every service that starts from now on. systemd reads the environment of its
 * services again by daemon-reload, which interrupts nothing (systemd-system.conf(5), DefaultEnvironment=).
 */
export const proxyKind = guestKind<WantedProxy, FoundProxy>({
  kind: ADDRESS,
  phase: 6,
  path: () => "network.proxy",
  dependsOn: () => ["vm"],
  desired(world) {
    const [proxy, unusable] = [wantedProxy(world), unusableProxy(world)];
    if (proxy.http === "" && proxy.https === "" && unusable === undefined) return new Map();
    const variables = variablesOfLogins(proxy, world.machine!.env);
    return new Map([[ADDRESS, { proxy, variables, ...(unusable === undefined ? {} : { unusable }) }]]);
  },
  query: (_world, addresses) =>
    addresses.length === 0 ? {} : { files: [ENVIRONMENT, PROFILE, UNITS], hashes: [APT, SUDO] },
  refusal: (_world, { unusable }) => unusable,
  read: readProxy,
  creation: ({ proxy }) => ({ effect: "live", reason: wordsOf(proxy) }),
  compare: compareProxies,
  expected: ({ proxy, variables }) => ({
    logins: { "/etc/environment": variables, [PROFILE]: variables },
    units: proxyVariables(proxy),
    files: marksOf(proxy),
    loaded: sha256(proxyFiles(proxy)[UNITS]!.content),
  }),
  async change({ proxy, variables }, job) {
    const files = proxyFiles(proxy);
    const { note, ops } = await settingVariables(BLOCK, variables, job);
    return {
      what: "Setting the proxy",
      claimed: { [ADDRESS]: note },
      ops: [
        ...ops,
        ...FILES.map((path) => ({ op: "own", file: { path, ...files[path]! } } as const)),
        { op: "systemctl", args: ["daemon-reload"] },
      ],
      applied: { [ADDRESS]: { ...note, loaded: sha256(files[UNITS]!.content) } },
    };
  },
  async undoing(job) {
    return {
      what: "Taking the proxy away",
      ops: [
        ...await removingVariables(BLOCK, job),
        ...FILES.map((path) => ({ op: "disown", path } as const)),
        { op: "systemctl", args: ["daemon-reload"] },
      ],
      forgotten: [ADDRESS],
    };
  },
});

/** The user's own variables go before ours, in whichever case they are written. */
function variablesOfLogins(proxy: Proxy, env: Variables): Variables {
  const own = new Set(Object.keys(env).map((name) => name.toLowerCase()));
  return Object.fromEntries(
    Object.entries(proxyVariables(proxy)).filter(([name]) => !own.has(name.toLowerCase())),
  );
}

function readProxy({ facts, note }: Sight): Observed<FoundProxy> {
  const [file, profile] = [facts.file(ENVIRONMENT), facts.file(PROFILE)];
  const others = FILES.map((path) => [path, facts.file(path)] as const);
  for (const fact of [file, profile, ...others.map(([, fact]) => fact)]) {
    if (fact.state === "unknown") return fact;
  }
  const block = blockVariables(environmentText(file) ?? "", BLOCK);
  const isOurs = note !== undefined || PROFILE in ownedOf(facts).files;
  const isThere = [profile, ...others.map(([, fact]) => fact)].some(({ state }) => state === "present");
  if (block === undefined && !isThere && !isOurs) return { state: "absent" };
  const units = facts.file(UNITS);
  return {
    state: "present",
    owned: isOurs || block !== undefined,
    value: {
      logins: {
        "/etc/environment": block ?? {},
        [PROFILE]: profileVariables(profile.state === "present" ? profile.value.text : ""),
      },
      units: variablesOfUnits(units.state === "present" ? units.value.text : ""),
      files: Object.fromEntries(
        others.flatMap(([path, fact]): [string, string][] =>
          fact.state === "present" ? [[path, markOf(fact.value.sha256, fact.value.mode)]] : []
        ),
      ),
      loaded: (note as ProxyNote | undefined)?.loaded,
    },
  };
}

/** What tells a file of ours from another: its content and who may read it. */
function markOf(hash: string, mode: string): string {
  return `${hash} ${mode.padStart(4, "0")}`;
}

function marksOf(proxy: Proxy): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(proxyFiles(proxy)).map((
      [path, { content, mode }],
    ) => [path, markOf(sha256(content), mode)]),
  );
}

/** By the keys of the file where a place says another proxy; else by the place that is not as it should be. */
function compareProxies({ proxy, variables }: WantedProxy, found: FoundProxy): readonly Change[] {
  const places: readonly (readonly [wanted: Variables, found: Variables])[] = [
    ...Object.values(found.logins).map((it) => [variables, it] as const),
    [proxyVariables(proxy), found.units],
  ];
  const differing = (name: string) => {
    const names = [name, name.toUpperCase()];
    const wrong = places.flatMap(([wanted, it]) => names.map((key) => [wanted[key], it[key]] as const))
      .find(([wanted, it]) => wanted !== it);
    return wrong && { before: wrong[1] };
  };
  const changes: Change[] = [];
  for (const key of ["http", "https"] as const) {
    const wrong = differing(`${key}_proxy`);
    if (!wrong) continue;
    const sides = { before: masked(wrong.before), after: masked(proxy[key] || undefined) };
    const isTold = sides.before !== wrong.before;
    changes.push(changeAt(`network.proxy.${key}`, sides, { which: "shells", ...(isTold ? { isTold } : {}) }));
  }
  const except = differing("no_proxy");
  if (except) {
    const sides = { before: exceptions(except.before), after: exceptions(proxy.except.join()) };
    changes.push(changeAt("network.proxy.except", sides, { which: "shells" }));
  }
  return changes.length > 0 ? changes : compareFiles(proxy, found);
}

function compareFiles(proxy: Proxy, found: FoundProxy): readonly Change[] {
  const told = (before: string) =>
    changeAt("network.proxy", { before, after: wordsOf(proxy) }, { which: "shells", isTold: true });
  const wrong = Object.entries(marksOf(proxy)).find(([path, mark]) => found.files[path] !== mark);
  if (wrong) return [told(`${wrong[0]} is ${wrong[0] in found.files ? "another" : "missing"}`)];
  const isLoaded = found.loaded === sha256(proxyFiles(proxy)[UNITS]!.content);
  return isLoaded ? [] : [told("systemd has not read it")];
}

function masked(address: string | undefined): string | undefined {
  return address === undefined ? undefined : maskedAddress(address);
}

/** The exceptions that a file could name. */
function exceptions(list: string | undefined): readonly string[] | undefined {
  if (list === undefined) return undefined;
  return list.split(",").filter((name) => name !== "" && !NEVER_BY_PROXY.includes(name));
}

function wordsOf({ http, https }: Proxy): string {
  const [first, second] = [maskedAddress(http), maskedAddress(https)];
  if (first === second || second === "") return first;
  return first === "" ? `${second} for https` : `${first}, ${second} for https`;
}
