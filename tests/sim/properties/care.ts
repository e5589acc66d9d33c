import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { EXIT } from "../../../lib/host/errors.ts";
import { deleteMachine } from "../../../lib/apply/delete.ts";
import type { ApplyEvent } from "../../../lib/apply/events.ts";
import { isActionable } from "../../../lib/plan/effects.ts";
import type { Effect } from "../../../lib/plan/types.ts";
import type { Json } from "../../../lib/config/types.ts";
import {
  readContexts,
  removeContext,
  useContext,
  writeContext,
} from "../../../lib/resources/docker/client_config.ts";
import { engineOf } from "../edited_keys.ts";
import { machineFile, quiet, withEngine } from "../machines.ts";
import { LOG } from "../scripts.ts";
import { type FileKeys, linesOf, NAME } from "../simulation.ts";
import type { Property } from "./property.ts";

export const power: Property<readonly [FileKeys, FileKeys, "stopped" | "VM killed" | "agent killed"]> = {
  name: "power",
  says: "a machine that is down, or has lost its agent, is changed like one that runs",
  samples: fc.tuple(
    machineFile,
    machineFile,
    fc.constantFrom("stopped" as const, "VM killed" as const, "agent killed" as const),
  ),
  async holds(simulation, [from, to, event]) {
    await simulation.reach(await simulation.load(quiet(from)));
    if (event === "stopped") await simulation.stop();
    else if (event === "VM killed") simulation.host.killVm(simulation.folder);
    else simulation.host.killAgent(simulation.folder);
    const loaded = await simulation.load(quiet(to));
    const lines = linesOf(await simulation.diff(loaded)).join("\n");
    assert.doesNotMatch(lines, /^blocked/m);
    if (event === "stopped") assert.doesNotMatch(lines, /outside/, "it was stopped on purpose");
    if (lines.includes("vm.running")) assert.equal(event === "stopped", lines.includes("(stopped;"), lines);
    await simulation.reachAsFromNothing(loaded);
  },
};

export const foreign: Property<FileKeys> = {
  name: "foreign",
  says: "what somebody else has on the host stays as it is, and is named",
  samples: machineFile,
  async holds(simulation, keys) {
    const theirs = { name: "machine-dev", description: "theirs", endpoint: "unix:///theirs.sock" };
    await writeContext(theirs);
    const course = await simulation.apply(await simulation.load(withEngine(keys, "docker")));
    assert.ok(course.ended);
    const open = course.value.outcome.open.map(({ address, action }) => `${action} ${address}`);
    assert.deepEqual(open, ["blocked context:docker"]);
    assert.deepEqual(await readContexts(), [theirs]);
  },
};

export const preflight: Property<readonly [FileKeys, FileKeys]> = {
  name: "preflight",
  says: "a package that no repository has is known before anything that runs is stopped",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    const vm = (memory: string) => ({ ...(from["vm"] as { readonly [key: string]: Json }), memory });
    await simulation.reach(await simulation.load(quiet({ ...from, vm: vm("512MiB") })));
    const before = [simulation.host.interruptions(), simulation.state()];
    const install = ["no-such-package"];
    const loaded = await simulation.load(
      quiet({ ...to, vm: vm("1GiB"), packages: { install }, timezone: "Etc/UTC" }),
    );
    const course = await simulation.apply(loaded);
    assert.ok(course.ended);
    assert.deepEqual(course.value.outcome.done, []);
    assert.deepEqual(course.value.outcome.failed.map(({ address }) => address), ["package:no-such-package"]);
    assert.deepEqual([simulation.host.interruptions(), simulation.state()], before);
  },
};

export const names: Property<readonly [FileKeys, FileKeys]> = {
  name: "names",
  says: "a plan names the containers that it interrupts",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    await simulation.reach(await simulation.load(quiet(from)));
    simulation.host.containers = ["web"];
    simulation.host.guestOf(simulation.folder).systemd.containerd.run("default", "1", { name: "web" });
    const stops = engineOf(from) === "none" ? /^$/ : /^(?:vm|disk:system|disk:data|engine:.*)$/;
    for (const line of (await simulation.diff(await simulation.load(quiet(to)))).changes) {
      if (!isActionable(line) || line.effect === "live" || !stops.test(line.address)) continue;
      // Containers are not its own: a containerd that is started anew finds them again.
      if (line.address === "engine:containerd" && line.action === "update") continue;
      assert.ok(line.interrupts?.some((text) => text.includes("web")), `${line.address} ${line.interrupts}`);
    }
  },
};

