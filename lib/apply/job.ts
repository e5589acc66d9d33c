import type { Job, Look, World } from "../resources/contract.ts";
import { GuestDoor } from "../resources/guest_door.ts";
import { OwnedStore } from "../resources/owned.ts";
import type { RecordStore } from "../resources/record.ts";
import type { PlannedChange } from "../plan/types.ts";
import type { Emit } from "./events.ts";

/** What the steps of one round share. */
export interface Round {
  readonly world: World;
  readonly look: Look;
  readonly store: RecordStore;
  readonly guest: GuestDoor;
  readonly owned: OwnedStore;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Opens what the steps of a round share. */
export function openRound(parts: Omit<Round, "guest" | "owned">): Round {
  const guest = new GuestDoor(parts.world, parts.store);
  // What is ours in the guest is read when it is first needed: the disk under it may be made anew before.
  return { ...parts, guest, owned: new OwnedStore(() => guest.open(), undefined) };
}

/** What one step works with. */
export function jobFor(round: Round, step: PlannedChange): Job {
  const record = round.store.value;
  if (!record) throw new Error("A step runs without a record");
  return {
    world: { ...round.world, record },
    look: round.look,
    step,
    store: round.store,
    guest: () => round.guest.open(),
    owned: round.owned,
    progress: (text, fraction) =>
      round.emit({
        kind: "progress",
        address: step.address,
        text,
        ...(fraction === undefined ? {} : { fraction }),
      }),
    note: (text) => round.emit({ kind: "note", text }),
    output: (text) => round.emit({ kind: "output", address: step.address, text }),
    signal: round.signal,
  };
}
