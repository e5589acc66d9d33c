import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Engine, Json } from "../../../lib/config/types.ts";
import { EXIT } from "../../../lib/host/errors.ts";
import { sha256 } from "../../../lib/host/files.ts";
import { isActionable } from "../../../lib/plan/effects.ts";
import { NO_SETTING, USUAL_SETTING } from "../host_setting.ts";
import { machineFile, quiet, withEngine } from "../machines.ts";
import { failureText, type FileKeys, linesOf } from "../simulation.ts";
import type { Property } from "./property.ts";

export const missing: Property<readonly [FileKeys, Engine]> = {
  name: "missing",
  says: "what lacks its source on the host is blocked, and everything else is done",
  samples: fc.tuple(machineFile, fc.constantFrom("docker" as const, "containerd" as const)),
  async holds(simulation, [keys, engine]) {
    const without = {
      ...quiet(keys),
      network: {},
      mounts: [{ source: "~/notes", target: "/srv/notes", optional: true }],
      files: [{ path: "/opt/tool", source: "~/notes/source" }],
    };
    const load = (engine: Engine, registry: Json) =>
      simulation.load({
        ...without,
        runtime: {
          engine,
          containerd: { nerdctl: false },
          registries: { "registry.corp.invalid": registry },
        },
      });
    const blocked = ["blocked file:/opt/tool", "blocked mount:/srv/notes"];
    const certified = { certificates: { ca: "~/trust/root.pem" } };
    const authority = `blocked ca:${sha256(join(simulation.home, "trust/root.pem")).slice(0, 16)}`;
    const trusting = { ...without, network: { caCerts: { files: ["~/trust/root.pem"] } } };
    const cases = [
      [await simulation.load({ ...trusting, runtime: { engine: "none" } }), [...blocked, authority]],
      [await load(engine, {}), blocked],
      [await load(engine, { credentials: "host" }), [...blocked, "blocked login:registry.corp.invalid"]],
      [await load(engine, certified), [...blocked, `blocked engine:${engine}`]],
    ] as const;
    rmSync(join(simulation.home, "notes"), { recursive: true });
    rmSync(join(simulation.home, "trust"), { recursive: true });
    simulation.setHost(NO_SETTING);
    for (const [loaded, lines] of cases) {
      const course = await simulation.apply(loaded);
      assert.ok(course.ended);
      assert.deepEqual(course.value.outcome.failed, []);
      const open = course.value.outcome.open.map(({ address, action }) => `${action} ${address}`).sort();
      assert.deepEqual(open, [...lines].sort());
      assert.equal(simulation.host.guestOf(simulation.folder).view.get("/opt/tool"), undefined);
      const again = await simulation.diff(loaded);
      assert.deepEqual(again.changes.filter(isActionable), []);
    }
  },
};

export const unusable: Property<FileKeys> = {
  name: "unusable",
  says: "a proxy of the host's that the guest cannot use is said, and everything else is done",
  samples: machineFile.map(quiet),
  async holds(simulation, keys) {
    const loaded = await simulation.load({ ...keys, network: {} });
    const { proxy, ...setting } = USUAL_SETTING;
    simulation.setHost({ ...setting, proxy: { ...proxy, https: "socks5://127.0.0.1:1080" } });
    const course = await simulation.apply(loaded);
    assert.ok(course.ended);
    const { failed, open } = course.value.outcome;
    assert.deepEqual(failed, []);
    assert.deepEqual(open.map(({ address, action }) => `${action} ${address}`), ["blocked proxy"]);
    assert.match(open[0]!.reason ?? "", /network\.proxy\.https/, "nobody says what to do");
    assert.deepEqual((await simulation.diff(loaded)).changes.filter(isActionable), []);
  },
};

export const archive: Property<FileKeys> = {
  name: "archive",
  says: "a release is fetched before anything is stopped for it; one that cannot be had is missing alone",
  samples: machineFile.map(quiet),
  async holds(simulation, keys) {
    const vm = keys["vm"] as { readonly [key: string]: Json };
    const load = (nerdctl: boolean, memory: string) => {
      const { runtime, ...rest } = withEngine(keys, "containerd");
      const { containerd, ...others } = runtime as Readonly<Record<string, { readonly [key: string]: Json }>>;
      return simulation.load({
        ...rest,
        vm: { ...vm, memory },
        runtime: { ...others, containerd: { ...containerd, nerdctl } },
      });
    };
    await simulation.reach(await load(false, "512MiB"));
    const loaded = await load(true, "1GiB");
    simulation.host.artifacts.failure = "The mirror does not answer";
    const course = await simulation.apply(loaded);
    assert.ok(course.ended);
    const { outcome, events } = course.value;
    assert.equal(outcome.exitCode, EXIT.partial, failureText(outcome, events));
    assert.deepEqual(outcome.failed.map(({ address }) => address), ["nerdctl"], failureText(outcome, events));
    assert.match(failureText(outcome, events), /artifacts\.mirror/, "nobody says what to do");
    assert.deepEqual(
      (await simulation.diff(loaded)).changes.filter(isActionable).map(({ address }) => address),
      [
        "nerdctl",
      ],
    );
    simulation.host.artifacts.failure = undefined;
    const { trace } = await simulation.reach(await load(true, "512MiB"));
    const at = (start: string) => trace.findIndex((name) => name.startsWith(start));
    assert.ok(
      at("host fetch") >= 0 && at("host fetch") < at("host stop the VM"),
      "fetched when all was stopped",
    );
    assert.ok(simulation.host.guestOf(simulation.folder).view.get("/usr/local/bin/nerdctl"));
    assert.deepEqual(linesOf(await simulation.diff(await load(true, "512MiB"))), []);
  },
};
