import assert from "node:assert/strict";
import fc from "fast-check";
import { deleteMachine } from "../../../lib/apply/delete.ts";
import type { ApplyEvent } from "../../../lib/apply/events.ts";
import type { Json } from "../../../lib/config/types.ts";
import { EFFECTS } from "../../../lib/plan/effects.ts";
import type { Plan } from "../../../lib/plan/types.ts";
import { planJson } from "../../../lib/ui/plan_json.ts";
import { planText } from "../../../lib/ui/plan_text.ts";
import { PLAIN } from "../../../lib/ui/style.ts";
import { formsOf, HOST_SECRETS, type HostSetting, NO_SETTING, SETTINGS } from "../host_setting.ts";
import { FILE_SECRET, machineFile, quiet } from "../machines.ts";
import { type FileKeys, linesOf, NAME } from "../simulation.ts";
import type { Property } from "./property.ts";

const setting = fc.constantFrom(...SETTINGS);

/** The lines at which something of the host's may show. */
const OF_THE_HOST = /^(?:proxy|ca:.*|login:.*|engine:.*)$/;

export const hostChange: Property<readonly [FileKeys, HostSetting, HostSetting]> = {
  name: "host-change",
  says: "what the host says of proxies, authorities and logins is taken over, and taken back",
  samples: fc.tuple(machineFile.map(quiet), setting, setting),
  async holds(simulation, [keys, first, second]) {
    simulation.setHost(first);
    const loaded = await simulation.load(keys);
    await simulation.reach(loaded);
    simulation.setHost(second);
    const lines = (await simulation.diff(loaded)).changes.filter(({ action }) => action !== "none");
    for (const line of lines) {
      assert.match(line.address, OF_THE_HOST);
      assert.doesNotMatch(line.reason ?? "", /outside/, line.address);
    }
    await simulation.reachAsFromNothing(loaded);
  },
};

export const closed: Property<readonly [FileKeys, HostSetting]> = {
  name: "host-unasked",
  says: "of a host that nothing is to be taken over from nothing is",
  samples: fc.tuple(machineFile.map(quiet), setting),
  async holds(simulation, [random, second]) {
    const loaded = await simulation.load(withoutHost(random));
    await simulation.reach(loaded);
    simulation.setHost(second);
    assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
    await simulation.reachAsFromNothing(loaded);
  },
};

function withoutHost(keys: FileKeys): FileKeys {
  const { proxy, caCerts } = keys["network"] as Readonly<Record<string, { readonly [key: string]: Json }>>;
  const runtime = keys["runtime"] as { readonly [key: string]: Json };
  const registries = Object.entries(
    runtime["registries"] as Readonly<Record<string, { [key: string]: Json }>>,
  );
  return {
    ...keys,
    network: { proxy: { ...proxy, inherit: false }, caCerts: { ...caCerts, host: false } },
    runtime: {
      ...runtime,
      registries: Object.fromEntries(
        registries.map(([host, registry]): [string, Json] => [host, { ...registry, credentials: "none" }]),
      ),
    },
  };
}

const STYLE = { style: PLAIN, verbose: true, positionOf: () => undefined };

export const secrets: Property<readonly [FileKeys, FileKeys, number]> = {
  name: "secrets",
  says: "no password is in a plan or an event, and none of the host's in a file of ours",
  samples: fc.tuple(machineFile.map(quiet), machineFile.map(quiet), fc.nat(60)),
  async holds(simulation, [from, to, failing]) {
    const said: string[] = [];
    const say = (plan: Plan) =>
      said.push(planText(plan, STYLE), JSON.stringify(planJson(plan, { verbose: true })));
    for (const keys of [from, to]) {
      const loaded = await simulation.load(keys);
      say(await simulation.diff(loaded));
      let count = 0;
      // What fails says why, and has the guest's words in it.
      const course = await simulation.apply(loaded, {}, {
        failing: (name) => name.startsWith("guest ") && count++ === failing,
      });
      assert.ok(course.ended);
      said.push(JSON.stringify(course.value));
      const whole = await simulation.reach(loaded);
      said.push(JSON.stringify(whole.events), JSON.stringify(whole.outcome));
    }
    simulation.setHost(NO_SETTING);
    say(await simulation.diff(await simulation.load(to)));
    const files = Object.entries(await simulation.hostFiles())
      .filter(([path]) => !path.endsWith("/.docker/config.json")); // which is where it has come from
    const events: ApplyEvent[] = [];
    const remove = { ...simulation.options((event) => events.push(event)), name: NAME, data: true };
    await simulation.command(() => deleteMachine({ ...remove, approval: { allowed: new Set(EFFECTS) } }));
    said.push(JSON.stringify(events));
    for (const form of SECRETS) {
      for (const text of said) assert.ok(!text.includes(form), `${form} is said: ${around(text, form)}`);
      if (form === FILE_SECRET) continue; // the record has the machine file in it
      for (const [path, text] of files) {
        assert.ok(!text.includes(form), `${form} is in ${path}: ${around(text, form)}`);
      }
    }
  },
};

const SECRETS = [
  ...formsOf("me", FILE_SECRET),
  ...formsOf("me", HOST_SECRETS.proxy),
  ...formsOf("me", HOST_SECRETS.registry),
  ...formsOf("you", HOST_SECRETS.registry),
  ...formsOf("other", `${HOST_SECRETS.registry}-anew`),
];

function around(text: string, word: string): string {
  const at = text.indexOf(word);
  return text.slice(Math.max(0, at - 200), at + word.length + 100);
}
