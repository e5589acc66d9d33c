import type { GuestControl } from "../guest/control.ts";
import { count } from "../host/counts.ts";
import { UserError } from "../host/errors.ts";
import type { World } from "./contract.ts";
import type { GuestConnection } from "./platform.ts";
import { rootTarget } from "./power.ts";
import type { RecordStore } from "./record.ts";

/**
 * The way into the guest: through the agent's open connection where one answers, else over an own one that is
 * opened on first use and kept for the round.
 */
export class GuestDoor implements AsyncDisposable {
  readonly #world: World;
  readonly #store: RecordStore;
  #direct: Promise<GuestConnection> | undefined;

  constructor(world: World, store: RecordStore) {
    this.#world = world;
    this.#store = store;
  }

  /** The guest, as root. @throws UserError when neither way leads there */
  async open(): Promise<GuestControl> {
    const { folder, platform } = this.#world;
    // A step may have restarted the VM, or asked too early: a connection that is gone is made anew.
    const direct = await this.#direct?.catch(() => undefined);
    if (direct?.isOpen) return counted(direct);
    this.#direct = undefined;
    const status = await platform.agents.status(folder).catch(() => undefined);
    if (status?.guest.state === "connected") return counted(platform.agents.guest(folder));
    const port = this.#store.value?.sshPort;
    if (port === undefined) throw new UserError("The port of the guest's ssh is not known");
    count("connections");
    this.#direct = platform.connect(rootTarget(folder, port), { timeoutMs: 30_000 });
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

function counted(guest: GuestControl): GuestControl {
  return {
    look(query, options) {
      count("roundTrips");
      return guest.look(query, options);
    },
    perform(ops, options) {
      count("roundTrips");
      return guest.perform(ops, options);
    },
    copyIn(file, options) {
      count("roundTrips");
      return guest.copyIn(file, options);
    },
  };
}
