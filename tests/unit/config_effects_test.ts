import assert from "node:assert/strict";
import { effectOf, STATE_EFFECTS } from "../../lib/config/effects.ts";
import { listFields } from "../../lib/config/schema/walk.ts";
import { effectDifferences } from "../effects_table.ts";

Deno.test("the effect of every supported key is the one of the table", () => {
  assert.deepEqual(effectDifferences(), []);
});

Deno.test("effectOf() says what a change at a path costs", () => {
  const rows: readonly (readonly [path: string, which: string | undefined, effect: string])[] = [
    ["protect", undefined, "live"],
    ["hostname", undefined, "live"],
    ["timezone", undefined, "live"],
    ["env", undefined, "live"],
    ["env.EDITOR", undefined, "live"],
    ["files", undefined, "live"],
    ["files[/etc/motd]", undefined, "live"],
    ["files[/etc/motd].mode", undefined, "live"],
    ["packages.install", undefined, "live"],
    ["packages.install[git]", undefined, "live"],
    ['sysctl["vm.max_map_count"]', undefined, "live"],
    ["modules[br_netfilter]", undefined, "live"],
    ["provision[tools].run", undefined, "live"],
    ["user", undefined, "live"],
    ["user.name", undefined, "service"],
    ["user.shell", undefined, "live"],
    ["user.sudo", undefined, "live"],
    ["user.uid", undefined, "service"],
    ["vm.cpus", undefined, "restart"],
    ["vm.memory", undefined, "restart"],
    ["vm.cpu", undefined, "restart"],
    ["vm.accel", undefined, "restart"],
    ["vm.driver", undefined, "recreate"],
    ["vm.arch", undefined, "recreate"],
    ["vm.image", undefined, "recreate"],
    ["vm.image.source", undefined, "recreate"],
    ["vm.disk", "grow", "live"],
    ["vm.disk", "shrink", "recreate"],
    ["vm.dataDisk", "grow", "live"],
    ["vm.dataDisk", "shrink", "data-loss"],
    ["vm.dataDisk", "none", "data-loss"],
    ["vm.dataDisk", "attach", "restart"],
    ["vm.disks", "add", "live"],
    ["vm.disks[scratch]", "remove", "live"],
    ["vm.disks[scratch]", "delete", "data-loss"],
    ["vm.disks[scratch].size", "grow", "live"],
    ["vm.disks[scratch].size", "shrink", "data-loss"],
    ["vm.disks[scratch].format", undefined, "data-loss"],
    ["vm.disks[scratch].target", undefined, "live"],
    ["mounts", "add", "restart"],
    ["mounts[/src]", "remove", "live"],
    ["mounts[/src]", "remount", "live"],
    ["mounts[/src].source", "share", "restart"],
    ["mounts[/src].type", "remount", "live"],
    ["mounts[/src].options", undefined, "live"],
    ["mounts[/src].options.cache", undefined, "live"],
    ["runtime", undefined, "service"],
    ["runtime.engine", "stop", "service"],
    ["runtime.docker.daemon", "reload", "live"],
    ["runtime.docker.daemon.debug", "reload", "live"],
    ["runtime.docker.daemon.log-opts.max-size", "restart", "service"],
    ["runtime.docker.context.name", undefined, "live"],
    ["ssh.config", undefined, "live"],
    ["ssh.port", undefined, "live"],
    ["vm.running", "down", "live"],
    ["vm.running", "stuck", "restart"],
    ["agent.build", undefined, "live"],
    ["folders", undefined, "live"],
    ["unit", undefined, "live"],
  ];
  for (const [path, which, effect] of rows) assert.equal(effectOf(path, which), effect, `${path} ${which}`);
});

Deno.test("effectOf() takes a path or case that there is not for a mistake", () => {
  const rows: readonly (readonly [path: string, which: string | undefined, message: RegExp])[] = [
    ["vm.memroy", undefined, /has no vm\.memroy/],
    ["", undefined, /names no key/],
    ["vm.memory.size", undefined, /has no vm\.memory\.size/],
    ["vm.disk", undefined, /depends on the change: grow, shrink/],
    ["vm.disk", "larger", /not "larger"/],
    ["vm.disk", "toString", /not "toString"/],
    ["hostname", "grow", /has no cases/],
    ["name", undefined, /has no effect/],
    ["extends", undefined, /has no effect/],
  ];
  for (const [path, which, message] of rows) assert.throws(() => effectOf(path, which), message, path);
});

Deno.test("effectOf() knows every key that works, in every case", () => {
  for (const { path, effect, support } of listFields()) {
    if (support === "later" || effect === "none" || effect === "identity") continue;
    const concrete = path.replaceAll("[]", "[x]").replaceAll("*", "x");
    const cases = typeof effect === "string" ? [undefined] : Object.keys(effect);
    for (const which of cases) {
      assert.match(effectOf(concrete, which), /^(live|service|restart|recreate|data-loss)$/);
    }
  }
});

Deno.test("no observed condition has the name of a key", () => {
  const keys = listFields().map(({ path }) => path);
  assert.deepEqual(Object.keys(STATE_EFFECTS).filter((name) => keys.includes(name)), []);
});
