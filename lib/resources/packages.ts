import { effectOf } from "../config/effects.ts";
import type { GuestFacts } from "../guest/query.ts";
import { UserError } from "../host/errors.ts";
import type { Change } from "../plan/types.ts";
import type { Job } from "./contract.ts";
import { guestKind, idOf } from "./guest_kind.ts";
import type { OwnedStore } from "./owned.ts";

const KIND = "package";
/** Under emulation apt unpacks a package in seconds; hundreds of them take their time. */
const MOST_MS = 3_600_000;
/** Under emulation apt takes a minute to read its lists anew. */
const CHECK_MS = 600_000;

/** Debian packages that the file asks for. One that was there before is left there when the file drops it. */
export const packageKind = guestKind<string, { readonly version: string }>({
  kind: KIND,
  phase: 7,
  path: (address) => `packages.install[${idOf(address)}]`,
  dependsOn: () => ["vm"],
  desired: ({ machine }) =>
    new Map((machine?.packages.install ?? []).map((name) => [`${KIND}:${name}`, name])),
  query: (_world, addresses) => ({ packages: addresses.map(idOf) }),
  read({ facts, address, note }) {
    const fact = facts.package(idOf(address));
    if (fact.state !== "present") return fact;
    return { state: "present", owned: note !== undefined, value: { version: fact.value } };
  },
  // Which version is the business of apt and its repositories.
  compare: (): Change[] => [],
  expected: () => ({ version: "" }),
  removal: () => ({ effect: effectOf("packages.install"), reason: "unless another package needs it" }),
  async preflight(jobs) {
    const { guest, look, signal } = jobs[0]!.job;
    const names = jobs.flatMap(({ desired }) => desired === undefined ? [] : [desired]);
    if (names.length === 0 || look.guest.state !== "facts") return; // a guest that is not there yet cannot be asked
    const result = await (await guest()).perform([{ op: "check-packages", names }], {
      timeoutMs: CHECK_MS,
      signal,
    });
    if (result.ok) return;
    throw new UserError("apt in the guest cannot install what packages.install asks for", {
      output: result.output,
    });
  },
  async change(name, job) {
    const before = (await installedBefore(job)).package(name);
    if (before.state === "unknown") {
      throw new UserError(`Whether ${name} was there before is not known: ${before.reason}`);
    }
    return {
      what: `Installing ${name}`,
      ops: [{ op: "install-packages", names: [name] }],
      // Noted before: a package that came by half is ours to take away again.
      ...(before.state === "present" ? {} : { claimed: { [job.step.address]: true } }),
      timeoutMs: MOST_MS,
    };
  },
  undoing: ({ step }) => ({
    what: `Removing ${idOf(step.address)}`,
    ops: [{ op: "remove-packages", names: [idOf(step.address)] }],
    forgotten: [step.address],
    timeoutMs: MOST_MS,
  }),
});

/** Looks at the packages of rounds whose own look came before the guest was there. */
const looks = new WeakMap<OwnedStore, Promise<GuestFacts>>();

/** What was installed before this round: an image brings packages that are not ours to take away. */
async function installedBefore(job: Job): Promise<GuestFacts> {
  const { look, owned, world } = job;
  if (look.guest.state === "facts") return look.guest.facts;
  const known = looks.get(owned);
  if (known) return await known;
  const names = world.machine?.packages.install ?? [];
  const asked = job.guest().then((guest) => guest.look({ packages: names }, { signal: job.signal }));
  looks.set(owned, asked);
  return await asked;
}
