import assert from "node:assert/strict";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { timezoneKind } from "../../lib/resources/timezone.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  jobOf,
  lookOf,
  machineOf,
  opNames,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

const ZONE = "/usr/share/zoneinfo/Europe/Berlin";
const ROWS: readonly (readonly [string, Record<string, FileAnswer>, string])[] = [
  ["in force and named", {}, "timezone none live"],
  [
    "another one",
    { "/etc/timezone": "Etc/UTC\n", "/etc/localtime": "UTC" },
    "timezone update live, timezone",
  ],
  ["another clock", { "/etc/localtime": "UTC" }, "timezone update live, timezone"],
  ["another name", { "/etc/timezone": "Etc/UTC\n" }, "timezone update live, timezone"],
  ["no name", { "/etc/timezone": null }, "timezone update live, timezone"],
  ["no clock", { "/etc/localtime": null }, "timezone update live, timezone"],
  ["a guest without the zone", { [ZONE]: null }, "timezone update live, timezone"],
  ["neither zone nor clock", { [ZONE]: null, "/etc/localtime": null }, "timezone update live, timezone"],
  [
    "a clock that cannot be read",
    { "/etc/localtime": undefined as never },
    "timezone blocked live (the guest did not answer)",
  ],
];

for (const [name, files, wanted] of ROWS) {
  Deno.test(`timezone: ${name}`, async () => {
    const usual = {
      "/etc/timezone": "Europe/Berlin\n",
      "/etc/localtime": "CET",
      [ZONE]: "CET",
      [OWNED_FILE]: null,
    };
    assert.deepEqual(await toldOf(timezoneKind, { look: lookOf(factsOf({ ...usual, ...files })) }), [wanted]);
  });
}

Deno.test("timezone: says what is there in words", () => {
  const before = (name: string, inForce: boolean) =>
    timezoneKind.compare("Europe/Berlin", { name, inForce })[0]?.before;
  assert.equal(before("Etc/UTC", false), "Etc/UTC");
  assert.match(String(before("", false)), /UTC$/);
  assert.notEqual(
    before("Europe/Berlin", false),
    "Europe/Berlin",
    "a change from a zone to itself says nothing",
  );
});

Deno.test("timezone: is set by one operation, and asks for the wanted zone's file", async () => {
  const world = worldOf({ machine: machineOf({ timezone: "Etc/GMT+1" }) });
  const guest = guestOf();
  await timezoneKind.apply(jobOf("timezone", guest), "Etc/GMT+1");
  assert.deepEqual(guest.ops(), [{ op: "timezone", zone: "Etc/GMT+1" }]);
  const query = await timezoneKind.query?.(world, ["timezone"]);
  assert.ok(query?.hashes?.includes("/usr/share/zoneinfo/Etc/GMT+1"));
  const left = guestOf();
  await timezoneKind.undo(jobOf("timezone", left));
  assert.deepEqual(opNames(left.ops()), []);
});
