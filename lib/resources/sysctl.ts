import { sysctlPath } from "../guest/op_script.ts";
import { UserError } from "../host/errors.ts";
import { Differences, entryPath } from "./change.ts";
import type { Job } from "./contract.ts";
import { guestKind, idOf } from "./guest_kind.ts";
import type { OwnedOp } from "./owned.ts";

const KIND = "sysctl";

/** A kernel parameter as wanted. */
interface WantedParameter {
  readonly key: string;
  readonly value: string;
}

/** A kernel parameter as found. */
interface FoundParameter {
  /** In force; `undefined` where the kernel has no such parameter (yet). */
  readonly value: string | undefined;
  /** What every boot sets; `undefined` without a file of ours. */
  readonly atBoot: string | undefined;
}

/** Kernel parameters: in force now, and set at every boot (sysctl.d(5)). */
export const sysctlKind = guestKind<WantedParameter, FoundParameter>({
  kind: KIND,
  phase: 8,
  path: (address) => entryPath("sysctl", idOf(address)),
  dependsOn: () => ["vm"],
  desired: ({ machine }) =>
    new Map(Object.entries(machine?.sysctl ?? {}).map(([key, value]) => [`${KIND}:${key}`, { key, value }])),
  query: (_world, addresses) => ({
    files: addresses.flatMap((address) => [sysctlPath(idOf(address)), fileOf(idOf(address))]),
  }),
  read({ facts, address, note }) {
    const key = idOf(address);
    const [value, file] = [facts.file(sysctlPath(key)), facts.file(fileOf(key))];
    for (const fact of [value, file]) if (fact.state === "unknown") return fact;
    if (file.state === "absent" && note === undefined) return { state: "absent" };
    return {
      state: "present",
      owned: note !== undefined,
      value: {
        value: value.state === "present" ? oneSpace(value.value.text) : undefined,
        atBoot: file.state === "present" ? valueIn(file.value.text) : undefined,
      },
    };
  },
  compare(desired, observed) {
    const found = new Differences();
    const path = entryPath("sysctl", desired.key);
    if (observed.value !== desired.value) found.add(path, observed.value, desired.value);
    else {
      const isTold = observed.atBoot === undefined ? { isTold: true } as const : {};
      found.compare(path, observed.atBoot ?? "until the next boot", desired.value, isTold);
    }
    return found.changes;
  },
  expected: ({ value }) => ({ value, atBoot: value }),
  async change({ key, value }, { step, guest, owned }) {
    const note = (await owned.read()).applied[step.address] ?? await valueBefore(guest, key);
    return {
      what: `Setting ${key}`,
      claimed: { [step.address]: note },
      ops: [
        { op: "own", file: { path: fileOf(key), content: `${key} = ${value}\n`, mode: "0644" } },
        { op: "set-sysctl", key, value },
      ],
    };
  },
  async undoing({ step, owned }) {
    const key = idOf(step.address);
    const before = (await owned.read()).applied[step.address];
    const ops: OwnedOp[] = [{ op: "disown", path: fileOf(key) }];
    if (typeof before === "string") ops.push({ op: "set-sysctl", key, value: before, ifThere: true });
    return { what: `Setting ${key} back`, ops, forgotten: [step.address] };
  },
});

/** What the kernel had before us, to be set again when ours goes. */
async function valueBefore(guest: Job["guest"], key: string): Promise<string | true> {
  const path = sysctlPath(key);
  const fact = (await (await guest()).look({ files: [path] })).file(path);
  if (fact.state === "unknown") throw new UserError(`The guest does not tell its ${key}: ${fact.reason}`);
  return fact.state === "present" ? oneSpace(fact.value.text) : true;
}

function fileOf(key: string): string {
  return `/etc/sysctl.d/90-machine-${key.replaceAll("/", ":")}.conf`;
}

function valueIn(text: string): string {
  return oneSpace(text.slice(text.indexOf("=") + 1));
}

/** The kernel parts several numbers by tabs, people by blanks. */
function oneSpace(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}
