import { AUTHORITIES_BUNDLE, authorityFile } from "../guest/authorities_script.ts";
import type { GuestLine } from "../guest/query.ts";
import { derBlocks, readCertificate } from "../host/certificates.ts";
import { UserError } from "../host/errors.ts";
import { sha256 } from "../host/files.ts";
import type { Address, Observed } from "../plan/types.ts";
import { changeAt } from "./change.ts";
import type { Job } from "./contract.ts";
import { guestKind, idOf, type Sight } from "./guest_kind.ts";
import { type Authority, wantedTrust } from "./network_facts.ts";
import { joinChanges, type OwnedChange, type OwnedOp } from "./owned.ts";

const KIND = "ca";
const KEY = "network.caCerts";
const WORDS = { which: "shells", isTold: true } as const;
const REFRESH: OwnedOp = { op: "refresh-authorities" };
const REFRESH_MS = 300_000;

/** An authority as wanted; or a source of authorities that cannot be read. */
type WantedAuthority = Authority | { readonly id: string; readonly unreadable: string };

/** An authority as found. */
interface FoundAuthority {
  /** SHA-256 of its file; `undefined` when there is none. */
  readonly hash: string | undefined;
  /** Whether programs trust it: it is in the bundle. */
  readonly inBundle: boolean;
  /** Its name, as noted. */
  readonly subject: string;
  readonly expiresMs: number;
}

/** What is noted of an authority. */
interface AuthorityNote {
  readonly subject: string;
  readonly expiresMs: number;
}

const row = guestKind<WantedAuthority, FoundAuthority>({
  kind: KIND,
  phase: 6,
  path: () => KEY,
  dependsOn: () => ["vm"],
  async desired(world) {
    const { authorities, unreadable } = await wantedTrust(world);
    return new Map<Address, WantedAuthority>([
      ...authorities.map((authority) => [`${KIND}:${authority.id}`, authority] as const),
      ...unreadable.map(({ source, reason }) => {
        const id = sha256(source).slice(0, 16);
        return [`${KIND}:${id}`, { id, unreadable: `${source} cannot be read: ${reason}` }] as const;
      }),
    ]);
  },
  async query(world, addresses) {
    if (addresses.length === 0) return {};
    const { authorities } = await wantedTrust(world);
    return {
      hashes: [AUTHORITIES_BUNDLE, ...addresses.map((address) => authorityFile(idOf(address)))],
      lines: authorities.map(lineInBundle),
    };
  },
  refusal: (_world, wanted) => "unreadable" in wanted ? wanted.unreadable : undefined,
  read: readAuthority,
  creation: (wanted) => ({ effect: "live", ...("pem" in wanted ? { reason: wanted.subject } : {}) }),
  removal(_world, { subject, expiresMs }) {
    const isOver = expiresMs <= Date.now();
    return { effect: "live", reason: `${subject} ${isOver ? "has expired" : "is no longer trusted"}` };
  },
  compare(wanted, found) {
    if ("unreadable" in wanted) return [];
    const before = found.hash === undefined
      ? "missing"
      : found.hash !== sha256(wanted.pem)
      ? "another file"
      : found.inBundle
      ? undefined
      : `not in ${AUTHORITIES_BUNDLE}`;
    return before === undefined ? [] : [changeAt(KEY, { before, after: wanted.subject }, WORDS)];
  },
  expected: (wanted) =>
    "pem" in wanted
      ? { hash: sha256(wanted.pem), inBundle: true, subject: wanted.subject, expiresMs: Infinity }
      : { hash: undefined, inBundle: false, subject: "", expiresMs: Infinity },
  change: installing,
  undoing: removing,
});

/**
 * The authorities that the guest trusts beside Debian's: files of which the bundle is made that programs read. Daemons
 * read it when they start; whether a running one has, its engine's kind says.
 */
export const authorityKind: typeof row = {
  ...row,
  async observe(world, look, desired) {
    const found = await row.observe(world, look, desired);
    // What is ours may come from a source that cannot be read now: who knows whether it is still wanted.
    const source = [...desired.values()].find((wanted) => "unreadable" in wanted);
    if (!source) return found;
    const unsure = { state: "unknown", reason: `it may still be wanted: ${source.unreadable}` } as const;
    return new Map([...found].map(([address, it]) => [address, desired.has(address) ? it : unsure] as const));
  },
  async apply(job, wanted) {
    await sayLeftOut(job);
    await row.apply(job, wanted);
  },
  async together(jobs) {
    const { job } = jobs[0]!;
    await sayLeftOut(job);
    const changes = jobs.map(({ job, desired }) =>
      desired === undefined ? removing(job) : installing(desired, job)
    );
    const { ops, ...change } = joinChanges(changes);
    await job.owned.run({ ...change, ops: [...ops.filter((op) => op !== REFRESH), REFRESH] }, job.signal);
  },
};

/** What the host trusts and the guest will not. */
async function sayLeftOut({ world, note }: Job): Promise<void> {
  const { leftOut } = await wantedTrust(world);
  for (const { subject, reason } of leftOut) note(`${subject} is left out: ${reason}`);
}

function installing(wanted: WantedAuthority, { step }: Job): OwnedChange {
  if ("unreadable" in wanted) throw new UserError(wanted.unreadable); // refused before it comes to this
  const { expiresMs } = readCertificate(derBlocks(new TextEncoder().encode(wanted.pem))[0]!);
  return {
    what: `Trusting ${wanted.subject}`,
    claimed: { [step.address]: { subject: wanted.subject, expiresMs } },
    ops: [
      { op: "own", file: { path: authorityFile(wanted.id), content: wanted.pem, mode: "0644" } },
      REFRESH,
    ],
    timeoutMs: REFRESH_MS,
  };
}

function removing({ step }: Job): OwnedChange {
  return {
    what: "Removing an authority",
    ops: [{ op: "disown", path: authorityFile(idOf(step.address)) }, REFRESH],
    forgotten: [step.address],
    timeoutMs: REFRESH_MS,
  };
}

function readAuthority(
  { facts, address, note }: Sight,
  wanted: WantedAuthority | undefined,
): Observed<FoundAuthority> {
  const [file, bundle] = [facts.file(authorityFile(idOf(address))), facts.file(AUTHORITIES_BUNDLE)];
  for (const fact of [file, bundle]) if (fact.state === "unknown") return fact;
  if (file.state === "absent" && note === undefined) return { state: "absent" };
  const isAsked = wanted !== undefined && "pem" in wanted;
  const line = isAsked && bundle.state === "present" ? lineInBundle(wanted) : undefined;
  const found = line && facts.line(line.path, line.line);
  if (found?.state === "unknown") return found;
  const { subject = "an authority", expiresMs = Infinity } = (note ?? {}) as Partial<AuthorityNote>;
  return {
    state: "present",
    owned: note !== undefined,
    value: {
      hash: file.state === "present" ? file.value.sha256 : undefined,
      inBundle: found?.state === "present" && found.value,
      subject,
      expiresMs,
    },
  };
}

/** Its last whole line is part of the signature: no other certificate has it. */
function lineInBundle({ pem }: Authority): GuestLine {
  const lines = pem.split("\n").filter((line) => line.length === 64);
  return { path: AUTHORITIES_BUNDLE, line: lines.at(-1) ?? "" };
}
