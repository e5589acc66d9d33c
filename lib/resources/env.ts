import type { Change } from "../plan/types.ts";
import { changeAt } from "./change.ts";
import { guestKind } from "./guest_kind.ts";
import {
  blockVariables,
  ENVIRONMENT,
  environmentText,
  linesOfOthers,
  profilePath,
  profileVariables,
  removingVariables,
  settingVariables,
  type Variables,
} from "./login_variables.ts";
import { ownedOf } from "./owned.ts";

const BLOCK = "machine";
const PROFILE = profilePath(BLOCK);

/** The environment as found in its two places; other lines of /etc/environment are not ours. */
interface FoundEnv {
  readonly block: Variables;
  /** Lines of /etc/environment around our block. */
  readonly others: string;
  readonly profile: Variables;
}

/** The environment of every login. */
export const envKind = guestKind<Variables, FoundEnv>({
  kind: "env",
  phase: 11,
  path: () => "env",
  dependsOn: () => ["vm"],
  desired: ({ machine }) =>
    new Map(machine && Object.keys(machine.env).length > 0 ? [["env", machine.env]] : []),
  query: () => ({ files: [ENVIRONMENT, PROFILE] }),
  read({ facts, note }) {
    const [file, profile] = [facts.file(ENVIRONMENT), facts.file(PROFILE)];
    for (const fact of [file, profile]) if (fact.state === "unknown") return fact;
    const text = environmentText(file) ?? "";
    const block = blockVariables(text, BLOCK);
    const isOurs = note !== undefined || PROFILE in ownedOf(facts).files;
    if (block === undefined && profile.state === "absent" && !isOurs) return { state: "absent" };
    return {
      state: "present",
      owned: isOurs || block !== undefined,
      value: {
        block: block ?? {},
        others: linesOfOthers(text, BLOCK),
        profile: profileVariables(profile.state === "present" ? profile.value.text : ""),
      },
    };
  },
  compare(desired, observed) {
    const changes: Change[] = [];
    for (
      const name of new Set([
        ...Object.keys(desired),
        ...Object.keys(observed.block),
        ...Object.keys(observed.profile),
      ])
    ) {
      const [block, profile] = [observed.block[name], observed.profile[name]];
      const wrong = [block, profile].find((value) => value !== desired[name]);
      if (block === desired[name] && profile === desired[name]) continue;
      changes.push(changeAt(`env.${name}`, { before: wrong, after: desired[name] }));
    }
    return changes.sort((a, b) => a.path < b.path ? -1 : 1);
  },
  expected: (desired) => ({ block: desired, others: "", profile: desired }),
  async change(desired, job) {
    const { note, ops } = await settingVariables(BLOCK, desired, job);
    return { what: "Setting the environment", claimed: { env: note }, ops };
  },
  async undoing(job) {
    return {
      what: "Taking the environment back",
      ops: await removingVariables(BLOCK, job),
      forgotten: ["env"],
    };
  },
});
