import { agentGuest, agentStatus } from "../agent/client.ts";
import { connectSsh } from "../guest/ssh.ts";
import type { ExecOptions, Guest } from "../guest/types.ts";
import { UserError } from "../host/errors.ts";
import type { Job, Look, World } from "../resources/contract.ts";
import { OwnedStore } from "../resources/owned.ts";
import { rootTarget } from "../resources/power.ts";
import type { RecordStore } from "../resources/record.ts";
import type { PlannedChange } from "../plan/types.ts";
import { count } from "../host/counts.ts";
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
    signal: round.signal,
  };
}

/**
 * The way into the guest: through the agent's open connection where one answers, else over an own one that is
 * opened on first use and kept for the round.
 */
export class GuestDoor implements AsyncDisposable {
  readonly #world: World;
  readonly #store: RecordStore;
  #direct: Promise<Guest> | undefined;

  constructor(world: World, store: RecordStore) {
    this.#world = world;
    this.#store = store;
  }

  /** A guest to run scripts in, as root. @throws UserError when neither way leads there */
  async open(): Promise<Guest> {
    const { folder } = this.#world;
    if (this.#direct) return counted(await this.#direct);
    const status = await agentStatus(folder.agentSocket).catch(() => undefined);
    if (status?.guest.state === "connected") return counted(agentGuest(folder.agentSocket));
    const port = this.#store.value?.sshPort;
    if (port === undefined) throw new UserError("The port of the guest's ssh is not known");
    count("connections");
    this.#direct = connectSsh(rootTarget(folder, port), { timeoutMs: 30_000 });
    return counted(await this.#direct);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const direct = this.#direct;
    this.#direct = undefined;
    if (!direct) return;
    const guest = await direct.catch(() => undefined); // a connection that never came needs no closing
    await guest?.[Symbol.asyncDispose]();
  }
}

function counted(guest: Guest): Guest {
  return {
    run: (script: string, options?: ExecOptions) => {
      count("roundTrips");
      return guest.run(script, options);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(), // the round closes it
  };
}
