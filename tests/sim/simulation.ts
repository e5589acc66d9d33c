import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { applyMachine } from "../../lib/apply/apply.ts";
import { diffMachine } from "../../lib/apply/diff.ts";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import type { ApplyOptions, DiffResult, Outcome } from "../../lib/apply/types.ts";
import { stopMachine } from "../../lib/apply/power.ts";
import { loadMachines } from "../../lib/config/load.ts";
import type { Json, LoadedMachine } from "../../lib/config/types.ts";
import { derBlocks, readCertificate } from "../../lib/host/certificates.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import type { HostFacts } from "../../lib/host/system.ts";
import { EFFECTS } from "../../lib/plan/effects.ts";
import type { Effect, Plan } from "../../lib/plan/types.ts";
import { LEAF } from "../unit/certificates_fixture.ts";
import { type Course, Effects, type Fate } from "./effects.ts";
import { HostFiles } from "./host_files.ts";
import { SimHost } from "./host.ts";
import { type HostSetting, NO_SETTING } from "./host_setting.ts";
import { AUTHORITY_FILES } from "./machines.ts";
import { type MachineState, stateOf, withoutWhatStays } from "./state.ts";

/** A machine file as its keys and values. */
export type FileKeys = { readonly [key: string]: Json };

/** How an apply went, with what was said meanwhile. */
export interface Applied {
  readonly outcome: Outcome;
  readonly events: readonly ApplyEvent[];
}

/** What an apply may be told. */
export type ApplyWish = Partial<Pick<ApplyOptions, "dryRun" | "targets" | "expectPlan" | "takeOver">> & {
  /** Effects that need no question; every one when left out. */
  readonly allowed?: readonly Effect[];
};

export const NAME = "dev";
const NEVER = new AbortController().signal;

/** Files of the host that machine files name, below the home folder. */
const FILES: Readonly<Record<string, string>> = {
  "notes/source": "from the host\n",
  "trust/client.pem": LEAF,
  "trust/client.key": "-----BEGIN PRIVATE KEY-----\nbm90IHJlYWxseQ==\n-----END PRIVATE KEY-----\n",
  ...Object.fromEntries(Object.entries(AUTHORITY_FILES).map(([path, pem]) => [path.slice("~/".length), pem])),
};

/** The computer that machine files are held against. */
const FACTS: Omit<HostFacts, "home" | "proxy"> = {
  os: "linux",
  arch: "x86_64",
  cpus: 8,
  memoryMiB: 16384,
  user: "ada",
  uid: 1000,
  timezone: "Etc/UTC",
};

/** A computer in memory with its machine, on which commands run, are killed, and fail. */
export class Simulation implements AsyncDisposable {
  readonly effects: Effects;
  #host: SimHost;
  #setting: HostSetting = NO_SETTING;
  readonly #files: HostFiles;

  private constructor(effects: Effects, files: HostFiles) {
    this.effects = effects;
    this.#host = new SimHost(effects);
    this.#files = files;
  }

  /** One computer at a time: it has the variables of the environment, and the files. */
  static async make(): Promise<Simulation> {
    const effects = new Effects();
    const simulation = new Simulation(effects, await HostFiles.make(effects));
    await simulation.clear();
    return simulation;
  }

  get host(): SimHost {
    return this.#host;
  }

  /** The home folder on the host. */
  get home(): string {
    return this.#files.home;
  }

  get folder(): MachineFolder {
    return machineFolder(NAME);
  }

