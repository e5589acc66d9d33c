import type { Fact, GuestFile } from "../guest/query.ts";
import { changeAt } from "./change.ts";
import { guestKind } from "./guest_kind.ts";

const LINK = "/etc/localtime";
const NAME = "/etc/timezone";

/** The time zone as found. */
interface FoundZone {
  /** Debian's own note of the name (tzselect(8), "/etc/timezone"). */
  readonly name: string;
  /** Whether the clock follows the zone that is wanted. */
  readonly inForce: boolean;
}

/** The guest's time zone: in force through /etc/localtime (localtime(5)), named in /etc/timezone. */
export const timezoneKind = guestKind<string, FoundZone>({
  kind: "timezone",
  phase: 8, // after packages: tzdata-legacy brings the old names
  path: () => "timezone",
  dependsOn: () => ["vm"],
  desired: ({ machine }) => new Map(machine ? [["timezone", machine.timezone]] : []),
  query: ({ machine }) => ({
    files: [NAME],
    hashes: [LINK, ...(machine ? [zoneFile(machine.timezone)] : [])],
  }),
  read({ facts }, desired) {
    const [name, link] = [facts.file(NAME), facts.file(LINK)];
    const zone = desired === undefined ? undefined : facts.file(zoneFile(desired));
    for (const fact of [name, link, zone]) if (fact?.state === "unknown") return fact;
    return {
      state: "present",
      owned: true,
      value: {
        name: name.state === "present" ? name.value.text.trim() : "",
        inForce: hashOf(link) !== undefined && hashOf(link) === hashOf(zone),
      },
    };
  },
  compare(desired, observed) {
    if (observed.name === desired && observed.inForce) return [];
    if (observed.name === desired) {
      return [changeAt("timezone", { before: "another clock", after: desired }, { isTold: true })];
    }
    return [changeAt("timezone", { before: observed.name || "Etc/UTC", after: desired })];
  },
  expected: (desired) => ({ name: desired, inForce: true }),
  change: (zone) => ({ what: "Setting the time zone", ops: [{ op: "timezone", zone }] }),
  // There is no guest without a time zone.
  undoing: () => ({ what: "Leaving the time zone", ops: [] }),
});

function zoneFile(zone: string): string {
  return `/usr/share/zoneinfo/${zone}`;
}

function hashOf(fact: Fact<GuestFile> | undefined): string | undefined {
  return fact?.state === "present" ? fact.value.sha256 : undefined;
}
