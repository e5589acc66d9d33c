import type { ProvisionStep } from "../config/types.ts";
import type { GuestFacts } from "../guest/query.ts";
import { sha256 } from "../host/files.ts";
import { Differences } from "./change.ts";
import type { World } from "./contract.ts";
import { guestKind, idOf } from "./guest_kind.ts";
import type { OwnedOp } from "./owned.ts";

const KIND = "provision";
const FOLDER = "/var/lib/machine/provision";
const PASSWD = "/etc/passwd";
/** Builds and downloads take their time; what takes longer is stuck. */
const MOST_MS = 3_600_000;

/** Own commands as wanted. */
interface WantedStep extends ProvisionStep {
  /** Of what decides whether it has run as it stands in the file. */
  readonly hash: string;
  /** Its place in the file. */
  readonly place: number;
  /** The step before it, on which it may build. */
  readonly after: string | undefined;
  /** The login of `as: user`. */
  readonly login: string | undefined;
}

/** Own commands as found. */
interface FoundStep {
  /** The hash of the commands that ran to their end here. */
  readonly ran: string | undefined;
  /** The check that was asked; `undefined` without one. */
  readonly check: string | undefined;
  /** What it says. */
  readonly passes: boolean | undefined;
  /** It runs at every apply, and has not run in this one. */
  readonly due: boolean;
}

/**
 * The user's own commands. With a check, the check alone says whether something is to be done; without one they run
 * when they are new or edited. Where the guest has lost its memory of them, with its disk, they run again.
 */
export const provisionKind = guestKind<WantedStep, FoundStep>({
  kind: KIND,
  phase: 15,
  path: (address) => `provision[${idOf(address)}]`,
  dependsOn: (_address, desired) => [
    "vm",
    "folders",
    ...(desired?.login === undefined ? [] : [`user:${desired.login}`]),
    ...(desired?.after === undefined ? [] : [`${KIND}:${desired.after}`]),
  ],
  order: ({ place }) => place,
  desired: (world) => new Map((wantedSteps(world)).map((step) => [`${KIND}:${step.name}`, step])),
  query: ({ machine }) => ({
    files: [PASSWD],
    checks: (machine?.provision ?? []).flatMap(({ name, check, as }) =>
      check === undefined ? [] : [{ name, run: check, ...(as === "user" ? { as: machine!.user.name } : {}) }]
    ),
  }),
  read({ facts, address, world, note }, desired) {
    const ran = typeof note === "string" ? note : undefined;
    const check = desired?.check === undefined ? undefined : facts.check(desired.name);
    if (check?.state === "unknown") {
      const isMissing = desired?.login !== undefined && !hasLogin(facts, desired.login);
      return isMissing
        ? { ...check, reason: "its login comes first", until: `user:${desired.login}` }
        : check;
    }
    const passes = check?.state === "present" ? check.value : undefined;
    if (ran === undefined && passes !== true) return { state: "absent" };
    const due = check === undefined && desired?.when === "always" && world.ran !== undefined &&
      !world.ran.has(address);
    return {
      state: "present",
      owned: note !== undefined,
      value: { ran, check: desired?.check, passes, due },
    };
  },
  compare(desired, observed) {
    const found = new Differences();
    const path = `provision[${desired.name}]`;
    if (observed.due) found.add(`${path}.when`, "always", "always", { note: "runs at every apply" });
    else if (desired.check !== undefined) {
      // Another check than this one says nothing about it.
      if (observed.check === desired.check && observed.passes !== true) {
        found.add(`${path}.check`, "fails", "succeeds");
      }
    } else if (observed.ran !== desired.hash) {
      found.add(`${path}.run`, "ran as it was before", "runs again");
    }
    return found.changes;
  },
  expected: ({ hash, check }) => ({
    ran: hash,
    check,
    passes: check === undefined ? undefined : true,
    due: false,
  }),
  removal: () => ({ effect: "live", reason: "what it did stays; only its mark goes" }),
  async change(desired, { step, owned }) {
    const known = (await owned.read()).applied[step.address];
    const file = `${FOLDER}/${desired.name}`;
    const log = `${file}.log`;
    const check = `${file}.check`;
    const script = (path: string, commands: string) => ({
      path,
      content: scriptOf(commands),
      mode: "0700",
      ...ownerOf(desired),
    });
    const run = { op: "run-file", file, log, as: desired.login } as const;
    const ops: OwnedOp[] = [
      { op: "make-folder", path: FOLDER, mode: "0755" },
      { op: "write", files: [script(file, desired.run)] },
      // Asked again at the last moment: the plan may be older than the guest, and a step before this one may have done it.
      ...(desired.check === undefined ? [run] : [
        { op: "write", files: [script(check, desired.check)] },
        { ...run, unless: check },
        { op: "run-check", file: check, as: desired.login },
      ] as const),
    ];
    return {
      what: `The provision step "${desired.name}"`,
      ops,
      // Cut off between the run and the note, its files would be nobody's where a check now says that all is done.
      ...(known === undefined ? { claimed: { [step.address]: { begun: true } } } : {}),
      applied: { [step.address]: desired.hash },
      timeoutMs: MOST_MS,
    };
  },
  undoing({ step }) {
    const file = `${FOLDER}/${idOf(step.address)}`;
    return {
      what: "Forgetting a provision step",
      ops: [file, `${file}.log`, `${file}.check`].map((path) => ({ op: "remove", path })),
      forgotten: [step.address],
    };
  },
  alone: true,
  showOutput: true,
});

/** Whether a check could run as a login at all; where that cannot be told, the check's own answer counts. */
function hasLogin(facts: GuestFacts, login: string): boolean {
  const passwd = facts.file(PASSWD);
  return passwd.state !== "present" ||
    passwd.value.text.split("\n").some((line) => line.startsWith(`${login}:`));
}

function wantedSteps({ machine }: World): readonly WantedStep[] {
  return (machine?.provision ?? []).map((step, place, all) => ({
    ...step,
    hash: sha256(JSON.stringify([step.run, step.as])),
    place,
    after: all[place - 1]?.name,
    login: step.as === "user" ? machine!.user.name : undefined,
  }));
}

/** The commands end at the first that fails, unless they say themselves what runs them. */
function scriptOf(commands: string): string {
  return commands.startsWith("#!") ? commands : `#!/bin/sh -e\n${commands}\n`;
}

function ownerOf({ login }: WantedStep): { readonly owner?: string } {
  return login === undefined ? {} : { owner: `${login}:${login}` };
}
