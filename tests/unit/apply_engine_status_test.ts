import assert from "node:assert/strict";
import { engineStatus } from "../../lib/apply/engine_status.ts";
import type { MachineStatus } from "../../lib/apply/types.ts";
import type { Engine } from "../../lib/config/types.ts";
import { UserError } from "../../lib/host/errors.ts";
import type { AgentStatus } from "../../lib/resources/contract.ts";
import { statusText } from "../../lib/ui/status_text.ts";
import { PLAIN } from "../../lib/ui/style.ts";
import { guestOf, MACHINE, machineOf, platformOf, withHome, worldOf } from "./resources_fixture.ts";

const AGENT = { guest: { state: "connected", since: "" } } as AgentStatus;
const TASKS = "namespace default\ntask default 1f web\nnamespace k8s.io\ntask k8s.io 2a pod/app\n" +
  "namespace moby\ntask moby 0123456789abcdef";

/** What containerd and dockerd answer; nothing where they do not. */
interface Answers {
  readonly tasks?: string;
  readonly containers?: readonly string[];
}

function worldWith(engine: Engine, { tasks, containers }: Answers = {}) {
  const guest = guestOf(undefined, () => tasks === undefined ? { ok: false } : { output: tasks });
  const platform = platformOf({
    agents: { guest: () => guest },
    docker: () => {
      if (containers === undefined) throw new UserError("Docker does not answer");
      return Promise.resolve({
        status: 200,
        body: JSON.stringify(containers.map((name) => ({ Names: [`/${name}`] }))),
      });
    },
  });
  return worldOf({ platform, machine: machineOf({ runtime: { ...MACHINE.runtime, engine } }) });
}

/** The rows of a status about its engine. */
function rowsOf(engine: MachineStatus["engine"]): string[] {
  const status = { name: "dev", state: "running", origin: "-", limits: [], mounts: [], sockets: [] } as const;
  return statusText(engine ? { ...status, engine } : status, PLAIN).trimEnd().split("\n").slice(2);
}

const ROWS: readonly (readonly [string, Engine, Answers, AgentStatus | undefined, readonly string[]])[] = [
  [
    "both on one containerd, dockerd's by their names",
    "docker",
    { tasks: TASKS, containers: ["db", "api"] },
    AGENT,
    [
      "engine    docker",
      "runs      default (nerdctl and ctr): web",
      "          k8s.io (Kubernetes): pod/app",
      "          moby (dockerd): api, db",
    ],
  ],
  ["nothing", "containerd", { tasks: "namespace default" }, AGENT, [
    "engine    containerd",
    "runs      nothing",
  ]],
  ["what dockerd does not tell, by its id and said", "docker", { tasks: TASKS }, AGENT, [
    "engine    docker",
    "runs      default (nerdctl and ctr): web",
    "          k8s.io (Kubernetes): pod/app",
    "          moby (dockerd): 0123456789ab",
    "          unknown: Docker does not answer",
  ]],
  ["what containerd does not tell", "docker", { containers: ["db"] }, AGENT, [
    "engine    docker",
    "runs      moby (dockerd): db",
    "          unknown: containerd does not list its containers",
  ]],
  ["a guest that is not reached", "containerd", { tasks: TASKS }, undefined, [
    "engine    containerd",
    "runs      unknown: the guest is not reached",
  ]],
  ["no engine", "none", {}, AGENT, ["engine    none"]],
];
for (const [name, engine, answers, agent, rows] of ROWS) {
  Deno.test(`status tells what runs: ${name}`, () =>
    withHome(async () => {
      assert.deepEqual(rowsOf(await engineStatus(worldWith(engine, answers), agent)), rows);
    }));
}

Deno.test("status has every namespace as data, with nothing running in it as well", () =>
  withHome(async () => {
    const { namespaces } =
      (await engineStatus(worldWith("containerd", { tasks: "namespace k8s.io\nnamespace x" }), AGENT))!;
    assert.deepEqual(namespaces, [
      { name: "k8s.io", of: "Kubernetes", running: [] },
      { name: "x", running: [] },
    ]);
    assert.equal(await engineStatus(worldOf({ machine: undefined }), AGENT), undefined);
  }));
