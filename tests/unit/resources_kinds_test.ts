import assert from "node:assert/strict";
import { kindOf } from "../../lib/apply/steps.ts";
import { effectOf } from "../../lib/config/effects.ts";
import { EFFECTS } from "../../lib/plan/effects.ts";
import type { World } from "../../lib/resources/contract.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { KINDS } from "../../lib/resources/registry.ts";
import {
  factsOf,
  lookOf,
  machineOf,
  RICH,
  STOPPED,
  UNREACHABLE,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const GUEST_KINDS = KINDS.filter(({ realm }) => realm === "guest");
/** What a machine has only with this engine instead of docker. */
const OF_CONTAINERD = ["cni", "engine:containerd", "nerdctl"];

/** A world in which something of a kind is wanted: of engines there is one at a time. */
function worldFor({ kind }: { readonly kind: string }): World {
  const engine = OF_CONTAINERD.includes(kind) ? "containerd" : "docker";
  return worldOf({ machine: { ...RICH, runtime: { ...RICH.runtime, engine } } });
}

for (const kind of KINDS) {
  Deno.test(`${kind.kind}: what a look finds after it was applied is no difference`, () =>
    withHome(async () => {
      const desired = [...await kind.desired(worldFor(kind))];
      assert.ok(desired.length > 0, "the machine of this test has something of every kind");
      for (const [address, wanted] of desired) {
        assert.deepEqual(kind.compare(wanted, kind.expected(wanted)), [], address);
        assert.equal(kindOf(address), kind);
      }
    }));

  Deno.test(`${kind.kind}: wants nothing once the machine is to go`, () =>
    withHome(async () => {
      assert.equal((await kind.desired(worldOf({ machine: undefined }))).size, 0);
    }));

  Deno.test(`${kind.kind}: depends on what is done before it, and points at a key of the file`, () =>
    withHome(async () => {
      for (const [address, wanted] of await kind.desired(worldFor(kind))) {
        for (const needed of kind.dependsOn(address, wanted)) {
          const other = kindOf(needed);
          const place = (of: typeof kind, it: string, want: unknown) => [
            of.phase,
            want === undefined ? 0 : of.order?.(want) ?? 0,
            it,
          ];
          const before = place(other, needed, (await other.desired(worldFor(kind))).get(needed));
          const after = place(kind, address, wanted);
          const index = before.findIndex((part, at) => part !== after[at]);
          assert.ok(index >= 0 && before[index]! < after[index]!, `${address} needs ${needed}`);
        }
        const path = kind.path(address);
        if (path !== "") assert.doesNotThrow(() => readPath(path), path);
      }
    }));
}

/** The effect of a path, whatever the case: throws when the format has no such key. */
function readPath(path: string): void {
  try {
    effectOf(path);
  } catch (error) {
    if (error instanceof Error && /depends on the change|has no effect/.test(error.message)) return;
    throw error;
  }
}

for (const kind of GUEST_KINDS) {
  Deno.test(`${kind.kind}: unknown with a guest that does not answer, known later with one that is down, absent without one`, () =>
    withHome(async () => {
      const wanted = await kind.desired(worldFor(kind));
      const states = async (look: typeof STOPPED) =>
        [...await kind.observe(worldFor(kind), look, wanted)].map(([, observed]) => observed);
      for (const observed of await states(UNREACHABLE)) {
        assert.deepEqual(observed, { state: "unknown", reason: "no answer" });
      }
      for (const observed of await states(STOPPED)) {
        assert.deepEqual(observed, { state: "unknown", reason: "known after start", until: "vm" });
      }
      for (const observed of await states({ ...STOPPED, guest: { state: "absent" } })) {
        assert.deepEqual(observed, { state: "absent" });
      }
      assert.equal((await states(STOPPED)).length, wanted.size);
    }));

  Deno.test(`${kind.kind}: a guest whose list cannot be read does not look as if it owned nothing`, () =>
    withHome(async () => {
      const look = lookOf(factsOf({}));
      const wanted = await kind.desired(worldFor(kind));
      const found = await Promise.resolve().then(() => kind.observe(worldFor(kind), look, wanted)).catch((
        error,
      ) => error);
      if (found instanceof Error) assert.match(found.message, /Cannot read .*owned\.json/);
      else for (const [address, { state }] of found) assert.equal(state, "unknown", address);
    }));

  Deno.test(`${kind.kind}: asks for all that it reads`, () =>
    withHome(async () => {
      const wanted = await kind.desired(worldFor(kind));
      const query = await kind.query?.(worldFor(kind), [...wanted.keys()]) ?? {};
      const asked = new Set([...query.files ?? [], ...query.hashes ?? []]);
      const facts = factsOf({ [OWNED_FILE]: null });
      const watched = {
        ...facts,
        file(path: string) {
          assert.ok(asked.has(path), `${path} was not asked for`);
          return path === OWNED_FILE ? facts.file(path) : { state: "absent" as const };
        },
        stamp(path: string) {
          assert.ok(query.stamps?.includes(path), `${path} was not asked for`);
          return { state: "absent" as const };
        },
        names(folder: string) {
          assert.ok(query.folders?.includes(folder), `${folder} was not asked for`);
          return { state: "absent" as const };
        },
        unit(name: string) {
          assert.ok(query.units?.includes(name), `${name} was not asked for`);
          return { state: "absent" as const };
        },
        package(name: string) {
          assert.ok(query.packages?.includes(name), `${name} was not asked for`);
          return { state: "absent" as const };
        },
        check(name: string) {
          assert.ok(query.checks?.some((check) => check.name === name), `${name} was not asked for`);
          return { state: "present" as const, value: false };
        },
      };
      await kind.observe(worldFor(kind), lookOf(watched), wanted);
    }));
}

Deno.test("every kind's effects are effects of the plan", () =>
  withHome(async () => {
    for (const kind of KINDS) {
      for (const [address, wanted] of await kind.desired(worldFor(kind))) {
        const creation = kind.creation?.(worldFor(kind), UNREACHABLE, wanted);
        const removal = kind.removal?.(worldFor(kind), kind.expected(wanted));
        for (const said of [creation, removal]) {
          if (said !== undefined) assert.ok(EFFECTS.includes(said.effect), address);
        }
      }
    }
  }));

Deno.test("only the data disk loses data when it is no longer wanted", () =>
  withHome(async () => {
    const losing = new Set<string>();
    for (const kind of KINDS) {
      for (const [, wanted] of await kind.desired(worldFor(kind))) {
        if (kind.removal?.(worldFor(kind), kind.expected(wanted)).effect === "data-loss") {
          losing.add(kind.kind);
        }
      }
    }
    assert.deepEqual([...losing], ["disk:data"]);
  }));

Deno.test("a machine without any of the optional things wants none of them", () =>
  withHome(async () => {
    const bare = worldOf({ machine: machineOf({ vm: { ...RICH.vm, disks: [], dataDiskMiB: undefined } }) });
    const kinds = [
      "env",
      "package",
      "file",
      "sysctl",
      "module",
      "disk",
      "disk:data",
      "folders",
      "provision",
      "mount",
    ];
    for (const kind of KINDS.filter(({ kind }) => kinds.includes(kind))) {
      assert.equal((await kind.desired(bare)).size, 0, kind.kind);
    }
  }));