/** What people do on the host, and the line that has to show it. */
const HOST_EDITS = {
  "closes the socket": "update socket:docker",
  "edits the context": "update context:docker",
  "removes the context": "create context:docker",
  "makes another context current": "update context:docker",
  "edits what ssh reads": "update sshconfig",
  "removes what ssh reads": "create sshconfig",
  "takes our lines out of the user's ssh configuration": "update sshconfig",
} as const;

export const hostDrift: Property<readonly [FileKeys, keyof typeof HOST_EDITS]> = {
  name: "host-drift",
  says: "what somebody has done to our things on the host is found, and healed by one apply",
  samples: fc.tuple(
    machineFile,
    fc.constantFrom(...Object.keys(HOST_EDITS) as (keyof typeof HOST_EDITS)[]),
  ),
  async holds(simulation, [random, edit]) {
    const keys = withEngine({ ...quiet(random), ssh: { config: true } }, "docker");
    const runtime = keys["runtime"] as { readonly [key: string]: Json };
    const loaded = await simulation.load({
      ...keys,
      runtime: { ...runtime, docker: { context: { current: true } } },
    });
    await simulation.reach(loaded);
    const before = await simulation.hostFiles();
    const [context] = await readContexts();
    const [ours, users] = [
      join(simulation.home, ".machine/ssh_config"),
      join(simulation.home, ".ssh/config"),
    ];
    if (edit === "closes the socket") simulation.host.closeSockets(simulation.folder);
    else if (edit === "edits the context") {
      await writeContext({ ...context!, endpoint: "unix:///theirs.sock" });
    } else if (edit === "removes the context") await removeContext(context!.name);
    else if (edit === "makes another context current") await useContext("default");
    else if (edit === "edits what ssh reads") writeFileSync(ours, `${before[ours]}# theirs\n`);
    else if (edit === "removes what ssh reads") rmSync(ours);
    else rmSync(users);
    const lines = linesOf(await simulation.diff(loaded));
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.ok(lines[0]!.startsWith(HOST_EDITS[edit]), lines[0]);
    await simulation.reach(loaded);
    assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
    const own = (files: Readonly<Record<string, string>>) =>
      Object.entries(files).filter(([path]) => !path.startsWith(simulation.folder.root)).sort();
    assert.deepEqual(own(await simulation.hostFiles()), own(before));
  },
};

export const image: Property<readonly [FileKeys, FileKeys]> = {
  name: "image",
  says: "an image that has gone from the cache is built again, and disks that stood on it are made anew",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    await simulation.reach(await simulation.load(quiet(from)));
    const { systemDisks } = simulation.host.interruptions();
    simulation.host.dropImage();
    const loaded = await simulation.load(quiet(to));
    assert.match(linesOf(await simulation.diff(loaded)).join("\n"), /^create image live/m);
    const { trace } = await simulation.reach(loaded);
    const [built, stopped] = ["host build the image", "host stop the VM"].map((name) => trace.indexOf(name));
    assert.ok(built! >= 0 && built! < stopped!, "the VM was stopped before the image was there");
    assert.deepEqual(linesOf(await simulation.diff(loaded)), []);
    assert.ok(simulation.host.interruptions().systemDisks > systemDisks);
  },
};

