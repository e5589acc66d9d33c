import { AsyncLocalStorage } from "node:async_hooks";
import { UserError } from "../../lib/host/errors.ts";

/** What happens to a command from outside. */
export interface Fate {
  /** It is killed before this effect, counted from 0. */
  readonly killAt?: number;
  /** Effects that fail as such things fail. */
  readonly failing?: (name: string) => boolean;
}

/** How a command went. */
export type Course<T> =
  | { readonly ended: true; readonly value: T; readonly trace: readonly string[] }
  | { readonly ended: false; readonly trace: readonly string[] };

/** One command, from its start to its end or its death. */
interface Life extends Fate {
  readonly trace: string[];
  readonly death: PromiseWithResolvers<"dead">;
  isDead: boolean;
}

/** Ends what cannot wait, in a command that is dead. */
class Dead extends Error {}

/**
 * Every side effect of a simulated command, on its host and in its guest, passes here first. So an apply can be
 * counted, made to fail, or killed, between any two of them. What belongs to a killed command stands still for ever,
 * as a killed process does: not even what cleans up goes on.
 */
export class Effects {
  readonly #lives = new AsyncLocalStorage<Life>();

  /** Runs a command. */
  async run<T>(work: () => Promise<T>, fate: Fate = {}): Promise<Course<T>> {
    const life: Life = { ...fate, trace: [], death: Promise.withResolvers(), isDead: false };
    const working = this.#lives.run(life, work);
    working.catch(() => {}); // of a dead command nobody hears anything
    const dead = Symbol("dead");
    const value = await Promise.race([working, life.death.promise.then((): typeof dead => dead)])
      .catch((error) => {
        if (life.isDead) return dead;
        throw error;
      });
    return value === dead || life.isDead
      ? { ended: false, trace: life.trace }
      : { ended: true, value: value as T, trace: life.trace };
  }

  /** Something is about to be done. @throws UserError when it is to fail */
  async step(name: string): Promise<void> {
    const life = this.#lives.getStore();
    if (!life) return;
    if (isOver(life)) await standStill();
    life.trace.push(name);
    if (life.failing?.(name)) throw new UserError(`Simulated failure of ${name}`);
  }

  /** The same, of what cannot wait. @throws Error when the command is dead */
  stepNow(name: string): void {
    const life = this.#lives.getStore();
    if (!life) return;
    if (isOver(life)) throw new Dead();
    life.trace.push(name);
  }

  /** Something is about to be looked at; a killed command looks at nothing. */
  async look(): Promise<void> {
    if (this.#lives.getStore()?.isDead) await standStill();
  }
}

function isOver(life: Life): boolean {
  if (!life.isDead && life.killAt === life.trace.length) {
    life.isDead = true;
    life.death.resolve("dead");
  }
  return life.isDead;
}

/** A promise that is never kept. */
function standStill(): Promise<never> {
  return new Promise(() => {});
}
