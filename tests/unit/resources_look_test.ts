import assert from "node:assert/strict";
import type { AgentStatus } from "../../lib/agent/api.ts";
import { planNow } from "../../lib/apply/plan_now.ts";
import type { Machine } from "../../lib/config/types.ts";
import type { VmLook } from "../../lib/drivers/types.ts";
import type { GuestFacts, GuestQuery } from "../../lib/guest/query.ts";
import { countsSoFar } from "../../lib/host/counts.ts";
import { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import type { World } from "../../lib/resources/contract.ts";
import { lookAround } from "../../lib/resources/look.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  listOf,
  MACHINE,
  machineOf,
  platformOf,
  RECORD,
  RICH,
  RUNNING,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const AGENT: AgentStatus = {
  version: "0",
  build: "0",
  pid: 1,
  machine: "dev",
  startedAt: "",
  configHash: "",
  guest: { state: "connected", since: "" },
  sockets: [],
  rssMiB: 1,
  counts: { connections: 0, execs: 0 },
};

const OPTIONS = { signal: new AbortController().signal, patienceMs: 100 };

interface Scene {
  readonly machine?: Machine;
  readonly record?: World["record"];
  readonly vm?: VmLook;
  readonly agent?: "connected" | "connecting" | "none" | "silent";
  /** Answers by what is asked. */
  readonly facts: (query: GuestQuery) => GuestFacts;
}

/** A running machine whose looks are noted; through the agent, or without one. */
function scene(
  { machine = MACHINE, record = RECORD, vm = RUNNING, agent = "connected", facts }: Scene,
) {
  const queries: GuestQuery[] = [];
  const told: string[] = [];
  const look = (way: string, query: GuestQuery) => {
    told.push(way);
    queries.push(query);
    return facts(query);
  };
  const platform = platformOf({
    vm: {
      look: () => Promise.resolve(vm),
      bootFailure: () => Promise.resolve(undefined),
      rememberedAccel: () => Promise.resolve(undefined),
    },
    agents: {
      status: () => {
        if (agent === "silent") return Promise.reject(new UserError("It does not answer in 5000 ms"));
        if (agent === "none") return Promise.resolve(undefined);
        return Promise.resolve({ ...AGENT, guest: { state: agent, since: "" } });
      },
      look: (_folder, { query }) => Promise.resolve({ facts: look("agent", query), mounts: [] }),
    },
    connect: () => {
      told.push("connect");
      const guest = guestOf();
      return Promise.resolve({
        ...guest,
        look: (query: GuestQuery) => Promise.resolve(look("own", query)),
        isOpen: true,
        [Symbol.asyncDispose]: () => Promise.resolve(void told.push("closed")),
      });
    },
  });
  return { world: worldOf({ machine, record, platform }), queries, told };
}

/** Answers every question about files by a list, and by nothing for the rest. */
function answering(files: Readonly<Record<string, FileAnswer>>): (query: GuestQuery) => GuestFacts {
  return (query) => {
    const asked = [...query.files ?? [], ...query.hashes ?? []];
    return factsOf(
      Object.fromEntries(asked.map((path) => [path, files[path] ?? null])),
      Object.fromEntries((query.units ?? []).map((name) => [name, null])),
      { packages: Object.fromEntries((query.packages ?? []).map((name) => [name, null])) },
    );
  };
}

Deno.test("lookAround() asks the guest once, for everything that any kind wants to know", () =>
  withHome(async () => {
    const { world, queries, told } = scene({ machine: RICH, facts: answering({}) });
    const before = countsSoFar().roundTrips;
    const look = await lookAround(world, OPTIONS);
    assert.equal(look.guest.state, "facts");
    assert.equal(countsSoFar().roundTrips - before, 1);
    assert.deepEqual(told, ["agent"]);
    const [query] = queries;
    assert.deepEqual(query?.packages, ["git", "jq"]);
    assert.deepEqual(query?.checks?.map(({ name }) => name), ["second"]);
    for (
      const path of ["/etc/motd", "/etc/environment", OWNED_FILE, "/proc/sys/vm/swappiness", "/etc/localtime"]
    ) {
      assert.ok([...query?.files ?? [], ...query?.hashes ?? []].includes(path), path);
    }
    assert.ok(query?.units?.includes("docker.service"));
    assert.ok(!query?.files?.includes("/etc/motd"), "of a user's file only the hash travels");
  }));

Deno.test("lookAround() asks for what was applied from here and is no longer wanted, in the same round trip", () =>
  withHome(async () => {
    const record = { ...RECORD, applied: { "package:ed": "x", "file:/etc/old": "y", "mount:/old": "z" } };
    const list = listOf({ "package:ed": true, "file:/etc/old": true, "mount:/old": {} });
    const { world, queries } = scene({ record, facts: answering({ [OWNED_FILE]: list }) });
    await lookAround(world, OPTIONS);
    assert.equal(queries.length, 1);
    assert.ok(queries[0]!.packages?.includes("ed"));
    assert.ok(queries[0]!.hashes?.includes("/etc/old"));
    assert.ok(queries[0]!.hashes?.includes("/etc/systemd/system/old.mount"));
  }));

const FORGOTTEN = listOf(
  {
    "file:/etc/old": true,
    "package:ed": true,
    "sysctl:vm.old": "60",
    "module:old": { before: false, builtIn: false },
    "mount:/old": {},
    "user:former": {},
    "provision:old": "hash",
    "disk:old": { target: "/mnt/old", uuid: "u" },
    "env": {},
  },
  { "/etc/old": sha256("ours\n") },
);
const THERE: Readonly<Record<string, FileAnswer>> = {
  [OWNED_FILE]: FORGOTTEN,
  "/etc/old": "ours\n",
  "/etc/sysctl.d/90-machine-vm.old.conf": "vm.old = 1\n",
  "/proc/sys/vm/old": "1\n",
  "/proc/modules": "old 1 0 - Live 0x0\n",
  "/etc/modules-load.d/machine-old.conf": "old\n",
  "/etc/passwd": "former:x:1001:1001::/home/former.guest:/bin/bash\n",
  "/proc/self/mountinfo": "",
};

for (const agent of ["connected", "none"] as const) {
  Deno.test(`lookAround() of a guest whose list names what nobody here remembers looks exactly twice, agent ${agent}`, () =>
    withHome(async () => {
      const facts = (query: GuestQuery) => {
        const answer = answering(THERE)(query);
        return {
          ...answer,
          package: (name: string) =>
            name === "ed" && query.packages?.includes("ed")
              ? { state: "present" as const, value: "1" }
              : answer.package(name),
        };
      };
      const { world, queries, told } = scene({ agent, facts });
      const before = countsSoFar();
      const { plan } = await planNow(world, OPTIONS);
      assert.equal(countsSoFar().roundTrips - before.roundTrips, 2);
      assert.deepEqual(told, agent === "none" ? ["connect", "own", "own", "closed"] : ["agent", "agent"]);
      assert.equal(countsSoFar().connections - before.connections, agent === "none" ? 1 : 0);
      assert.ok(!queries[0]!.hashes?.includes("/etc/old"));
      assert.ok(queries[1]!.hashes?.includes("/etc/old"));
      const removed = plan.changes.filter(({ action }) => action === "delete").map(({ address }) => address);
      assert.deepEqual(removed.toSorted(), Object.keys(JSON.parse(FORGOTTEN).applied).toSorted());
      const blocked = plan.changes.filter(({ action }) => action === "blocked");
      assert.deepEqual(blocked.map(({ address, reason }) => `${address} ${reason}`), []);
    }));
}

Deno.test("lookAround() says of a damaged list what is wrong with it, not that the guest is silent", () =>
  withHome(async () => {
    const { world, queries } = scene({ facts: answering({ [OWNED_FILE]: "{" }) });
    const { look, plan } = await planNow(world, OPTIONS);
    assert.equal(look.guest.state, "facts");
    assert.equal(queries.length, 1);
    const hostname = plan.changes.find(({ address }) => address === "hostname");
    assert.match(hostname?.reason ?? "", /owned\.json in the guest is damaged: it is not JSON; Remove it/);
  }));

Deno.test("lookAround() goes its own way into a guest whose agent is not connected, and closes it", () =>
  withHome(async () => {
    for (const agent of ["connecting", "none", "silent"] as const) {
      const { world, told } = scene({ agent, facts: answering({}) });
      const look = await lookAround(world, OPTIONS);
      assert.equal(look.guest.state, "facts");
      assert.deepEqual(told, ["connect", "own", "closed"]);
      const states = { connecting: "present", none: "absent", silent: "unknown" };
      assert.equal(look.agent.state, states[agent]);
    }
  }));

Deno.test("lookAround() takes a guest that cannot be asked for unknown, with the cause", () =>
  withHome(async () => {
    const facts = () => {
      throw new UserError("The connection was refused");
    };
    const { world } = scene({ agent: "none", facts });
    const { guest } = await lookAround(world, OPTIONS);
    assert.ok(guest.state === "unknown" && guest.until === undefined);
    assert.match(guest.reason, /The connection was refused; machine restart dev starts it anew/);
  }));

const VMS: readonly (readonly [string, VmLook, object])[] = [
  ["no system disk", { state: "stopped", crashed: false }, { state: "absent" }],
  ["a VM that nobody can ask", { state: "unknown", reason: "busy" }, { state: "unknown", reason: "busy" }],
  ["a VM that stands still", { ...RUNNING, status: "paused" }, {
    state: "unknown",
    reason: 'the VM is "paused"',
    until: "vm",
  }],
  ["a VM without a way to its ssh", { ...RUNNING, forwards: [] }, {
    state: "unknown",
    reason: "no port leads to its ssh yet",
    until: "vm",
  }],
];

for (const [name, vm, guest] of VMS) {
  Deno.test(`lookAround() does not even ask the guest of ${name}`, () =>
    withHome(async () => {
      const { world, told } = scene({ vm, facts: answering({}) });
      assert.deepEqual((await lookAround(world, OPTIONS)).guest, guest);
      assert.deepEqual(told, []);
    }));
}

Deno.test("lookAround() of 500 files, 200 packages and 100 steps is one round trip", () =>
  withHome(async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => index);
    const machine = machineOf({
      files: many(500).map((n) => ({ path: `/etc/x${n}`, content: "", owner: "root:root", mode: "0644" })),
      packages: { install: many(200).map((n) => `p${n}`) },
      provision: many(100).map((n) => ({
        name: `s${n}`,
        run: "x",
        check: "true",
        as: "root",
        when: "changed",
      })),
    });
    const { world, queries } = scene({ machine, facts: answering({}) });
    await planNow(world, OPTIONS);
    assert.equal(queries.length, 1);
  }));