/** What each kind has to stand on, for a plan in which nothing is there yet. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  "disk:system": ["image"],
  "disk:data": [],
  "vm": ["disk:system", "disk:data"],
  "agent": ["vm"],
  "hostname": ["vm"],
  "timezone": ["vm"],
  "package": ["vm"],
  "module": ["vm"],
  "sysctl": ["vm"],
  "folders": ["vm", "disk:data"],
  "disk": ["vm"],
  "mount": ["vm", "folders"],
  "user": ["vm", "folders"],
  "env": ["vm"],
  "file": ["vm", "folders"],
  "proxy": ["vm"],
  "ca": ["vm"],
  "engine:docker": ["vm", "folders", "user", "ca"],
  "engine:containerd": ["vm", "folders", "ca"],
  "cni": ["vm", "folders"],
  "nerdctl": ["vm", "engine:containerd"],
  "login": ["vm", "user"],
  "provision": ["vm", "folders"],
  "socket:docker": ["agent", "engine:docker"],
  "socket:containerd": ["agent", "engine:containerd"],
  "context:docker": ["socket:docker"],
  "sshconfig": ["vm"],
};

export const dependencies: Property<FileKeys> = {
  name: "dependencies",
  says: "each line names what it stands on, and comes after it",
  samples: machineFile,
  async holds(simulation, keys) {
    const { changes } = await simulation.diff(await simulation.load(keys));
    const isOf = (kind: string, address: string) => address === kind || address.startsWith(`${kind}:`);
    for (const [index, { address, action, dependsOn }] of changes.entries()) {
      if (action === "none") continue; // of another engine
      const needs = NEEDS[address] ?? NEEDS[address.slice(0, address.indexOf(":"))] ?? [];
      for (const need of needs) {
        const isThere = changes.some((other) => isOf(need, other.address));
        assert.ok(!isThere || dependsOn.some((on) => isOf(need, on)), `${address} does not name ${need}`);
      }
      for (const on of dependsOn) {
        const at = changes.findIndex((other) => other.address === on);
        assert.ok(at < index, `${address} stands before ${on}`);
      }
    }
  },
};

export const costs: Property<readonly [FileKeys, FileKeys]> = {
  name: "costs",
  says: "what comes and what goes costs what the table says",
  samples: fc.tuple(machineFile, machineFile),
  async holds(simulation, [from, to]) {
    const first = await simulation.load(quiet(from));
    for (const line of (await simulation.diff(first)).changes) {
      if (line.action === "create") assert.equal(line.effect, "live", `create ${line.address}`);
    }
    await simulation.reach(first);
    const plan = await simulation.diff(await simulation.load(quiet(to)));
    for (const { action, address, effect } of plan.changes) {
      const kind = address === "disk:data" ? address : address.slice(0, address.indexOf(":"));
      if (action === "delete") assert.equal(effect, REMOVALS[kind] ?? "live", `delete ${address}`);
      if (action === "create") assert.equal(effect, "live", `create ${address}`);
    }
    const emit = (event: ApplyEvent) => {
      if (event.kind !== "plan") return;
      for (const { action, address, effect } of event.plan.changes) {
        const isData = address.startsWith("disk:") && address !== "disk:system";
        if (action === "delete") assert.equal(effect, isData ? "data-loss" : "live", `delete ${address}`);
      }
    };
    const remove = {
      ...simulation.options(emit),
      name: NAME,
      data: true,
      approval: { allowed: new Set<Effect>() },
    };
    const course = await simulation.command(() => deleteMachine(remove));
    assert.ok(course.ended && course.value.exitCode === EXIT.needsPerson, "nobody has agreed to losing data");
  },
};

/** What goes at a cost. */
const REMOVALS: Readonly<Record<string, Effect>> = {
  "disk:data": "data-loss",
  "user": "service",
  "engine": "service",
};

export const commands: Property<FileKeys> = {
  name: "commands",
  says:
    "commands of the user run once, those for every apply once in each, and those whose check passes never",
  samples: machineFile,
  async holds(simulation, keys) {
    const steps = keys["provision"] as readonly {
      readonly name: string;
      readonly run: string;
      readonly check?: string;
      readonly when: string;
    }[];
    const lines = () => (simulation.host.guestOf(simulation.folder).text(LOG) ?? "").split("\n").length - 1;
    const loaded = await simulation.load(keys);
    await simulation.reach(loaded);
    const first = lines();
    const logging = steps.filter(({ run }) => run.startsWith("log"));
    const unchecked = logging.filter(({ check }) => check === undefined);
    const failing = logging.filter(({ check }) => check?.startsWith("test"));
    const ran = (simulation.host.guestOf(simulation.folder).text(LOG) ?? "").split("\n").slice(0, -1);
    const inOrder = logging.map(({ name }) => name).filter((name) => ran.includes(name));
    assert.deepEqual(ran, inOrder, "steps have run in another order than the file's");
    assert.ok(first >= unchecked.length, "a step has not run");
    assert.ok(first <= unchecked.length + failing.length, "a step has run although its check passes");
    await simulation.reach(loaded);
    const always = unchecked.filter(({ when }) => when === "always");
    assert.equal(lines() - first, always.length, "in the second apply");
    const edited = steps.map((step) => ({ ...step, run: `${step.run}\nlog edited`, when: "changed" }));
    await simulation.reach(await simulation.load({ ...keys, provision: edited }));
    const again = (simulation.host.guestOf(simulation.folder).text(LOG) ?? "").split("edited\n").length - 1;
    assert.equal(again, steps.filter(({ check }) => check === undefined).length, "edited steps run again");
  },
};