  /** Another computer of the same setting, on which no machine has ever been. */
  async clear(): Promise<void> {
    await this.#files.clear();
    this.#host = new SimHost(this.effects);
    for (const [path, content] of Object.entries(FILES)) {
      mkdirSync(join(this.home, dirname(path)), { recursive: true });
      writeFileSync(join(this.home, path), content);
    }
    mkdirSync(join(this.home, "work"), { recursive: true });
    this.setHost(this.#setting);
  }

  /** Changes what there is to be taken over from this computer. */
  setHost(setting: HostSetting): void {
    this.#setting = setting;
    this.#files.setProxy(setting.proxy);
    this.#host.authorities = setting.authorities.flatMap((pem) =>
      derBlocks(new TextEncoder().encode(pem)).map(readCertificate)
    );
    this.#host.logins = Object.fromEntries(
      Object.entries(setting.logins).map((
        [host, { user, password }],
      ) => [host, { auth: btoa(`${user}:${password}`) }]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }

  /** Reads a machine file. @throws AssertionError when it has problems */
  async load(keys: FileKeys | string): Promise<LoadedMachine> {
    const text = typeof keys === "string" ? keys : JSON.stringify({ name: NAME, ...keys });
    const result = await loadMachines({ stdin: true, text }, {
      ...FACTS,
      home: this.#files.home,
      proxy: this.#setting.proxy,
    });
    assert.ok(result.ok, result.ok ? "" : JSON.stringify(result.problems));
    return result.machines[0]!;
  }

  /** Runs a command; a killed one leaves its files and locks as the system does. */
  async command<T>(work: () => Promise<T>, fate?: Fate): Promise<Course<T>> {
    const course = await this.effects.run(work, fate);
    if (!course.ended) this.#files.closeAll();
    return course;
  }

  async apply(loaded: LoadedMachine, wish: ApplyWish = {}, fate?: Fate): Promise<Course<Applied>> {
    const events: ApplyEvent[] = [];
    const { allowed = EFFECTS, takeOver = true, dryRun = false, ...rest } = wish;
    return await this.command(async () => {
      const outcome = await applyMachine({
        ...this.options((event) => events.push(event)),
        ...rest,
        loaded,
        takeOver,
        dryRun,
        approval: { allowed: new Set(allowed) },
      });
      return { outcome, events };
    }, fate);
  }

  /** Applies to the end. @throws AssertionError when it does not come there */
  async reach(loaded: LoadedMachine, wish: ApplyWish = {}): Promise<Applied & { trace: readonly string[] }> {
    const course = await this.apply(loaded, wish);
    assert.ok(course.ended);
    const { outcome, events } = course.value;
    assert.equal(outcome.exitCode, 0, failureText(outcome, events));
    return { ...course.value, trace: course.trace };
  }

  /**
   * Reaches a machine from where this computer is, and then from nothing: both have to be the same.
   * @throws AssertionError when they are not
   */
  async reachAsFromNothing(loaded: LoadedMachine): Promise<void> {
    await this.reach(loaded);
    assert.deepEqual(linesOf(await this.diff(loaded)), []);
    const changed = withoutWhatStays(this.state());
    await this.clear();
    await this.reach(loaded);
    assert.deepEqual(changed, withoutWhatStays(this.state()));
  }

  /** What differs; it has to do so without any side effect. */
  async diff(loaded: LoadedMachine): Promise<Plan> {
    const course: Course<DiffResult> = await this.command(() =>
      diffMachine(loaded, NEVER, { platform: this.#host.platform })
    );
    assert.deepEqual(course.trace, [], "diff has side effects");
    assert.ok(course.ended);
    return course.value.plan;
  }

  /** Stops the machine, as `machine stop` does. */
  async stop(): Promise<void> {
    await this.command(() => stopMachine({ ...this.options(), name: NAME }));
  }

  /** Every file of the host, with what is in it. */
  async hostFiles(): Promise<Readonly<Record<string, string>>> {
    return await this.#files.list();
  }

  /** What every operation takes. */
  options(emit: (event: ApplyEvent) => void = () => {}) {
    return {
      emit,
      stopSignal: NEVER,
      abortSignal: NEVER,
      lockTimeoutMs: 1000,
      command: "machine apply",
      platform: this.#host.platform,
    };
  }

  /** The machine as it is now, in guest and host. */
  state(): MachineState {
    return stateOf(this.#host, this.folder);
  }
}

/** Why an apply did not come to its end. */
export function failureText(outcome: Outcome, events: readonly ApplyEvent[]): string {
  const said = events.flatMap((event) =>
    event.kind === "step-failed" ? [`${event.address}: ${event.error}`] : []
  );
  const open = outcome.open.map(({ address, action, reason }) => `${action} ${address}: ${reason}`);
  return [outcome.reason, ...said, ...open].join("\n");
}

/** The lines of a plan that say something, each in one text. */
export function linesOf(plan: Plan): string[] {
  return plan.changes.filter(({ action }) => action !== "none").map((change) => {
    const paths = change.paths.map(({ path, before, after, note }) =>
      `${path} ${JSON.stringify(before)} → ${JSON.stringify(after)}${note === undefined ? "" : ` (${note})`}`
    );
    return [`${change.action} ${change.address} ${change.effect} ${change.reason ?? ""}`, ...paths].join(
      "; ",
    );
  });
}
