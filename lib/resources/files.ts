import type { FileSpec } from "../config/types.ts";
import { messageOf } from "../host/errors.ts";
import { readBytesOf, sha256 } from "../host/files.ts";
import type { Observed } from "../plan/types.ts";
import { Differences } from "./change.ts";
import { guestKind, idOf, type Sight } from "./guest_kind.ts";
import { ownedOf } from "./owned.ts";

const KIND = "file";

/** A file as wanted, with its content at hand. */
interface WantedFile {
  readonly path: string;
  readonly owner: string;
  readonly mode: string;
  /** Of the content. */
  readonly hash: string;
  /** Why the host's source cannot be read. */
  readonly missing?: string;
}

/** A file as found. */
interface FoundFile {
  readonly hash: string;
  readonly mode: string;
  readonly owner: string;
  /** It is ours, and somebody has changed its content since. */
  readonly changedOutside: boolean;
  /** What stood there before was kept. */
  readonly isOurs: boolean;
}

/** Files of the guest, of the user's own making: content, owner and mode. */
export const fileKind = guestKind<WantedFile, FoundFile>({
  kind: KIND,
  phase: 11,
  path: (address) => `files[${idOf(address)}]`,
  dependsOn: () => ["vm", "folders"],
  async desired({ machine }) {
    const files = await Promise.all((machine?.files ?? []).map(wantedFile));
    return new Map(files.map((file) => [`${KIND}:${file.path}`, file]));
  },
  query: (_world, addresses) => ({ hashes: addresses.map(idOf) }),
  refusal: (_world, { missing }) => missing,
  read: observeFile,
  compare(desired, observed) {
    const found = new Differences();
    const path = `files[${desired.path}]`;
    if (observed.hash !== desired.hash) {
      const note = observed.isOurs ? {} : { note: "replaces what stands there (kept)" };
      found.add(`${path}.content`, shortHash(observed.hash), shortHash(desired.hash), note);
    }
    found.compare(`${path}.owner`, observed.owner, desired.owner);
    found.compare(`${path}.mode`, observed.mode, desired.mode);
    return found.changes;
  },
  expected: ({ hash, mode, owner }) => ({ hash, mode, owner, changedOutside: false, isOurs: true }),
  removal(_world, observed) {
    const { changedOutside } = observed;
    return { effect: "live", ...(changedOutside ? { reason: KEPT } : {}) };
  },
  async change(desired, { world, step }) {
    const spec = world.machine!.files.find(({ path }) => path === desired.path)!;
    const { path, mode, owner } = desired;
    const content = await contentOf(spec);
    return {
      what: `Writing ${path}`,
      claimed: { [step.address]: true },
      ops: [{ op: "own", file: { path, content, mode, owner } }],
    };
  },
  undoing({ step, look }) {
    const path = idOf(step.address);
    const isChanged = look.guest.state === "facts" && isChangedOutside(look.guest.facts, path);
    return {
      what: `Removing ${path}`,
      ops: [{ op: isChanged ? "abandon" : "disown", path }],
      forgotten: [step.address],
    };
  },
});

const KEPT = "somebody has changed it since: it stays as it is, and is no longer ours";

async function wantedFile(spec: FileSpec): Promise<WantedFile> {
  const { path, owner, mode } = spec;
  try {
    return { path, owner, mode, hash: sha256(await contentOf(spec)) };
  } catch (error) {
    return { path, owner, mode, hash: "", missing: `its source cannot be read: ${messageOf(error)}` };
  }
}

async function contentOf({ content, source }: FileSpec): Promise<string | Uint8Array> {
  return content ?? await readBytesOf(source!);
}

function observeFile({ facts, address, note }: Sight): Observed<FoundFile> {
  const path = idOf(address);
  const fact = facts.file(path);
  if (fact.state !== "present") return fact;
  const { sha256: hash, mode, owner } = fact.value;
  const isOurs = path in ownedOf(facts).files;
  return {
    state: "present",
    owned: note !== undefined || isOurs,
    value: {
      hash,
      mode: mode.padStart(4, "0"),
      owner,
      isOurs,
      changedOutside: isChangedOutside(facts, path),
    },
  };
}

function isChangedOutside(facts: Sight["facts"], path: string): boolean {
  const fact = facts.file(path);
  const ours = ownedOf(facts).files[path];
  return fact.state === "present" && ours !== undefined && fact.value.sha256 !== ours;
}

/** Enough of a hash to see that it is another one; contents may be secrets. */
function shortHash(hash: string): string {
  return `sha256:${hash.slice(0, 12)}`;
}
