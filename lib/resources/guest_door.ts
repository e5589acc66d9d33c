import { agentGuest, agentStatus } from "../agent/client.ts";
import { connectSsh, type SshConnection } from "../guest/ssh.ts";
import type { ExecOptions, Guest } from "../guest/types.ts";
import { count } from "../host/counts.ts";
import { UserError } from "../host/errors.ts";
import type { World } from "./contract.ts";
import { rootTarget } from "./power.ts";
import type { RecordStore } from "./record.ts";

/**
 * The way into the guest: through the agent's open connection where one answers, else over an own one that is
 * opened on first use and kept for the round.
 */
export class GuestDoor implements AsyncDisposable {
  readonly #world: World;
  readonly #store: RecordStore;
  #direct: Promise<SshConnection> | undefined;

  constructor(world: World, store: RecordStore) {
    this.#world = world;
    this.#store = store;
  }

  /** A guest to run scripts in, as root. @throws UserError when neither way leads there */
  async open(): Promise<Guest> {
    const { folder } = this.#world;
    // A step may have restarted the VM, or asked too early: a connection that is gone is made anew.
    const direct = await this.#direct?.catch(() => undefined);
    if (direct?.isOpen) return counted(direct);
    this.#direct = undefined;
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
