import type { GuestFacts } from "../guest/query.ts";
import type { Address, Effect, Observed } from "../plan/types.ts";
import { inGuest, type Job, type Kind, type Look, type World } from "./contract.ts";
import { joinChanges, OWNED_FILE, type OwnedChange, ownedOf } from "./owned.ts";

/** What a row of {@link guestKind} is told when it looks. */
export interface Sight {
  readonly facts: GuestFacts;
  readonly world: World;
  readonly address: Address;
  /** What was noted of it when it was applied; `undefined` when it is not ours. */
  readonly note: unknown;
  readonly look: Look;
}

/** A kind of thing in the guest that is changed by operations and known by a note in the guest's list. */
export interface GuestRow<D, O> extends
  Pick<
    Kind<D, O>,
    | "kind"
    | "phase"
    | "path"
    | "desired"
    | "query"
    | "compare"
    | "expected"
    | "dependsOn"
    | "order"
    | "interrupts"
    | "refusal"
    | "preflight"
  > {
  /** Reads what is there; `owned` comes from the note. */
  read(sight: Sight, desired: D | undefined): Observed<O>;
  readonly creation?: (desired: D) => { readonly effect: Effect; readonly reason?: string };
  removal?(world: World, observed: O): { readonly effect: Effect; readonly reason?: string };
  /** What makes it so. */
  change(desired: D, job: Job): OwnedChange | Promise<OwnedChange>;
  /** What takes it away. */
  undoing(job: Job): OwnedChange | Promise<OwnedChange>;
  /** Done one by one even where several are to be done. */
  readonly alone?: true;
  /** Shows what the operations said. */
  readonly showOutput?: true;
}

/** Something of ours that somebody has taken away, and nobody wants: what is left is our note of it. */
const GONE = Symbol("gone");
type Gone = typeof GONE;

/** Makes a kind out of a row: everything that all things in the guest have in common. */
export function guestKind<D, O>(row: GuestRow<D, O>): Kind<D, O | Gone> {
  const ownedAddresses = (look: Look): readonly Address[] =>
    look.guest.state !== "facts"
      ? []
      : Object.keys(ownedOf(look.guest.facts).applied).filter((address) => isOf(row.kind, address));
  const { compare, creation, read: _read, change: _change, undoing: _undoing, ...common } = row;
  return {
    ...common,
    realm: "guest",
    // What is gone is not compared: nobody wants it.
    compare: (desired, observed) => observed === GONE ? [] : compare(desired, observed as O),
    async query(world, addresses) {
      const query = await row.query?.(world, addresses.filter((address) => isOf(row.kind, address))) ?? {};
      return { ...query, files: [OWNED_FILE, ...query.files ?? []] };
    },
    observe(world, look, desired) {
      const addresses = new Set([...desired.keys(), ...ownedAddresses(look)]);
      const found = [...addresses].map((address): [Address, Observed<O | Gone>] => {
        const see = (facts: GuestFacts): Observed<O | Gone> => {
          const note = ownedOf(facts).applied[address];
          const seen = row.read({ facts, look, world, address, note }, desired.get(address));
          const isLeft = seen.state === "absent" && note !== undefined && !desired.has(address);
          return isLeft ? { state: "present", owned: true, value: GONE } : seen;
        };
        return [address, inGuest(look, see)];
      });
      return Promise.resolve(new Map(found));
    },
    removal: (world, observed) =>
      observed === GONE
        ? { effect: "live", reason: "it is gone already; only its mark goes" }
        : row.removal?.(world, observed as O) ?? { effect: "live" },
    ...(creation ? { creation: (_world, _look, desired) => creation(desired) } : {}),
    async apply(job, desired) {
      const output = await job.owned.run(await row.change(desired, job), job.signal);
      if (row.showOutput && output !== "") job.output(output);
    },
    async undo(job) {
      await job.owned.run(await row.undoing(job), job.signal);
    },
    ...(row.alone ? {} : {
      async together(jobs) {
        const changes = await Promise.all(
          jobs.map(({ job, desired }) => desired === undefined ? row.undoing(job) : row.change(desired, job)),
        );
        const { owned, signal } = jobs[0]!.job;
        await owned.run(joinChanges(changes), signal);
      },
    }),
  };
}

/** Whether an address is one of a kind. */
export function isOf(kind: string, address: Address): boolean {
  return address === kind || address.startsWith(`${kind}:`);
}

/** The part of an address after its kind. */
export function idOf(address: Address): string {
  return address.slice(address.indexOf(":") + 1);
}
